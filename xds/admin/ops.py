"""The ops listener: three pages for kubelet and Prometheus, and nothing that anybody could not see.

It answers from what it is handed, a registry of metrics and a function that says what is missing, and knows neither. It
shares its process and its file descriptors with the streams of every Envoy: so a connection carries one request, lives for
seconds, and only so many are open at a time, whoever holds them.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Final

import structlog
from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from xds.listening import bound

PATHS: Final = ("/healthz", "/readyz", "/metrics")

LIFETIME: Final = 10.0
"""Seconds after which a connection ends, finished or not: Prometheus's and kubelet's own patience is 10 s and less."""

MAX_CONNECTIONS: Final = 128
"""Connections at a time; a further one ends the oldest, so that whoever holds many keeps no probe from its answer."""

FAREWELL: Final = 0.5
"""Seconds that answers on their way get when the listener stops."""

_OPENMETRICS: Final = "application/openmetrics-text"
_TEXT: Final = "text/plain; charset=utf-8"


class OpsServer:
    """Serves `/healthz`, `/readyz` and `/metrics` over HTTP/1.1, to anybody who can connect.

    ``unready`` says what is missing and why; it is asked at each request, and nothing missing is ready.
    """

    def __init__(self, *, registry: CollectorRegistry, unready: Callable[[], Mapping[str, str]]) -> None:
        self._registry = registry
        self._unready = unready
        self._log = structlog.get_logger("xds.admin")
        self._http: web.Server | None = None
        self._listening: asyncio.Server | None = None
        self._scraping = asyncio.Lock()

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
            # A client that does not read would keep a close() waiting for good.
            if handler.transport is not None:
                handler.transport.abort()

        asyncio.get_running_loop().call_later(LIFETIME, end)
        return handler

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            response = await self._answer(request)
        except Exception:  # noqa: BLE001 — logged with its traceback
            self._log.exception("an ops page failed", path=request.path)
            response = _text("a fault of the program: its log has the traceback", status=500)
        response.headers["Server"] = "kubelb-xds"
        response.headers["Cache-Control"] = "no-store"
        response.force_close()
        return response

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        if request.path not in PATHS:
            return _text(f"there are {', '.join(PATHS[:-1])} and {PATHS[-1]}", status=404)
        if request.method not in {"GET", "HEAD"}:
            response = _text("only GET and HEAD", status=405)
            response.headers["Allow"] = "GET, HEAD"
            return response
        if request.path == "/metrics":
            return await self._metrics(request.headers.get("Accept", ""))
        missing = self._unready() if request.path == "/readyz" else {}
        if missing:
            return _text("\n".join(_line(what, why) for what, why in missing.items()), status=503)
        return _text("ready" if request.path == "/readyz" else "alive")

    async def _metrics(self, accept: str) -> web.Response:
        # Not as it came: prometheus_client promises any version it is asked for, and fails on one that is no number.
        encode, content_type = choose_encoder(_OPENMETRICS if _OPENMETRICS in accept else "")
        # Collected here, where nothing changes meanwhile; written in a thread, as a thousand namespaces take 0.4 s.
        async with self._scraping:
            collected = Collected(tuple(self._registry.collect()))
            body = await asyncio.to_thread(encode, collected)
        return web.Response(body=body, headers={"Content-Type": content_type})


class Collected(Collector):
    """Metrics as they were."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        """Return them."""
        return self._families


def _text(text: str, *, status: int = 200) -> web.Response:
    return web.Response(body=f"{text}\n".encode(), status=status, headers={"Content-Type": _TEXT})


def _line(what: str, why: str) -> str:
    return " ".join(f"{what}: {why}".split())
