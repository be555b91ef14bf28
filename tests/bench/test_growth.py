"""What one change costs before it reaches any stream does not depend on how much there is."""

import asyncio
import sys
from types import FrameType

from bench.server import Bench


async def _calls_of_a_change(count: int) -> int:
    """Return how many Python functions are called from a Secret's change to the new snapshot."""
    bench = Bench(count, "tenant-primary", "127.0.0.1:0")
    await bench.start()
    flushed = asyncio.Event()
    bench.control_plane.pipeline.subscribe(lambda _: flushed.set())
    calls = 0

    def counted(frame: FrameType, event: str, _: object) -> None:
        nonlocal calls
        module = frame.f_globals.get("__name__", "")
        calls += event == "call" and module.startswith(("xds.", "kube."))

    for _ in range(2):  # the first one fills caches
        calls = 0
        flushed.clear()
        sys.setprofile(counted)
        try:
            bench.source.bump(1)
            await flushed.wait()
        finally:
            sys.setprofile(None)
    await bench.control_plane.stop()
    return calls


async def test_a_change_costs_the_same_among_few_and_many() -> None:
    """As many functions run for one LoadBalancer's change among 300 as among 3, give or take those for a longer name."""
    few = await _calls_of_a_change(3)
    assert few > 20
    assert abs(await _calls_of_a_change(300) - few) <= few // 20
