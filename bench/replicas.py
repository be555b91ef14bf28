"""What a second replica gives: the streams of one tenant on one server process, and shared by two.

`python -m bench.replicas`. Clients are those of the soak, all delta, each of which takes every response apart and subscribes to the
endpoints of each cluster, as Envoy does: a changed cluster is two responses and two ACKs. Each bump replaces one CA in every server
at the same moment, as the informers of replicas hear of it. Servers and clients share the machine.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from bench.soak.parts import CROWD, Crowd, Server
from bench.soak.world import World
from xds.app.demo.waiting import poll

STREAMS = (500, 1000, 2000, 4000)
LOAD_BALANCERS = 20
BUMPS = 20
WARMING = 3
"""Bumps that are not counted."""
PAUSE = 0.3
"""Seconds between bumps, beside what a bump takes."""
_WITHIN = 60.0


class Cell(NamedTuple):
    """What was seen of so many servers: milliseconds to the last stream, those of CPU a bump and megabytes of each server."""

    connected: float
    last: list[float]
    cpu: list[float]
    memory: list[float]


async def measure(servers: int, streams: int, program: Path, folder: Path) -> Cell:
    """Run the servers and their clients, and bump."""
    world = World(1, tenants=1, load_balancers=LOAD_BALANCERS)
    running = [await Server.start(world, folder) for _ in range(servers)]
    crowd = await Crowd.start(
        program, [server.xds for server in running], streams=streams, tenants=1, delta=True
    )
    try:
        began = time.monotonic()
        await crowd.do("connect", range(streams))
        await _same(crowd, running[0], streams)
        connected = time.monotonic() - began
        last = []
        cpu = [0.0] * servers
        for number in range(WARMING + BUMPS):
            if number == WARMING:
                cpu = [server.usage.cpu for server in running]
            changed = world.rotate(number % LOAD_BALANCERS)
            at = time.time()
            await asyncio.gather(*(server.change([changed]) for server in running))
            if (arrived := await _arrived(crowd, streams, at)) and number >= WARMING:
                last.append((arrived - at) * 1e3)
            await asyncio.sleep(PAUSE)
        used = [server.usage.cpu - before for server, before in zip(running, cpu, strict=True)]
        await _same(crowd, running[-1], streams)
        memory = [server.usage.memory for server in running]
        return Cell(connected, last, [seconds / BUMPS * 1e3 for seconds in used], memory)
    finally:
        await crowd.kill()
        for server in running:
            await server.kill()


async def _same(crowd: Crowd, server: Server, streams: int) -> None:
    """Wait until all clients have what this server has."""
    content = await server.content()
    await poll(
        lambda: crowd.do("compare", range(streams), content=content),
        lambda answer: answer["same"] == streams,
        within=_WITHIN,
        every=0.05,
        what="every client has the server's content",
    )


async def _arrived(crowd: Crowd, streams: int, since: float) -> float:
    """Wait until every client has had a change of clusters, and return when the last one had, in seconds since 1970."""
    async with asyncio.timeout(_WITHIN):
        while True:
            await asyncio.sleep(0.2)
            times: list[float] = (await crowd.do("arrivals", range(streams)))["at"]
            if times[0] > since:
                return times[-1]


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--streams", type=int, nargs="*", default=STREAMS, help="numbers of streams")
    arguments = parser.parse_args()
    program = CROWD.built(lambda line: print(line, flush=True)) / "crowd"
    print(
        f"{BUMPS} bumps, one of {LOAD_BALANCERS} clusters each; ms to the last stream, ms of CPU a bump, MB"
    )
    print(
        f"{'streams':>8}{'servers':>9}{'all synced':>12}{'last, p50':>11}{'p90':>7}   CPU a bump, memory of each server"
    )
    for streams in arguments.streams:
        for servers in (1, 2):
            with tempfile.TemporaryDirectory(prefix="kubelb-xds-replicas-") as folder:
                cell = asyncio.run(measure(servers, streams, program, Path(folder)))
            p50, p90 = statistics.median(cell.last), statistics.quantiles(cell.last, n=10)[8]
            each = ", ".join(
                f"{cpu:.0f} ms {memory:.0f} MB" for cpu, memory in zip(cell.cpu, cell.memory, strict=True)
            )
            print(
                f"{streams:>8,}{servers:>9}{cell.connected:>10.1f} s{p50:>11.0f}{p90:>7.0f}   {each}",
                flush=True,
            )


if __name__ == "__main__":
    main()
