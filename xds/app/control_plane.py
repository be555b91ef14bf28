"""The whole control plane in one object: source, store, pipeline, cache and server, wired once for everybody.

``serve``, the demo, the benchmarks and the end-to-end tests all build it here, so that what is tested and measured is
what runs.
"""

import asyncio
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, Literal, cast

import structlog

from kube.informer.store import Change, Store
from kube.objects import LoadBalancer, ObjectRef
from xds.admin.csds import ClientStatus
from xds.admin.debug import Debug
from xds.admin.server_metrics import ServerMetrics
from xds.admin.tally import Histogram
from xds.admin.watching import Watching
from xds.app.errors import UserError
from xds.app.explain import LoadBalancers
from xds.app.metrics import Writing, registry_of
from xds.app.pipeline import TYPES, Pipeline
from xds.app.served_metrics import BUILD_BOUNDS, Served
from xds.app.settings import EdsApi, ServeSettings
from xds.app.source import Source, source_of
from xds.server import (
    CertificateTenants,
    Limits,
    LoggingObserver,
    Observer,
    ServerOptions,
    TlsError,
    TlsFiles,
    XdsServer,
    admit_everybody,
)
from xds.snapshot import SnapshotCache
from xds.translate import PORT_NOT_ALLOCATED, Options, Wants, recorded_ports, spec_ports

_API_TYPES: Final[Mapping[EdsApi, Literal["GRPC", "DELTA_GRPC"]]] = {"sotw": "GRPC", "delta": "DELTA_GRPC"}


def references(stored: Any) -> frozenset[ObjectRef]:
    """Return the objects that a stored object names: only LoadBalancers name any."""
    return cast("LoadBalancer", stored).references if stored.ref.kind == "LoadBalancer" else frozenset()


def _server_options(settings: ServeSettings) -> ServerOptions:
    return ServerOptions(
        keepalive=settings.keepalive,
        connection_age=settings.connection_age,
        connection_age_grace=settings.connection_age_grace,
        drain=settings.drain,
        limits=Limits(
            max_streams=settings.max_streams,
            max_node_streams=settings.max_node_streams,
            max_names=settings.max_names,
        ),
    )


def _wants(settings: ServeSettings) -> Callable[[LoadBalancer], Wants]:
    """Return what says on which ports Envoy is to listen."""
    which = settings.listener_ports or ("recorded" if settings.kubernetes else "spec")
    return recorded_ports if which == "recorded" else spec_ports


def tls_files(settings: ServeSettings, client_ca: Path | None) -> TlsFiles | None:
    """Return the files of mutual TLS with clients of these authorities, None for plaintext.

    Raises UserError for files that cannot be used.
    """
    cert, key = settings.tls_cert, settings.tls_key
    if cert is None or key is None or client_ca is None:
        return None
    try:
        return TlsFiles(certificate=cert, key=key, client_ca=client_ca)
    except TlsError as error:
        raise UserError(str(error)) from None


