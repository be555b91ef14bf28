"""The ops listener: three pages for kubelet and Prometheus, and nothing that anybody could not see.

It answers from what it is handed, a registry of metrics and a function that says what is missing, and knows neither.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from xds.admin.http import HttpListener, only_reading, text

PATHS: Final = ("/healthz", "/readyz", "/metrics")

_OPENMETRICS: Final = "application/openmetrics-text"


class OpsServer:
    """Serves `/healthz`, `/readyz` and `/metrics` over HTTP/1.1, to anybody who can connect.

    ``unready`` says what is missing and why; it is asked at each request, and nothing missing is ready.
    """

    def __init__(self, *, registry: CollectorRegistry, unready: Callable[[], Mapping[str, str]]) -> None:
        self._registry = registry
        self._unready = unready
        self._http = HttpListener(self._answer)
        self._scraping = asyncio.Lock()

    async def start(self, address: str) -> int:
        """Listen on ``host:port`` (port 0: any free one) and return the port.

        Raises ``xds.listening.AddressError`` where that is not to be had.
        """
        return await self._http.start(address)

    async def stop(self) -> None:
        """Listen no longer, and end every connection."""
        await self._http.stop()

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        if request.path not in PATHS:
            return text(f"there are {', '.join(PATHS[:-1])} and {PATHS[-1]}", status=404)
        refused = only_reading(request)
        if refused is not None:
            return refused
        if request.path == "/metrics":
            return await self._metrics(request.headers.get("Accept", ""))
        missing = self._unready() if request.path == "/readyz" else {}
        if missing:
            return text("\n".join(_line(what, why) for what, why in missing.items()), status=503)
        return text("ready" if request.path == "/readyz" else "alive")

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


def _line(what: str, why: str) -> str:
    return " ".join(f"{what}: {why}".split())
