"""What one change costs before it reaches any stream, among few and among many LoadBalancers, and what a cold start costs.

`python -m bench.pipeline`, which `make bench-peer` runs first. Seconds of this process's CPU, nothing else runs in it.
"""

import argparse
import asyncio
import time

import uvloop

from bench.server import Bench
from xds.app import logs

FEW, MANY = 100, 10_000
CHANGES = 200
GOAL = 1.5
COLD_GOAL = 1.5


async def _measured(count: int) -> tuple[float, float]:
    """Return the seconds of CPU of a cold start and of one change."""
    bench = Bench(count, "tenant-primary", "127.0.0.1:0")
    await bench.start()
    flushed = asyncio.Event()
    bench.control_plane.pipeline.subscribe(lambda _: flushed.set())
    began = time.process_time()
    for _ in range(CHANGES):
        flushed.clear()
        bench.source.bump(1)
        await flushed.wait()
    change = (time.process_time() - began) / CHANGES
    await bench.control_plane.stop()
    return bench.cold, change


def main() -> None:
    """Measure, and print."""
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    logs.configure(level="warning")
    changes = {}
    for count in (FEW, MANY):
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            cold, changes[count] = runner.run(_measured(count))
        print(
            f"{count:>6} LoadBalancers: cold start {cold:.2f} s, one change {changes[count] * 1e3:.2f} ms of CPU"
        )
    print(f"one change among {MANY} costs {changes[MANY] / changes[FEW]:.2f} x one among {FEW}: goal {GOAL}")
    print(f"goal of a cold start with {MANY}: {COLD_GOAL} s")


if __name__ == "__main__":
    main()
