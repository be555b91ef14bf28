"""Large responses are written a few at a time, and nobody waits long for a client that does not read."""

import asyncio

import pytest

from xds.server import turns
from xds.server.turns import Turns

HALF = turns._AT_ONCE // 2
BOUND = 5.0


class Writers:
    """Writers that hold their turn until they are told to let go."""

    def __init__(self) -> None:
        self.turns = Turns()
        self.writing: list[str] = []
        self._ends: dict[str, asyncio.Event] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def begin(self, name: str, size: int) -> None:
        """Let one begin, and go on when it writes or waits."""
        self._ends[name] = asyncio.Event()
        self._tasks[name] = asyncio.create_task(self._write(name, size))
        await self._settle()

    async def _write(self, name: str, size: int) -> None:
        async with self.turns.turn(size):
            self.writing.append(name)
            await self._ends[name].wait()

    async def end(self, name: str) -> None:
        """Let one have written."""
        self._ends[name].set()
        await self._tasks[name]
        await self._settle()

    async def cancel(self, name: str) -> None:
        """Cancel one."""
        self._tasks[name].cancel()
        await asyncio.wait([self._tasks[name]])
        await self._settle()

    async def _settle(self) -> None:
        for _ in range(5):
            await asyncio.sleep(0)


async def test_others_wait_in_their_order() -> None:
    """Who does not fit any more waits, and so does who came later, however little it writes."""
    writers = Writers()
    for name, size in (("a", HALF), ("b", HALF), ("c", HALF), ("d", 1)):
        await writers.begin(name, size)
    assert writers.writing == ["a", "b"]
    await writers.end("a")
    assert writers.writing == ["a", "b", "c"]
    await writers.end("b")
    assert writers.writing == ["a", "b", "c", "d"]
    for name in ("c", "d"):
        await writers.end(name)


async def test_one_that_is_larger_than_all_goes_alone() -> None:
    """It waits until nobody writes, and then has the whole."""
    writers = Writers()
    await writers.begin("small", 1)
    await writers.begin("huge", 3 * HALF)
    assert writers.writing == ["small"]
    await writers.end("small")
    await writers.begin("next", 1)
    assert writers.writing == ["small", "huge"]
    await writers.end("huge")
    assert writers.writing == ["small", "huge", "next"]
    await writers.end("next")


async def test_who_is_cancelled_keeps_nobody() -> None:
    """Neither while it waits nor while it writes."""
    writers = Writers()
    for name in ("a", "b", "c"):
        await writers.begin(name, 2 * HALF)
    await writers.cancel("b")
    await writers.cancel("a")
    assert writers.writing == ["a", "c"]
    await writers.end("c")


async def test_a_client_that_does_not_read_keeps_others_for_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """When its patience is over the next one writes, and what it held is counted once."""
    monkeypatch.setattr(turns, "_PATIENCE", 0.02)
    writers = Writers()
    await writers.begin("stuck", 2 * HALF)
    async with asyncio.timeout(BOUND), writers.turns.turn(2 * HALF):
        await writers.end("stuck")
        await writers.begin("next", 1)
        assert writers.writing == ["stuck"]
    await writers.end("next")
