"""The gRPC server: which methods there are, how connections are kept, how it starts and how it ends."""

import itertools
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Final

import grpc
import structlog

from xds.messages import ControlPlane
from xds.protocol import Delivery, Report, StreamState
from xds.server.delivery import delivered
from xds.server.identity import Admit, CertificateTenants, admit_everybody
from xds.server.limits import Admission
from xds.server.listening import listen
from xds.server.observer import Guarded, LoggingObserver, Observer, Status, StreamInfo
from xds.server.options import ServerOptions
from xds.server.stream import Shared, Stream, TenantOf, tenant_of_node
from xds.server.turns import Turns
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

Handler = Callable[[Any, Any], Awaitable[None]]


class XdsServer:
    """Serves the snapshots of a cache over every discovery service, state of the world and delta."""

    def __init__(
        self,
        cache: SnapshotCache,
        *,
        identifier: str = "kubelb-xds",
        observer: Observer | None = None,
        tenant_of: TenantOf = tenant_of_node,
        credentials: grpc.ServerCredentials | None = None,
        admit: Admit | None = None,
        options: ServerOptions | None = None,
    ) -> None:
        """Take the cache to serve.

        ``identifier`` names this control plane in every response; ``tenant_of`` maps a node to its tenant, the key of its
        snapshot. ``observer`` hears what happens, in place of the one that logs.

        Without ``credentials`` the server is plaintext. ``admit`` raises ``RefusedError`` for who may not have a tenant: by
        default everybody may have every tenant in plaintext, and with ``credentials`` those that the client's certificate names
        (``CertificateTenants``).
        """
        self._options = options or ServerOptions()
        self._credentials = credentials
        #: How many streams have ended, by how they ended.
        self.ended: Counter[Status] = Counter()
        #: Which Envoys are connected, and what each of them ACKed and refused.
        self.delivery = Delivery()
        self._observers = Guarded(observer or LoggingObserver())
        self._shared = Shared(
            cache=cache,
            delivery=self.delivery,
            observer=self._observers,
            tenant_of=tenant_of,
            admit=admit or (CertificateTenants() if credentials else admit_everybody),
            control_plane=ControlPlane(identifier=identifier).SerializeToString(),
            limits=self._options.limits,
            ended=self.ended,
            turns=Turns(),
            log=structlog.get_logger("xds.server"),
        )
        self._admission = Admission(self._options.limits)
        self._streams: set[Stream] = set()
        self._stream_numbers = itertools.count(1)
        self._server: Any = None
        self._stopping = False

    def observe(self, observer: Observer) -> None:
        """Let a further observer hear what happens on the streams from now on."""
        self._observers.add(observer)

    async def start(self, address: str) -> int:
        """Listen on ``host:port`` (port 0: any free one) and return the port.

        Raises ``AddressError`` where that is not to be had.
        """
        server, port = listen(address, self._credentials, self._options.channel_arguments())
        server.add_generic_rpc_handlers(tuple(self._handlers()))
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

    async def delivered(
        self,
        tenant: str,
        keys: Iterable[tuple[str, str]] | None = None,
        *,
        timeout: float,  # noqa: ASYNC109 — who has not answered then is told, not raised
        envoys: int = 0,
    ) -> Report:
        """Wait until every connected Envoy of a tenant has ACKed what it is to have now, and say who has and who has not.

        Without ``keys`` that is everything in the tenant's snapshot that an Envoy asks for, and an Envoy that asked for all
        clusters is to ask for listeners too, where there are any. With ``keys``, (type URL, name), it is these resources,
        and every Envoy is to ask for their types. A later content of a resource counts as well, and so does its removal.

        Ends at once when all have answered, by a NACK too, and after ``timeout`` seconds at the latest. ``envoys`` is how many
        have to be connected at least; without it nobody is waited for where nobody is.

        Raises ``LookupError`` where the tenant was never set or is cleared.
        """
        return await delivered(
            self._shared.cache, self.delivery, tenant, keys, envoys=envoys, timeout=timeout
        )

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
            with self._admission.enter() as seat:
                number = next(self._stream_numbers)
                info = StreamInfo(number, context.peer(), delta, only_type=only_type or "")
                state = StreamState(delta=delta, only_type=only_type, timing=self._options.timing)
                stream = Stream(context, info=info, state=state, seat=seat, shared=self._shared)
                if self._stopping:
                    stream.finish("server stops")
                self._streams.add(stream)
                try:
                    await stream.run()
                finally:
                    self._streams.discard(stream)

        return handle
