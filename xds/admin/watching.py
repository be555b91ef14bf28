"""What happens on the streams, live, for whoever watches: bounded queues, so that one who does not read costs nobody anything.

Without a watcher an event costs a look at an empty set. With some it is encoded once; a full queue counts what it drops, and its
reader is told. It knows neither gRPC nor who reads.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from xds.messages.debug_pb2 import Event
from xds.protocol import Outcome, Response
from xds.server import End, Observer, StreamInfo

MOST_EVENTS: Final = 1000
"""Events that wait for a reader; each is some hundred bytes and shared by all."""
MOST_WATCHERS: Final = 32

_MOST_NAMES: Final = 100
_LONGEST_TEXT: Final = 8192
"""Names of resources and characters of a NACK's text in one event."""


class Wanted(NamedTuple):
    """What a watcher wants to hear of; what is empty is everything."""

    tenant: str = ""
    node: str = ""
    types: frozenset[str] = frozenset()

    def covers(self, stream: StreamInfo, type_url: str) -> bool:
        """Whether an event of a stream is wanted; one without a type always is."""
        return (
            self.tenant in ("", stream.tenant)
            and self.node in ("", stream.node)
            and (not self.types or not type_url or type_url in self.types)
        )


class FullError(Exception):
    """There are as many watchers as there may be."""


class Watcher:
    """One reader's queue."""

    def __init__(self, wanted: Wanted) -> None:
        self.wanted = wanted
        self._events: deque[Event] = deque()
        self._missed = 0
        self._ready = asyncio.Event()
        self._closed = False

    @property
    def full(self) -> bool:
        """Whether a further event would be dropped."""
        return len(self._events) >= MOST_EVENTS

    def put(self, event: Event) -> None:
        """Add an event, after word of those that were dropped before it."""
        self._tell_missed()
        self._events.append(event)
        self._ready.set()

    def drop(self) -> None:
        """Count an event that found no room."""
        self._missed += 1

    def close(self) -> None:
        """Let the reader end once it has read what is there."""
        self._closed = True
        self._ready.set()

    async def next(self) -> Event | None:
        """Wait for the next event; None is the end."""
        while True:
            if not self._events:
                self._tell_missed()
            if self._events:
                return self._events.popleft()
            if self._closed:
                return None
            self._ready.clear()
            await self._ready.wait()

    def _tell_missed(self) -> None:
        if self._missed:
            event = Event(missed=Event.Missed(events=self._missed))
            event.at.FromDatetime(datetime.now(UTC))
            self._events.append(event)
            self._missed = 0


class Watching(Observer):
    """Hears of every stream, and passes it on to the watchers. Belongs to one event loop."""

    def __init__(self) -> None:
        self._watchers: set[Watcher] = set()
        self._closed = False

    def open(self, wanted: Wanted) -> Watcher:
        """Return a new watcher's queue. Raises ``FullError``."""
        if len(self._watchers) >= MOST_WATCHERS:
            raise FullError
        watcher = Watcher(wanted)
        self._watchers.add(watcher)
        if self._closed:
            watcher.close()
        return watcher

    def leave(self, watcher: Watcher) -> None:
        """Forget a watcher."""
        self._watchers.discard(watcher)

    def close(self) -> None:
        """Let every watcher end, and those that come later."""
        self._closed = True
        for watcher in self._watchers:
            watcher.close()

    def opened(self, stream: StreamInfo, *, known: bool) -> None:
        """Pass on a stream's beginning."""
        self._pass_on(stream, "", lambda: Event(opened=Event.Opened(delta=stream.delta, known=known)))

    def pushed(self, stream: StreamInfo, response: Response, seconds: float) -> None:
        """Pass on a push."""
        if not self._watchers:
            return
        self._pass_on(
            stream,
            response.type_url,
            lambda: Event(
                push=Event.Push(
                    version=response.version,
                    nonce=response.nonce,
                    resources=len(response.resources),
                    changed=response.changed[:_MOST_NAMES],
                    removed=response.removed[:_MOST_NAMES],
                    seconds=seconds,
                )
            ),
        )

    def answered(self, stream: StreamInfo, type_url: str, outcome: Outcome, seconds: float) -> None:
        """Pass on an ACK or a NACK."""
        if self._watchers and outcome.push is not None:
            self._pass_on(stream, type_url, lambda: _answer(outcome, seconds))

    def closed(self, stream: StreamInfo, end: End) -> None:
        """Pass on a stream's end."""
        self._pass_on(stream, "", lambda: Event(closed=Event.Closed(status=end.status, reason=end.reason)))

    def _pass_on(self, stream: StreamInfo, type_url: str, make: Callable[[], Event]) -> None:
        event: Event | None = None
        for watcher in self._watchers:
            if not watcher.wanted.covers(stream, type_url):
                continue
            if watcher.full:
                watcher.drop()
                continue
            if event is None:
                event = make()
                event.at.FromDatetime(datetime.now(UTC))
                event.tenant, event.node, event.peer = stream.tenant, stream.node, stream.peer
                event.stream, event.type_url = stream.stream, type_url
            watcher.put(event)


def _answer(outcome: Outcome, seconds: float) -> Event:
    response: Any = outcome.push.response if outcome.push else None
    if outcome.kind == "ack":
        return Event(ack=Event.Ack(version=response.version, nonce=response.nonce, seconds=seconds))
    return Event(
        nack=Event.Nack(
            version=response.version,
            nonce=response.nonce,
            seconds=seconds,
            text=outcome.error[:_LONGEST_TEXT],
            held=outcome.held[:_MOST_NAMES],
        )
    )
