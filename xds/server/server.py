"""The gRPC server: which methods there are, how connections are kept, how it starts and how it ends."""

import itertools
import socket
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import grpc

from xds.messages import ControlPlane
from xds.protocol import StreamState, Timing
from xds.server.observer import LoggingObserver, Observer, StreamInfo
from xds.server.stream import Stream, TenantOf, tenant_of_node
from xds.snapshot import SnapshotCache
from xds.snapshot.types import CLUSTER, ENDPOINT, LISTENER, ROUTE, SECRET

# Service and the middle of its methods' names, for each type; None is the aggregated one.
_SERVICES: Final[Mapping[str | None, tuple[str, str]]] = {
    None: ("envoy.service.discovery.v3.AggregatedDiscoveryService", "AggregatedResources"),
    CLUSTER: ("envoy.service.cluster.v3.ClusterDiscoveryService", "Clusters"),
    ENDPOINT: ("envoy.service.endpoint.v3.EndpointDiscoveryService", "Endpoints"),
    LISTENER: ("envoy.service.listener.v3.ListenerDiscoveryService", "Listeners"),
    ROUTE: ("envoy.service.route.v3.RouteDiscoveryService", "Routes"),
    SECRET: ("envoy.service.secret.v3.SecretDiscoveryService", "Secrets"),
}
# A delta reconnect lists every resource that the client holds (rule 33).
_MAX_REQUEST: Final = 32 * 1024 * 1024

Handler = Callable[[Any, Any], Awaitable[None]]


class AddressError(OSError):
    """The address to listen on cannot be had; the text says which and why."""


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """How connections are kept. Times in seconds.

    ``ping_interval``: how often a client may ping (gRPC's own default of 300 s ends the connections of Envoys that use
    keepalive). ``keepalive``: after how much silence the server pings. ``drain``: how long streams may take to end.
    """

    ping_interval: float = 5
    keepalive: float = 30
    keepalive_timeout: float = 10
    drain: float = 2
    timing: Timing = field(default_factory=Timing)

    def channel_arguments(self) -> list[tuple[str, int]]:
        """Return gRPC's arguments for these options."""
        return [
            ("grpc.so_reuseport", 0),  # else a second process would silently share the port
            ("grpc.max_receive_message_length", _MAX_REQUEST),
            ("grpc.max_send_message_length", -1),
            ("grpc.http2.min_ping_interval_without_data_ms", int(self.ping_interval * 1000)),
            ("grpc.keepalive_time_ms", int(self.keepalive * 1000)),
            ("grpc.keepalive_timeout_ms", int(self.keepalive_timeout * 1000)),
            ("grpc.keepalive_permit_without_calls", 1),
        ]


class XdsServer:
    """Serves the snapshots of a cache over every discovery service, state of the world and delta."""

    def __init__(
        self,
        cache: SnapshotCache,
        *,
        identifier: str = "kubelb-xds",
        observer: Observer | None = None,
        tenant_of: TenantOf = tenant_of_node,
        options: ServerOptions | None = None,
    ) -> None:
        """Take the cache to serve.

        ``identifier`` names this control plane in every response; ``tenant_of`` maps a node to its tenant.
        """
        self._cache = cache
        self._observer = observer or LoggingObserver()
        self._tenant_of = tenant_of
        self._options = options or ServerOptions()
        self._control_plane = ControlPlane(identifier=identifier).SerializeToString()
        self._streams: set[Stream] = set()
        self._stream_numbers = itertools.count(1)
        self._server: Any = None
        self._stopping = False

    async def start(self, address: str) -> int:
        """Listen on ``host:port`` (port 0: any free one) and return the port.

        Raises ``AddressError`` where that is not to be had.
        """
        _try(address)
        server = grpc.aio.server(options=self._options.channel_arguments())
        server.add_generic_rpc_handlers(tuple(self._handlers()))
        try:
            port: int = server.add_insecure_port(address)
        except RuntimeError:
            raise AddressError(f"cannot listen on {address}: gRPC refused it") from None
        await server.start()
        self._server = server
        return port

    async def stop(self) -> None:
        """Tell every stream to end, give them the drain time, and close. Envoys keep what they have."""
        self._stopping = True
        for stream in tuple(self._streams):
            stream.finish("server stops")
        if self._server is not None:
            await self._server.stop(self._options.drain)

    def _handlers(self) -> list[Any]:
        handlers = []
        for only_type, (service, suffix) in _SERVICES.items():
            methods = {
                f"Stream{suffix}": self._handler(delta=False, only_type=only_type),
                f"Delta{suffix}": self._handler(delta=True, only_type=only_type),
            }
            # Without (de)serializers gRPC hands over bytes: a response goes out as it was encoded.
            rpcs = {name: grpc.stream_stream_rpc_method_handler(handler) for name, handler in methods.items()}
            handlers.append(grpc.method_handlers_generic_handler(service, rpcs))
        return handlers

    def _handler(self, *, delta: bool, only_type: str | None) -> Handler:
        async def handle(_: Any, context: Any) -> None:
            stream = Stream(
                context,
                info=StreamInfo(next(self._stream_numbers), context.peer(), delta),
                state=StreamState(delta=delta, only_type=only_type, timing=self._options.timing),
                cache=self._cache,
                observer=self._observer,
                tenant_of=self._tenant_of,
                control_plane=self._control_plane,
            )
            if self._stopping:
                stream.finish("server stops")
            self._streams.add(stream)
            try:
                await stream.run()
            finally:
                self._streams.discard(stream)

        return handle


def _try(address: str) -> None:
    """Bind an address for a moment: gRPC tells the reason of a refusal to its own log only.

    Raises ``AddressError`` with the system's reason.
    """
    host, _, port = address.rpartition(":")
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(
            host.strip("[]"), int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(where)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise AddressError(f"cannot listen on {address}: {reason}") from None
