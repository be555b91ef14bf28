"""Accepts connections on a port of its own and gives each to a task.

asyncio's own servers hand out streams; the demo's want the sockets, to see what comes before a handshake and how one fails. This module
does not know what is said on a connection.
"""

import asyncio
import contextlib
import socket
from abc import ABC, abstractmethod
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Self

from xds.app.demo import ports

_BACKLOG = 1024


class Acceptor(ABC):
    """Listens on a port of this machine, a free one unless given, from its creation on, so that its `port` is known before it runs.

    An async context manager: entering starts to accept, leaving ends every connection and frees the port.
    """

    def __init__(self, name: str, *, host: str = ports.LOOPBACK, port: int | None = None) -> None:
        self.name = name
        self.host = host
        self._socket = ports.bound(host=host, port=port)
        self._socket.listen(_BACKLOG)
        self.port: int = self._socket.getsockname()[1]
        self._tasks: set[asyncio.Task[None]] = set()
        # Open until their tasks have ended; a task that is cancelled before its first step would close nothing.
        self._accepted: set[socket.socket] = set()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name} on {self.host}:{self.port}>"

    async def __aenter__(self) -> Self:
        # No task waits in sock_accept: cancelled at the wrong moment, it would lose a connection that nobody closes then.
        asyncio.get_running_loop().add_reader(self._socket, self._accept)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._socket.fileno() >= 0:  # not left before
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        for accepted in self._accepted:
            accepted.close()
        for result in results:
            if isinstance(result, Exception):
                raise result

    @abstractmethod
    async def _serve(self, accepted: socket.socket, peer: str) -> None:
        """Serve one connection to its end; `peer` is its other end as `ip:port`. An exception surfaces when the acceptor is left."""

    def _accept(self) -> None:
        try:
            accepted, address = self._socket.accept()
        except (BlockingIOError, ConnectionAbortedError):  # it went again
            return
        self._accepted.add(accepted)
        accepted.setblocking(False)
        accepted.setsockopt(
            socket.IPPROTO_TCP, socket.TCP_NODELAY, 1
        )  # else each handshake takes 40 ms longer
        self._start(self._served(accepted, f"{address[0]}:{address[1]}"))

    async def _served(self, accepted: socket.socket, peer: str) -> None:
        with contextlib.closing(accepted):
            await self._serve(accepted, peer)
        self._accepted.discard(accepted)

    def _start(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Forget a task that ended well; one that failed is kept, for leaving to raise its exception."""
        if task.cancelled() or task.exception() is None:
            self._tasks.discard(task)
