"""HTTP/1.1 for those who run the program: an address to listen on, and connections that cost nobody anything.

It shares its process and its file descriptors with the streams of every Envoy: so a connection carries one request, lives for
seconds unless somebody lets it stay, and only so many are open at a time, whoever holds them. What is answered is known elsewhere.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import structlog
from aiohttp import web

from xds.listening import bound

LIFETIME: Final = 10.0
"""Seconds after which a connection ends, finished or not: Prometheus's and kubelet's own patience is 10 s and less."""

MAX_CONNECTIONS: Final = 128
"""Connections at a time; a further one ends the oldest, so that whoever holds many keeps no probe from its answer."""

FAREWELL: Final = 0.5
"""Seconds that answers on their way get when the listener stops."""

_TEXT: Final = "text/plain; charset=utf-8"
_HEADERS: Final = {"Cache-Control": "no-store"}


class HttpListener:
    """Listens, and has ``answer`` answer each request; what that raises is a 500, and a line in the log with its traceback."""

    def __init__(
        self,
        answer: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
        *,
        headers: Mapping[str, str] = _HEADERS,
    ) -> None:
        """``headers`` are those of every answer, of one to a fault as well."""
        self._answer = answer
        self._headers = headers
        self._log = structlog.get_logger("xds.admin")
        self._http: web.Server | None = None
        self._listening: asyncio.Server | None = None
        # When connections end.
        self._ends: dict[Any, asyncio.TimerHandle] = {}

    async def start(self, address: str) -> int:
        """Listen on ``host:port`` (port 0: any free one) and return the port.

        Raises ``xds.listening.AddressError`` where that is not to be had.
        """
        listening = bound(address)
        # What aiohttp itself would log is what clients get wrong; what we get wrong is logged here.
        silent = logging.getLogger("xds.admin.http")
        silent.disabled = True
        self._http = web.Server(
            self._handle,
            handler_cancellation=True,  # for whom nobody waits any more, nothing is written
            access_log=None,
            logger=silent,
            lingering_time=0.0,
        )
        self._listening = await asyncio.get_running_loop().create_server(self._connection, sock=listening)
        port: int = listening.getsockname()[1]
        return port

    async def stop(self) -> None:
        """Listen no longer, and end every connection."""
        if self._listening is None or self._http is None:
            return
        self._listening.close()
        transports = [handler.transport for handler in self._http.connections]
        await self._http.shutdown(FAREWELL)
        for transport in transports:
            if transport is not None:
                transport.abort()
        await self._listening.wait_closed()

    def let_stay(self, request: web.BaseRequest) -> None:
        """Let the connection of a request go on for as long as its answer does: the answer is to end it."""
        end = self._ends.pop(request.protocol, None)
        if end is not None:
            end.cancel()

    def _connection(self) -> asyncio.BaseProtocol:
        """Return what speaks on a new connection, which the oldest one makes room for."""
        assert self._http is not None  # noqa: S101 — start() sets it before anybody can connect
        others = [
            other.transport
            for other in self._http.connections
            if other.transport is not None and not other.transport.is_closing()
        ]
        if len(others) >= MAX_CONNECTIONS:
            others[0].abort()
        handler = self._http()

        def end() -> None:
            self._ends.pop(handler, None)
            # A client that does not read would keep a close() waiting for good.
            if handler.transport is not None:
                handler.transport.abort()

        self._ends[handler] = asyncio.get_running_loop().call_later(LIFETIME, end)
        return handler

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            response = await self._answer(request)
        except ConnectionError:
            raise  # nobody is left to be told
        except Exception:  # noqa: BLE001 — logged with its traceback
            self._log.exception("a page failed", path=request.path)
            response = text("a fault of the program: its log has the traceback", status=500)
        response.headers.update({"Server": "kubelb-xds", **self._headers})
        response.force_close()
        return response


def text(content: str, *, status: int = 200) -> web.Response:
    """Return an answer of plain text."""
    return web.Response(body=f"{content}\n".encode(), status=status, headers={"Content-Type": _TEXT})


def only_reading(request: web.BaseRequest) -> web.Response | None:
    """Return the answer to who wants something else than to read, None for who wants that."""
    if request.method in {"GET", "HEAD"}:
        return None
    response = text("only GET and HEAD", status=405)
    response.headers["Allow"] = "GET, HEAD"
    return response
