"""What a writer sends, in which order, and how often: without an API server, for it knows none."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from kube.client import ApiError, Unreachable
from kube.coordination.bucket import TokenBucket
from kube.coordination.writer import PARALLEL, Writer
from kube.informer import timing as informer_timing
from kube.informer.timing import Timing
from xds.app.demo.waiting import Journal, poll

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

BOUND = 10.0
BRISK = Timing(first_wait=0.001, longest_wait=0.01)
FORBIDDEN = 'lbs "{}" is forbidden: User "x" cannot patch resource "lbs/status" in the namespace "t"'


class Leadership:
    """What an election says, as a test wants it."""

    def __init__(self) -> None:
        self.leading = True
        self.listeners: list[Callable[[bool], None]] = []

    def subscribe(self, listener: Callable[[bool], None]) -> Callable[[], None]:
        """Keep a listener."""
        self.listeners.append(listener)
        return lambda: self.listeners.remove(listener)

    def tell(self, leading: bool) -> None:
        """Change it and say so."""
        self.leading = leading
        for listener in self.listeners:
            listener(leading)


@dataclass
class Bench:
    """A writer that runs, and what it did."""

    leadership: Leadership
    writer: Writer
    done: Journal[str] = field(default_factory=lambda: Journal("writes"))
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    def put(
        self, key: str, text: str = "", *, errors: list[Exception] | None = None, held: bool = False
    ) -> None:
        """Have a text written: it fails with these errors first, or waits for the gate."""
        left = errors if errors is not None else []

        async def write() -> None:
            self.done.add(f"{text or key}?")
            if held:
                await self.gate.wait()
            if left:
                raise left.pop(0)
            self.done.add(text or key)

        self.writer.put(key, write)

    @property
    def written(self) -> list[str]:
        """What was written to the end."""
        return [text for text in self.done if not text.endswith("?")]

    async def has(self, *texts: str) -> None:
        """Wait until exactly these texts were written, in any order, and nothing waits any more."""
        await self.saw(*texts)
        await self.idle()
        assert sorted(self.written) == sorted(texts)

    async def saw(self, *texts: str) -> None:
        """Wait for texts; one with a question mark is a write that has begun."""
        await self.done.until(lambda: set(texts) <= set(self.done), within=BOUND, what=str(texts))

    async def idle(self) -> None:
        """Wait until nothing waits."""

        async def waiting() -> int:
            return self.writer.stats.waiting

        await poll(waiting, lambda count: not count, within=BOUND, what="an idle writer", every=0)


@asynccontextmanager
async def writing(**options: Any) -> AsyncIterator[Bench]:
    """Run a writer of somebody who leads."""
    leadership = Leadership()
    bench = Bench(leadership, Writer(leadership, **{"pauses": BRISK, "rate": 1e6, **options}))
    running = asyncio.create_task(bench.writer.run())
    await asyncio.sleep(0)
    try:
        yield bench
    finally:
        running.cancel()
        await asyncio.wait([running])
        assert running.cancelled()
        assert not leadership.listeners
        assert bench.writer.stats.waiting == 0


async def test_the_newest_of_a_key_wins() -> None:
    """Of what is put for one key before it is its turn only the last is written; other keys have theirs."""
    async with writing() as bench:
        for number in range(5):
            bench.put("a", f"a{number}")
            bench.put("b", f"b{number}")
        assert bench.writer.stats.waiting == 2
        await bench.has("a4", "b4")
        assert list(bench.done) == ["a4?", "a4", "b4?", "b4"]
        assert bench.writer.stats == (2, {}, 0, 0)


async def test_one_at_a_time_for_each_key() -> None:
    """What is put while a write of its key is under way waits for its end; the newest of those follows."""
    async with writing() as bench:
        bench.put("a", "a0", held=True)
        await bench.saw("a0?")
        bench.put("a", "a1")
        bench.put("a", "a2")
        bench.put("b")
        await bench.saw("b")
        assert "a2?" not in bench.done
        bench.gate.set()
        await bench.has("a0", "a2", "b")


async def test_few_are_under_way_at_once() -> None:
    """No more writes are under way than PARALLEL."""
    async with writing() as bench:
        for number in range(3 * PARALLEL):
            bench.put(f"k{number}", held=True)
        await bench.done.until(lambda: len(bench.done) == PARALLEL, within=BOUND, what="the first writes")
        for _ in range(10):
            await asyncio.sleep(0)
        assert len(bench.done) == PARALLEL
        bench.gate.set()
        await bench.has(*(f"k{number}" for number in range(3 * PARALLEL)))


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (Unreachable("gone"), "unreachable"),
        *((ApiError(status, "", "why"), f"http_{status}") for status in (401, 408, 409, 429, 500, 503)),
    ],
)
async def test_what_passes_is_repeated(error: Exception, reason: str) -> None:
    """After a failure that may pass the same function is called again until it succeeds; each failure is counted."""
    async with writing() as bench:
        bench.put("a", errors=[error] * 3)
        await bench.has("a")
        assert bench.done.count("a?") == 4
        assert bench.writer.stats == (1, {reason: 3}, 0, 0)


async def test_what_is_gone_is_dropped() -> None:
    """A write of something that is gone is not repeated, and nothing is said about it."""
    async with writing() as bench:
        with capture_logs() as logs:
            bench.put("a", errors=[ApiError(404, "NotFound", "gone")])
            await bench.saw("a?")
            await bench.idle()
        assert [line["log_level"] for line in logs] == ["debug"]
        assert bench.writer.stats == (0, {"http_404": 1}, 0, 0)


@pytest.mark.parametrize("status", [400, 403, 413, 422])
async def test_what_is_refused_is_given_up(status: int) -> None:
    """What the server will not take is said once and not repeated; put again, it is tried again, and said no second time."""
    refusal = ApiError(status, "Why", "no")
    async with writing() as bench:
        with capture_logs() as logs:
            for times in (1, 2):
                bench.put("a", errors=[refusal])
                await bench.done.until(lambda n=times: bench.done.count("a?") == n, within=BOUND, what="try")  # type: ignore[misc]
                await bench.idle()
                assert bench.writer.stats == (0, {f"http_{status}": times}, 0, 1)
            bench.put("a")
            await bench.has("a")
            assert bench.writer.stats.refused == 0
        assert [(line["log_level"], line["key"]) for line in logs] == [("error", "a")]


async def test_a_missing_right_is_said_once_for_all_objects() -> None:
    """A right that a role lacks is one line of log, however many objects it is missed for."""
    async with writing() as bench:
        with capture_logs() as logs:
            for number in range(20):
                bench.put(str(number), errors=[ApiError(403, "Forbidden", FORBIDDEN.format(number))])
            await bench.saw("19?")
            await bench.idle()
        assert len(logs) == 1
        assert bench.writer.stats.refused == 20
        bench.writer.forget("7")
        assert bench.writer.stats.refused == 19


async def test_an_outage_is_said_once() -> None:
    """What keeps all writes from succeeding is one line of log until one succeeds."""
    async with writing() as bench:
        with capture_logs() as logs:
            for key in "abc":
                bench.put(key, errors=[Unreachable("gone")] * 3)
            await bench.has("a", "b", "c")
        assert len([line for line in logs if line["log_level"] == "warning"]) in range(1, 4)


async def test_an_endless_conflict_is_said() -> None:
    """A conflict is ordinary, and said only when it goes on."""
    async with writing() as bench:
        with capture_logs() as logs:
            bench.put("a", errors=[ApiError(409, "Conflict", "changed")] * 12)
            await bench.has("a")
        assert [line["event"] for line in logs] == ["somebody else keeps writing the same object"]


async def test_a_fault_of_the_program_ends_nothing() -> None:
    """A function that raises what it should not takes no other with it, and is not called again."""
    async with writing() as bench:
        with capture_logs() as logs:
            bench.put("a", errors=[ZeroDivisionError()])
            bench.put("b")
            await bench.has("b")
        assert [line["event"] for line in logs] == ["write failed: this is a fault of the program"]
        assert bench.writer.stats == (1, {"internal": 1}, 0, 0)


async def test_pauses_grow_and_retry_after_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """A write that fails is repeated less and less often, and no sooner than the server asks for."""
    monkeypatch.setattr(informer_timing, "random", SimpleNamespace(uniform=lambda _, high: high))
    waits: list[float] = []
    loop = asyncio.get_running_loop()
    call_later = loop.call_later

    def at_once(delay: float, callback: Any, *arguments: Any) -> asyncio.TimerHandle:
        if getattr(callback, "__name__", "") == "_due":
            waits.append(delay)
            delay = 0
        return call_later(delay, callback, *arguments)

    monkeypatch.setattr(loop, "call_later", at_once)
    async with writing(pauses=Timing(first_wait=1, longest_wait=5)) as bench:
        bench.put("a", errors=[Unreachable("gone")] * 4 + [ApiError(429, "", "", 60.0)])
        await bench.has("a")
        bench.put("a", errors=[Unreachable("gone")])
        await bench.idle()
    assert waits == [1, 2, 4, 5, 60, 1]


async def test_a_newer_write_takes_the_place_of_one_that_failed() -> None:
    """What failed is not repeated if there is something newer for its key; that one keeps the pause."""
    async with writing(pauses=Timing(first_wait=0.05, longest_wait=1)) as bench:
        bench.put("a", "a0", held=True, errors=[Unreachable("gone")])
        await bench.saw("a0?")
        bench.put("a", "a1")
        bench.gate.set()
        await bench.has("a1")
        bench.put("b", "b0", errors=[Unreachable("gone")])
        await bench.saw("b0?")
        bench.put("b", "b1")
        await bench.has("a1", "b1")


async def test_nothing_is_kept_while_not_leading() -> None:
    """What is put by somebody who does not lead is not written, then or later."""
    async with writing() as bench:
        bench.leadership.tell(False)
        bench.put("a")
        assert bench.writer.stats.waiting == 0
        bench.leadership.tell(True)
        bench.put("b")
        await bench.has("b")


async def test_the_end_of_leading_clears_all() -> None:
    """With leadership goes what waits, what waits for its repetition, what is under way and what follows it."""
    async with writing(pauses=Timing(first_wait=60, longest_wait=60)) as bench:
        bench.put("late", errors=[ApiError(429, "", "", 60.0)])
        bench.put("refused", errors=[ApiError(422, "", "no")])
        await bench.saw("late?", "refused?")
        for number in range(PARALLEL):
            bench.put(f"k{number}", held=True)
        await bench.saw(*(f"k{number}?" for number in range(PARALLEL)))
        bench.put("k0", "newer")
        bench.put("waiting")
        bench.leadership.tell(False)
        bench.gate.set()
        await bench.idle()
        assert bench.written == []
        assert bench.writer.stats.refused == 0
        bench.leadership.tell(True)
        bench.put("k0", "afterwards")
        await bench.has("afterwards")


async def test_the_clock_ends_a_write_before_the_event_does() -> None:
    """A write that is between two requests when the lease runs out sends no second one, before anybody was told."""
    async with writing() as bench:
        sent: list[str] = []
        first, ended = asyncio.Event(), asyncio.Event()

        async def write() -> None:
            sent.append("get")
            try:
                await first.wait()
                sent.append("patch")
            finally:
                await asyncio.sleep(0)  # what is cancelled may clean up
                ended.set()

        bench.writer.put("a", write)
        bench.put("b", held=True)
        await bench.saw("b?")
        bench.leadership.leading = False  # by the clock: no event yet
        first.set()
        async with asyncio.timeout(BOUND):
            await ended.wait()
        assert sent == ["get"]
        bench.leadership.tell(False)


async def test_what_waits_is_not_begun_once_the_clock_says_so() -> None:
    """A write whose turn comes after the lease ran out is not called at all."""
    async with writing() as bench:
        bench.put("a")
        bench.leadership.leading = False
        await bench.idle()
        assert list(bench.done) == []


async def test_forget() -> None:
    """What is forgotten is not written; what is under way ends by itself, and nothing follows it."""
    async with writing(pauses=Timing(first_wait=60, longest_wait=60)) as bench:
        bench.put("late", errors=[ApiError(429, "", "", 60.0)])
        bench.put("held", held=True)
        await bench.saw("late?", "held?")
        bench.put("held", "newer")
        bench.put("waits")
        for key in ("late", "held", "waits", "unknown"):
            bench.writer.forget(key)
        bench.gate.set()
        await bench.has("held")


async def test_the_rate_is_kept() -> None:
    """After the burst writes go out at the rate, and none is lost."""
    loop = asyncio.get_running_loop()
    async with writing(rate=100.0, burst=5) as bench:
        begun = loop.time()
        for number in range(25):
            bench.put(str(number))
        await bench.has(*(str(number) for number in range(25)))
        assert loop.time() - begun >= 0.2 - 0.01


def test_a_bucket() -> None:
    """A bucket gives its burst at once, then one for each fraction of a second, and never more than its burst after a rest."""
    now = 0.0
    bucket = TokenBucket(2.0, 3, lambda: now)
    assert [bucket.take() for _ in range(4)] == [0, 0, 0, 0.5]
    now = 0.25
    assert bucket.take() == 0.25
    now = 0.5
    assert [bucket.take(), bucket.take()] == [0, 0.5]
    now = 1000.0
    assert [bucket.take() for _ in range(4)] == [0, 0, 0, 0.5]
