"""The two servers of the comparison serve the same, and the clients that measure them count right."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from bench.objects import Objects
from bench.programs import PROGRAMS
from bench.server import Bench
from tests.support.xds_client import XdsClient
from xds.app.demo.waiting import poll
from xds.messages import Any_, Cluster, ClusterLoadAssignment, Listener, TcpProxy, type_url

TENANT = "tenant-primary"
COUNT = 2
TYPES = (Cluster, ClusterLoadAssignment, Listener)
WITHIN = 30.0

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def programs() -> Path:
    """Return the folder of the Go programs, which are built at first."""
    return PROGRAMS.built()


@pytest.fixture
async def ours() -> AsyncIterator[tuple[int, int]]:
    """Run our server in this process; yields its ports."""
    bench = Bench(COUNT, TENANT, "127.0.0.1:0")
    port = await bench.start()
    runner = web.AppRunner(bench.control())
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield port, runner.addresses[0][1]
    await runner.cleanup()
    await bench.control_plane.stop()


@pytest.fixture
async def theirs(programs: Path, free_port: Callable[..., int]) -> AsyncIterator[tuple[int, int]]:
    """Run the peer; yields its ports."""
    port, control = free_port(), free_port()
    options = ("-load-balancers", str(COUNT), "-port", str(port), "-control-port", str(control))
    process = await asyncio.create_subprocess_exec(programs / "peer", *options)

    async def answers() -> bool:
        try:
            return await _ask(control, "/pid") == f"{process.pid}\n"
        except aiohttp.ClientError:
            return False

    await poll(answers, bool, within=WITHIN, what="the peer")
    yield port, control
    process.terminate()
    await process.wait()


async def _ask(control: int, path: str) -> str:
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{control}{path}") as answer:
        answer.raise_for_status()
        return await answer.text()


async def _content(ports: tuple[int, int], *, delta: bool) -> list[Any]:
    """Return every resource as a message, in two versions: at the start, and after both certificates were replaced."""
    contents = []
    node = {"id": "envoy-0", "cluster": TENANT}
    for _ in range(2):
        async with XdsClient(ports[0], delta=delta, node=node) as client:
            for cls in TYPES:
                # Without names the snapshot cache holds back state-of-the-world endpoints, as it does for Envoy.
                names = [f"{TENANT}-lb-{i}-ep-0-port-30443-TCP" for i in range(COUNT)]
                await client.subscribe(type_url(cls), names)
                response = await client.receive(within=WITHIN)
                packed = [each.resource if delta else each for each in response.resources]
                messages = [
                    cls.FromString(Any_.FromString(any_.SerializeToString()).value) for any_ in packed
                ]
                assert len(messages) == COUNT
                for message in messages if cls is Listener else ():
                    proxy = message.filter_chains[0].filters[0].typed_config
                    # Go writes the fields of a oneof last, which protobuf leaves open.
                    proxy.value = TcpProxy.FromString(proxy.value).SerializeToString(deterministic=True)
                contents.append({getattr(each, "name", "") or each.cluster_name: each for each in messages})
                await client.ack(response, () if delta else names)
        await _ask(ports[1], f"/bump?k={COUNT}")
    return contents


@pytest.mark.parametrize("delta", [True, False], ids=["delta", "sotw"])
async def test_both_serve_the_same(ours: tuple[int, int], theirs: tuple[int, int], *, delta: bool) -> None:
    """Clusters, endpoints and listeners are equal field by field, before and after a bump."""
    assert await _content(ours, delta=delta) == await _content(theirs, delta=delta)


@pytest.mark.parametrize("variant", ["delta", "sotw"])
async def test_load_tells_of_every_bump(ours: tuple[int, int], programs: Path, variant: str) -> None:
    """One line tells of the connect, one of each bump, and one of the whole; times are in their order."""
    address = f"ours=127.0.0.1:{ours[0]},127.0.0.1:{ours[1]}"
    options = ("-streams", "3", "-clusters", str(COUNT), "-variant", variant, "-bumps", "2", "-warmup", "1")
    process = await asyncio.create_subprocess_exec(
        programs / "load", *options, address, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await asyncio.wait_for(process.communicate(), WITHIN)
    lines = [json.loads(line) for line in output.splitlines()]
    assert [line["what"] for line in lines] == ["connected", "bump", "bump", "done"]
    for bump in lines[1:3]:
        assert 0 < bump["first_ms"] <= bump["p50_ms"] <= bump["p99_ms"] <= bump["last_ms"]
    assert lines[3]["memory_mb"] <= lines[3]["peak_mb"]


async def test_a_bump_that_makes_no_sense_is_refused(ours: tuple[int, int]) -> None:
    """The answer says what k may be."""
    with pytest.raises(aiohttp.ClientResponseError, match="Bad Request"):
        await _ask(ours[1], f"/bump?k={COUNT + 1}")
    assert await _ask(ours[1], "/pid") == f"{os.getpid()}\n"


def test_bumps_go_round() -> None:
    """Each bump replaces the Secrets of the next LoadBalancers, and no certificate is given twice."""
    objects = Objects(3, TENANT)
    objects.all()
    secrets = objects.bumped(2) + objects.bumped(2)
    assert [secret.metadata.name for secret in secrets] == ["ca-0", "ca-1", "ca-2", "ca-0"]
    assert len({secret.ca_crt for secret in secrets}) == 4
