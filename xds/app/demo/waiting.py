"""Waiting for what was seen, with a bound.

Everything that the demo claims comes from something that happened elsewhere: a connection at a backend, a line in Envoy's
access log, a counter in its admin interface. A `Journal` holds such events in order and wakes whoever waits for one; `poll`
asks a process that has no events of its own. Neither knows what the events mean.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Generic, TypeVar, overload

T = TypeVar("T")

_SHOWN, _SHOWN_LENGTH = 5, 300
"""How many of the latest entries a `NotSeenError` quotes, and how much of each."""


class NotSeenError(TimeoutError):
    """What was waited for did not happen in time; the text says what was seen instead."""


class Journal(Sequence[T], Generic[T]):
    """Events in the order in which they were recorded; append-only, for one event loop.

    An entry may go on changing after it was recorded (a connection receives bytes); whoever changes one calls `touch`.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._entries: list[T] = []
        self._waiters: list[asyncio.Future[None]] = []

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> list[T]: ...
    def __getitem__(self, index: int | slice) -> T | list[T]:
        return self._entries[index]

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[T]:
        return iter(self._entries)

    def __repr__(self) -> str:
        return f"<Journal {self.name}: {len(self)} entries>"

    def add(self, entry: T) -> None:
        """Record an entry and wake those who wait."""
        self._entries.append(entry)
        self.touch()

    def touch(self) -> None:
        """Say that an entry has changed: everyone who waits looks again."""
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def until(self, holds: Callable[[], bool], *, within: float, what: str) -> None:
        """Wait until `holds` is true, looking again at every change.

        Raises `NotSeenError` after `within` seconds; `what` names the thing waited for in its text.
        """
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(within):
                while not holds():
                    waiter = loop.create_future()
                    self._waiters.append(waiter)
                    await waiter
        except TimeoutError:
            latest = "; ".join(repr(entry)[:_SHOWN_LENGTH] for entry in self._entries[-_SHOWN:]) or "nothing"
            raise NotSeenError(
                f"{what}: not seen in {self.name} within {within:g} s; the latest of {len(self)}: {latest}"
            ) from None

    async def first(
        self,
        matches: Callable[[T], bool],
        *,
        within: float = 5.0,
        since: int = 0,
        what: str = "a matching entry",
    ) -> T:
        """Return the first entry from index `since` on that matches, waiting up to `within` seconds for it."""
        found: list[T] = []

        def look() -> bool:
            found.extend(entry for entry in self._entries[since:] if not found and matches(entry))
            return bool(found)

        await self.until(look, within=within, what=what)
        return found[0]


async def poll(
    probe: Callable[[], Awaitable[T]],
    holds: Callable[[T], bool],
    *,
    within: float,
    what: str,
    every: float = 0.02,
) -> T:
    """Ask `probe` every `every` seconds until its answer `holds`, and return that answer.

    The probe is always asked at least once. Raises `NotSeenError` after `within` seconds, with the last answer in its text.
    """
    deadline = time.monotonic() + within
    while not holds(answer := await probe()):
        if time.monotonic() >= deadline:
            raise NotSeenError(f"{what}: not so within {within:g} s; the last answer: {answer!r}")
        await asyncio.sleep(every)
    return answer