class ControlPlane:
    """A control plane over one source of objects. Belongs to one running event loop.

    ``registry`` has its metrics.
    """

    def __init__(
        self,
        settings: ServeSettings,
        *,
        observer: Observer | None = None,
        source_of: Callable[[ServeSettings, Store], Source] = source_of,
    ) -> None:
        """Wire everything, start nothing; ``observer`` replaces the one that logs, ``source_of`` makes another source.

        Raises ``UserError`` for TLS files that cannot be used.
        """
        self._settings = settings
        self._log = structlog.get_logger("xds.app")
        self._loop = asyncio.get_running_loop()
        self.tls = tls_files(settings, settings.tls_client_ca)
        self._may_have = (
            CertificateTenants(settings.trust_domain, settings.tenants_domain)
            if self.tls
            else admit_everybody
        )
        self.store = Store(references=references, linger=settings.linger)
        # First the source, which says what the store is to wait for.
        self.source = source_of(settings, self.store)
        self.cache = SnapshotCache(TYPES)
        builds = Histogram(BUILD_BOUNDS)
        self.pipeline = Pipeline(
            self.store,
            self.cache,
            took=builds.observe,
            wants=_wants(settings),
            # For the moment that the leader takes; the condition says it where that lasts.
            passing=frozenset() if settings.read_only else {PORT_NOT_ALLOCATED},
            options=Options(
                verify_without_ca_fails_closed=settings.verify_without_ca == "fail-closed",
                eds=settings.eds,
                eds_api=_API_TYPES[settings.eds_api],
                listener_address=settings.listener_address,
                ca_expiry_warning=timedelta(days=settings.ca_expiry_warning_days),
            ),
        )
        self.server = XdsServer(
            self.cache,
            observer=observer or LoggingObserver(complete=lambda: self.store.synced),
            credentials=self.tls.credentials() if self.tls else None,
            admit=self._admit,
            options=_server_options(settings),
        )
        self.watching = Watching()
        self.server.observe(self.watching)
        #: What the admin listener serves beside health and reflection; each has ``register``.
        self.admin_services = (
            ClientStatus(self.cache, self.server.delivery),
            Debug(self.cache, self.server.delivery, self.watching),
            LoadBalancers(self.store, self.pipeline, self.cache, self.server.delivery),
        )
        self.registry = registry_of(
            lambda: (*self.source.informers, *(self.writing.informers if self.writing else ())),
            ServerMetrics(self.server, self.cache, clock=self._loop.time, tls=self.tls),
            Served(self.store, self.pipeline, builds),
            Writing(lambda: self.writing.status if self.writing else None),
        )
        self.writing = self.source.writing(self.store, self.cache, self.pipeline, self.server.delivery)
        self._following: asyncio.Task[None] | None = None
        self._listening = False
        self._stopping = False

    async def start(self) -> int:
        """Listen, open the source, and return the port. Folders are read then; a cluster's API may be out of reach.

        Raises ``xds.server.AddressError`` for the address, ``UserError`` or another ``OSError`` for the source.
        """
        # First the port: streams that come early wait until the store has synced.
        port = await self.server.start(self._settings.xds_address)
        self._listening = True
        began = self._loop.time()
        try:
            await self.source.open()
        except BaseException:
            await self.server.stop()
            raise
        host = self._settings.xds_address.rpartition(":")[0]
        tls = {"tls": "mutual"} if self.tls else {}
        self._log.info("serving xDS", address=f"{host}:{port}", **tls, **self.source.described)
        self._tell_when_synced(began)
        self._following = asyncio.create_task(self._follow(), name="source")
        return port

    async def _follow(self) -> None:
        if self.writing is None and self.tls is None:
            await self.source.run()
            return
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.source.run(), name="source")
            if self.writing is not None:
                tasks.create_task(self.writing.run(), name="writing")
            if self.tls is not None:
                tasks.create_task(self.tls.follow(), name="TLS files")

    def unready(self) -> Mapping[str, str]:
        """Return what is missing before Envoys can be served, and why; nothing is missing when it is ready."""
        if self._stopping:
            return {"stopping": "streams are drained, Envoys keep what they have"}
        missing = {} if self._listening else {"xDS": "not listening yet"}
        errors = {informer.name: informer.error for informer in self.source.informers}
        return missing | {name: errors.get(name) or "not listed yet" for name in sorted(self.store.unsynced)}

    def _tell_when_synced(self, began: float) -> None:
        def changed(_: tuple[Change, ...] = ()) -> None:
            if self.store.synced:
                unsubscribe()
                self._log.info(
                    "synced",
                    loadbalancers=len(self.store.of_kind("LoadBalancer")),
                    seconds=round(self._loop.time() - began, 3),
                )

        unsubscribe = self.store.subscribe(changed)
        changed()

    def _admit(self, context: Any, tenant: str) -> None:
        """Let the pipeline know that somebody asks for a tenant. Raises ``xds.server.RefusedError`` for who may not have it."""
        self._may_have(context, tenant)
        if self.cache.get(tenant) is None:
            self.pipeline.expect_tenant(tenant)

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until ``stop`` is set, or until following the source fails."""
        if self._following is None:
            raise RuntimeError("start() comes first")
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait((stopping, self._following), return_when=asyncio.FIRST_COMPLETED)
            if self._following.done():
                self._following.result()
        finally:
            stopping.cancel()

    async def stop(self) -> None:
        """Drain the streams and close everything. Envoys keep what they have. A second call does nothing."""
        if self._stopping:
            return
        self._stopping = True
        self._log.info("stopping: draining streams")
        self.watching.close()
        if self._following is not None:
            self._following.cancel()
            await asyncio.wait((self._following,))
            if self.writing is not None:
                await self.writing.close()
            await self.source.close()
        self.pipeline.close()
        await self.server.stop()
        self._log.info("stopped")
