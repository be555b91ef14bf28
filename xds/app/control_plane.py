"""The whole control plane in one object: sources, store, pipeline, cache and server, wired once for everybody.

``serve``, the demo, the benchmarks and the end-to-end tests all build it here, so that what is tested and measured is
what runs.
"""

import asyncio
import contextlib
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final, Literal, cast

import structlog

from kube.informer.store import Store
from kube.objects import LoadBalancer, ObjectRef
from kube.sources.manifests import ManifestSource
from xds.app.pipeline import TYPES, Pipeline
from xds.app.settings import EdsApi, ServeSettings
from xds.server import Limits, Observer, ServerOptions, XdsServer, tenant_of_node
from xds.snapshot import SnapshotCache
from xds.translate import Options

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


class ControlPlane:
    """A control plane over manifests folders. Belongs to one running event loop."""

    def __init__(self, settings: ServeSettings, *, observer: Observer | None = None) -> None:
        """Wire everything, start nothing; ``observer`` replaces the one that logs."""
        self._settings = settings
        self._log = structlog.get_logger("xds.app")
        self.store = Store(references=references, linger=settings.linger)
        self.store.expect("manifests")
        self.cache = SnapshotCache(TYPES)
        self.pipeline = Pipeline(
            self.store,
            self.cache,
            options=Options(
                verify_without_ca_fails_closed=settings.verify_without_ca == "fail-closed",
                eds=settings.eds,
                eds_api=_API_TYPES[settings.eds_api],
                listener_address=settings.listener_address,
                ca_expiry_warning=timedelta(days=settings.ca_expiry_warning_days),
            ),
        )
        self.source = ManifestSource(settings.manifests, self.store, clock=asyncio.get_running_loop().time)
        self.server = XdsServer(
            self.cache,
            observer=observer,
            tenant_of=self._tenant_of,
            options=_server_options(settings),
        )
        self._following: asyncio.Task[None] | None = None

    async def start(self) -> int:
        """Read the folders, listen, and return the port.

        Raises ``FileNotFoundError`` or ``NotADirectoryError`` for a folder, ``xds.server.AddressError`` for the address.
        """
        # First the port: streams that come early wait until the store has synced.
        port = await self.server.start(self._settings.xds_address)
        try:
            self.source.load()
        except OSError:
            await self.server.stop()
            raise
        self._following = asyncio.create_task(self.source.run(), name="manifests")
        host = self._settings.xds_address.rpartition(":")[0]
        self._log.info(
            "serving xDS",
            address=f"{host}:{port}",
            manifests=[str(folder) for folder in self._settings.manifests],
            loadbalancers=len(self.store.of_kind("LoadBalancer")),
        )
        return port

    def _tenant_of(self, node: Any) -> str:
        """Return a node's tenant, and let the pipeline know that somebody asks for it."""
        tenant = tenant_of_node(node)
        if tenant and self.cache.get(tenant) is None:
            self.pipeline.expect_tenant(tenant)
        return tenant

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until ``stop`` is set, or until following the folders fails."""
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
        """Drain the streams and close everything. Envoys keep what they have."""
        self._log.info("stopping: draining streams")
        if self._following is not None:
            self._following.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._following
        self.pipeline.close()
        await self.server.stop()
        self._log.info("stopped")
