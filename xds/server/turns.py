"""Large responses are written a few at a time: what is being written is copied once for each stream, by gRPC and by the kernel.

When a thousand Envoys connect at once, all of them are owed everything. Written all at once that is gigabytes, and nobody is
served sooner for it. By turns each has its own at wire speed, and memory stays what a few of them take. A client that reads slowly
keeps its turn for a moment only.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

LARGE: Final = 256 * 1024
"""Bytes of a response that has to wait for its turn."""
_AT_ONCE: Final = 32 * 1024 * 1024
"""Bytes of large responses that are written at once; one that is larger than that goes alone."""
_PATIENCE: Final = 0.25
"""Seconds after which a client that has not taken its response no longer keeps others waiting."""


class Turns:
    """Who may write a large response now; the others wait in the order in which they came."""

    def __init__(self) -> None:
        self._taken = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @asynccontextmanager
    async def turn(self, size: int) -> AsyncIterator[None]:
        """Wait until ``size`` more bytes may be written, and count them until they are, or the patience is over."""
        loop = asyncio.get_running_loop()
        granted = loop.create_future()
        self._waiting.append((size, granted))
        self._grant()
        left = False

        def leave() -> None:
            nonlocal left
            if not left:
                left = True
                self._taken -= size
                self._grant()

        try:
            await granted
        except asyncio.CancelledError:
            if granted.done() and not granted.cancelled():
                leave()
            granted.cancel()
            raise
        timer = loop.call_later(_PATIENCE, leave)
        try:
            yield
        finally:
            timer.cancel()
            leave()

    def _grant(self) -> None:
        while self._waiting:
            size, granted = self._waiting[0]
            if not granted.done():
                if self._taken and self._taken + size > _AT_ONCE:
                    return
                self._taken += size
                granted.set_result(None)
            self._waiting.popleft()
