"""That something has changed, for whoever shows it: one number that grows, however much happens, and whoever waits for it to grow.

Nothing is kept for anybody: whoever comes late, or reads slowly, learns that there is something new, and asks for it. It knows
neither what changed nor who shows it.
"""

import asyncio
import time

from xds.protocol import Outcome, Response
from xds.server import End, Observer, StreamInfo


class Changes(Observer):
    """Counts what happens on the streams, and whatever else somebody tells of by ``tell``. Belongs to one event loop."""

    def __init__(self) -> None:
        #: Higher than that of any process before this one, so that a page of that is out of date.
        self.revision = time.time_ns() // 1000
        self._grown = asyncio.Event()

    def tell(self, *_: object) -> None:
        """Take note that something has changed."""
        self.revision += 1
        self._grown.set()

    async def after(self, seen: int) -> int:
        """Return the number once it is not this one."""
        while self.revision == seen:
            self._grown.clear()
            await self._grown.wait()
        return self.revision

    def opened(self, stream: StreamInfo, *, known: bool) -> None:  # noqa: ARG002 — as below: that it happened is all
        """Take note of a stream's beginning."""
        self.tell()

    def pushed(self, stream: StreamInfo, response: Response, seconds: float) -> None:  # noqa: ARG002
        """Take note of a push."""
        self.tell()

    def answered(self, stream: StreamInfo, type_url: str, outcome: Outcome, seconds: float) -> None:  # noqa: ARG002
        """Take note of an ACK or a NACK."""
        self.tell()

    def closed(self, stream: StreamInfo, end: End) -> None:  # noqa: ARG002
        """Take note of a stream's end."""
        self.tell()

    def __repr__(self) -> str:
        return f"<Changes {self.revision}>"
