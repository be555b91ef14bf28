"""A TCP relay between a client and the server that can be made to lose the connection as networks do."""

import asyncio
import contextlib
import socket
import struct
from types import TracebackType
from typing import Self


class Relay:
    """Passes bytes on to a port of 127.0.0.1, both ways; an async context manager. ``port`` is the clients' end."""

    def __init__(self, target: int) -> None:
        self.port = 0
        self._target = target
        self._server: asyncio.Server | None = None
        self._writers: list[asyncio.StreamWriter] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.go_silent()
        for writer in self._writers:
            writer.close()
        assert self._server is not None
        self._server.close()

    def go_silent(self) -> None:
        """Pass nothing on any more, and end nothing: as when a machine loses its power."""
        for task in self._tasks:
            task.cancel()

    def reset(self) -> None:
        """End every connection with a RST, both ways."""
        self.go_silent()
        for writer in self._writers:
            connection: socket.socket = writer.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        to_server, from_server = writer, reader
        reader, writer = await asyncio.open_connection("127.0.0.1", self._target)
        self._writers += [to_server, writer]
        for source, sink in ((from_server, writer), (reader, to_server)):
            task = asyncio.create_task(_pass_on(source, sink))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)


async def _pass_on(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await source.read(1 << 16):
            sink.write(data)
            await sink.drain()
        sink.close()
