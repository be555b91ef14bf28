"""Sends what the leader writes: the newest for each key, paced, repeated where that helps, and nothing while not leading.

A write is a function that reads what it needs when its turn comes, so that a conflict or a pause costs nothing but another
call. It does not know what is written.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Generator, Hashable, Mapping
from functools import partial
from typing import Any, Final, NamedTuple, Protocol, TypeAlias

import structlog

from kube.client import ApiError, Unreachable
from kube.coordination.bucket import TokenBucket
from kube.informer.timing import Backoff, Timing

PARALLEL: Final = 8
"""Writes under way at once: what a rate of 50 a second needs of a server that takes 160 ms for each."""

PAUSES: Final = Timing(first_wait=0.2, longest_wait=30.0)
"""Before a write is repeated."""

_NOT_FOUND: Final = 404
_CONFLICT: Final = 409
_PASSING: Final = frozenset({401, 408, _CONFLICT, 429})
"""Refusals of the moment, as those from 500 on are: the same write may succeed later."""

_SERVER_ERRORS: Final = 500
_LONG_CONFLICT: Final = 5
"""Conflicts of one write in a row from which on they are worth a line in the log."""

Write: TypeAlias = Callable[[], Coroutine[Any, Any, None]]
"""An async function without arguments. It raises ApiError and Unreachable as KubeApi does."""

log: structlog.typing.FilteringBoundLogger = structlog.get_logger("kube.coordination")


class Leadership(Protocol):
    """Of an Election what a writer needs."""

    @property
    def leading(self) -> bool:
        """Whether this replica surely holds the lease now."""

    def subscribe(self, listener: Callable[[bool], None]) -> Callable[[], None]:
        """Call `listener` with every change of it."""


class WriterStats(NamedTuple):
    """Counts since the program's start, but for the last two: ``waiting`` (under way ones too) and ``refused`` (given up) keys now.

    ``failures`` count attempts by reason, as an informer's do.
    """

    writes: int
    failures: Mapping[str, int]
    waiting: int
    refused: int


class Writer:
    """One queue for all that the leader writes. `rate`: writes a second in the long run, `burst`: at once after a rest."""

    def __init__(
        self,
        leadership: Leadership,
        *,
        rate: float = 50.0,
        burst: int = 100,
        pauses: Timing = PAUSES,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._leadership = leadership
        self._pauses = pauses
        self._bucket = TokenBucket(rate, burst, clock or asyncio.get_running_loop().time)
        # A key is in the first two at most once together, and in `_next` while a newer write than the one under way waits.
        self._ready: dict[Hashable, Write] = {}
        self._later: dict[Hashable, tuple[Write, asyncio.TimerHandle]] = {}
        self._under_way: dict[Hashable, asyncio.Task[None]] = {}
        self._next: dict[Hashable, Write] = {}
        # Keys whose write under way is not to be repeated.
        self._forgotten: set[Hashable] = set()
        self._backoffs: dict[Hashable, Backoff] = {}
        self._conflicts: Counter[Hashable] = Counter()
        # Keys that were given up, and what was said about each.
        self._refused: dict[Hashable, str] = {}
        self._interruption = ""
        self._wake = asyncio.Event()
        self._writes = 0
        self._failures: Counter[str] = Counter()

    @property
    def stats(self) -> WriterStats:
        """What can be told of it now."""
        waiting = len(self._ready) + len(self._later) + len(self._under_way)
        return WriterStats(self._writes, Counter(self._failures), waiting, len(self._refused))

    def put(self, key: Hashable, write: Write) -> None:
        """Have something written; what waits for the same key is not written any more.

        Nothing is kept while this replica does not lead: whoever puts starts over when it does.
        """
        if not self._leadership.leading:
            return
        if key in self._under_way:
            self._next[key] = write
        elif key in self._later:
            self._later[key] = write, self._later[key][1]
        else:
            self._ready[key] = write
            self._wake.set()

    def forget(self, key: Hashable) -> None:
        """Write nothing for a key any more; what is under way ends by itself, and is not repeated."""
        if key in self._under_way:
            self._forgotten.add(key)
        self._ready.pop(key, None)
        self._next.pop(key, None)
        if key in self._later:
            self._later.pop(key)[1].cancel()
        self._settled(key)

    def clear(self) -> None:
        """Forget all, and break off what is under way."""
        self._ready.clear()
        self._next.clear()
        for _, timer in self._later.values():
            timer.cancel()
        self._later.clear()
        self._backoffs.clear()
        self._conflicts.clear()
        self._refused.clear()
        for key, task in self._under_way.items():
            self._forgotten.add(key)
            task.cancel()

    async def run(self) -> None:
        """Write until cancelled."""
        unsubscribe = self._leadership.subscribe(self._led)
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                while self._ready and len(self._under_way) < PARALLEL:
                    if not self._leadership.leading:
                        self.clear()
                    elif wait := self._bucket.take():
                        await asyncio.sleep(wait)
                    else:
                        self._begin(next(iter(self._ready)))
        finally:
            unsubscribe()
            self.clear()
            await asyncio.gather(*self._under_way.values(), return_exceptions=True)

    def _led(self, leading: bool) -> None:  # noqa: FBT001 — a listener of Leadership's
        if not leading:
            self.clear()

    def _begin(self, key: Hashable) -> None:
        write = self._ready.pop(key)
        task = asyncio.create_task(_while_leading(write, self._leadership))
        self._under_way[key] = task
        task.add_done_callback(partial(self._ended, key, write))

    def _ended(self, key: Hashable, write: Write, task: asyncio.Task[None]) -> None:
        del self._under_way[key]
        self._wake.set()
        following = self._next.pop(key, None if key in self._forgotten else write)
        self._forgotten.discard(key)
        error = None if task.cancelled() else task.exception()
        if error is not None and self._is_passing(key, error) and following is not None:
            backoff = self._backoffs.setdefault(key, Backoff(self._pauses))
            wait = backoff.pause(0, retry_after=getattr(error, "retry_after", None))
            timer = asyncio.get_running_loop().call_later(wait, self._due, key)
            self._later[key] = following, timer
            return
        if error is None and not task.cancelled():
            self._writes += 1
            self._interruption = ""
            self._settled(key)
        if following is not None and following is not write:
            self._ready[key] = following

    def _due(self, key: Hashable) -> None:
        self._ready[key] = self._later.pop(key)[0]
        self._wake.set()

    def _settled(self, key: Hashable) -> None:
        self._backoffs.pop(key, None)
        self._conflicts.pop(key, None)
        self._refused.pop(key, None)

    def _is_passing(self, key: Hashable, error: BaseException) -> bool:
        """Count a failure and say what is new about it; return whether the write is to be repeated."""
        if isinstance(error, Unreachable):
            self._failures["unreachable"] += 1
            self._interrupted(key, error)
            return True
        if not isinstance(error, ApiError):
            self._failures["internal"] += 1
            log.error("write failed: this is a fault of the program", key=str(key), exc_info=error)
            self._settled(key)
            return False
        self._failures[f"http_{error.status}"] += 1
        if error.status == _CONFLICT:
            self._conflicts[key] += 1
            if self._conflicts[key] == _LONG_CONFLICT:
                log.warning("somebody else keeps writing the same object", key=str(key), error=str(error))
            return True
        if error.status in _PASSING or error.status >= _SERVER_ERRORS:
            self._interrupted(key, error)
            return True
        if error.status == _NOT_FOUND:
            self._settled(key)
            log.debug("not written: it is gone", key=str(key), error=str(error))
        else:
            self._give_up(key, error)
        return False

    def _interrupted(self, key: Hashable, error: Exception) -> None:
        """Say once what keeps writes from succeeding, until one does."""
        if self._interruption != (text := str(error)):
            self._interruption = text
            log.warning("not written: it is repeated", key=str(key), error=text)

    def _give_up(self, key: Hashable, error: ApiError) -> None:
        """Say once what the server does not allow: of a role that lacks a right, not for each object anew."""
        self._backoffs.pop(key, None)
        self._conflicts.pop(key, None)
        text = error.message.rpartition(" is forbidden: ")[2]
        if text not in self._refused.values():
            log.error("not written: it is given up until it changes", key=str(key), error=str(error))
        self._refused[key] = text


async def _while_leading(write: Write, leadership: Leadership) -> None:
    await _WhileLeading(write, leadership)


class _WhileLeading:
    """Runs a write step by step and cancels it at the first one at which the lease has run out.

    Loss of leadership is an event, too late for a process that was suspended between two requests of one write: what it
    does first when it wakes may be to send the second.
    """

    def __init__(self, write: Write, leadership: Leadership) -> None:
        self._write = write
        self._leadership = leadership

    def __await__(self) -> Generator[Any, None, None]:
        steps = self._write().__await__()
        error: BaseException | None = None
        lost = False
        while True:
            if not lost and not self._leadership.leading:
                lost = True
                error = asyncio.CancelledError()
            try:
                awaited = steps.send(None) if error is None else steps.throw(error)
            except StopIteration:
                return
            error = None
            try:
                yield awaited
            except BaseException as raised:  # noqa: BLE001 — whatever it is, it is the write's
                error = raised
