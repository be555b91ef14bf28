"""A server that is only a script: for what goes over the wire byte by byte, which no real server does on demand.

It knows no HTTP: for each connection there is a list of steps, and a step is bytes to send, `REQUEST` (read to the end of a request's
headers), `RESET` (break the connection with a RST) or an event to wait for. At the end of its steps a connection is closed.
"""

import asyncio
import socket
import struct
from collections.abc import Sequence
from enum import Enum
from types import TracebackType
from typing import Literal, Self

from xds.app.demo.ports import LOOPBACK
from xds.app.demo.waiting import Journal


class _Step(Enum):
    REQUEST = "read to the end of a request's headers"
    RESET = "break the connection"


REQUEST: Literal[_Step.REQUEST] = _Step.REQUEST
RESET: Literal[_Step.RESET] = _Step.RESET

Step = bytes | asyncio.Event | _Step


class ScriptedSocket:
    """An async context manager. The first connection gets the first script, and so on; the last script serves all that follow.

    ``received`` has, for each request that a script read, its bytes; ``connections`` counts.
    """

    def __init__(self, *scripts: Sequence[Step]) -> None:
        self.received: Journal[bytes] = Journal("requests at the scripted socket")
        self.connections = 0
        self.port = 0
        self._scripts = scripts
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        """Where clients are to connect."""
        return f"http://{LOOPBACK}:{self.port}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, LOOPBACK, 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        script = self._scripts[min(self.connections, len(self._scripts) - 1)]
        self.connections += 1
        task = asyncio.create_task(self._play(script, reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _play(
        self, script: Sequence[Step], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            for step in script:
                if isinstance(step, bytes):
                    writer.write(step)
                    await writer.drain()
                elif isinstance(step, asyncio.Event):
                    await step.wait()
                elif step is REQUEST:
                    self.received.add(await reader.readuntil(b"\r\n\r\n"))
                else:
                    linger = struct.pack("ii", 1, 0)  # on, for no time at all: closing resets
                    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                    writer.transport.abort()
        except (OSError, asyncio.IncompleteReadError):
            pass  # the client went away: what it received is the test's to judge
        finally:
            writer.close()
