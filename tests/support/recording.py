"""An observer that keeps what it hears, and lets a test wait for it."""

import asyncio
from collections.abc import Callable
from typing import Any, NamedTuple

from xds.protocol import Outcome, Response
from xds.server import End, Observer, StreamInfo


class Heard(NamedTuple):
    """One call of an observer's method."""

    what: str
    stream: StreamInfo
    detail: Any


class RecordingObserver(Observer):
    """Keeps everything, in order."""

    def __init__(self) -> None:
        self.heard: list[Heard] = []
        self._changed = asyncio.Event()

    def _hear(self, what: str, stream: StreamInfo, detail: Any) -> None:
        self.heard.append(Heard(what, stream, detail))
        self._changed.set()

    def opened(self, stream: StreamInfo, *, known: bool) -> None:
        """Keep a stream's beginning."""
        self._hear("opened", stream, known)

    def requested(self, stream: StreamInfo, request: Any) -> None:
        """Keep a request as it came."""
        self._hear("requested", stream, request)

    def pushed(self, stream: StreamInfo, response: Response, seconds: float) -> None:
        """Keep a push."""
        assert seconds >= 0
        self._hear("pushed", stream, response)

    def answered(self, stream: StreamInfo, type_url: str, outcome: Outcome, seconds: float) -> None:
        """Keep a request."""
        assert seconds >= 0
        self._hear("answered", stream, (type_url, outcome))

    def closed(self, stream: StreamInfo, end: End) -> None:
        """Keep a stream's end."""
        self._hear("closed", stream, end)

    async def wait_for(self, predicate: Callable[[Heard], bool], bound: float = 5.0) -> Heard:
        """Return the first thing heard that satisfies the predicate, waiting for it within the bound (seconds)."""
        async with asyncio.timeout(bound):
            while True:
                for heard in self.heard:
                    if predicate(heard):
                        return heard
                self._changed.clear()
                await self._changed.wait()
