"""The admin listener: gRPC health, reflection and further services, for those who run the control plane and nobody else.

Health is what `/readyz` of the ops listener says, in gRPC's own protocol, for probes and load balancers that speak that. It answers
from a function that says what is missing, and knows neither the streams nor what is served on them.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Protocol

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from xds.admin import reflection
from xds.server import listen

ADS: Final = "envoy.service.discovery.v3.AggregatedDiscoveryService"
"""The service whose health is told, beside that of the whole under the empty name."""

_LOOK_EVERY: Final = 0.5
"""Seconds between two looks at what is missing, for those who watch."""
_FAREWELL: Final = 0.5


class Service(Protocol):
    """A gRPC service that can be served."""

    def register(self, server: Any) -> str:
        """Add the service to a gRPC server that has not started, and return its full name."""


class AdminServer:
    """Serves `grpc.health.v1.Health`, gRPC's server reflection, and the ``services`` that register themselves.

    ``unready`` says what is missing; nothing missing is SERVING. Without ``credentials`` it is plaintext, for loopback.
    """

    def __init__(
        self,
        *,
        unready: Callable[[], Mapping[str, str]],
        services: Iterable[Service] = (),
        credentials: grpc.ServerCredentials | None = None,
    ) -> None:
        self._services = tuple(services)
        self._unready = unready
        self._credentials = credentials
        self._health = health.aio.HealthServicer()
        self._server: Any = None
        self._looking: asyncio.Task[None] | None = None

    async def start(self, address: str) -> int:
        """Listen on ``host:port`` (port 0: any free one) and return the port.

        Raises ``xds.server.AddressError`` where that is not to be had.
        """
        self._server, port = listen(address, self._credentials, [("grpc.so_reuseport", 0)])
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        names = [service.register(self._server) for service in self._services]
        reflection.register(self._server, (health.SERVICE_NAME, *names))
        await self._tell()
        await self._server.start()
        self._looking = asyncio.create_task(self._look(), name="health")
        return port

    async def stop(self) -> None:
        """Say that nothing is served any more, and end."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.wait((self._looking,))
        if self._server is not None:
            await self._health.enter_graceful_shutdown()
            await self._server.stop(_FAREWELL)

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_EVERY)
            await self._tell()

    async def _tell(self) -> None:
        status = health_pb2.HealthCheckResponse
        for service in ("", ADS):
            await self._health.set(service, status.NOT_SERVING if self._unready() else status.SERVING)
