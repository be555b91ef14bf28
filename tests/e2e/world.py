"""A folder of manifests, the control plane that watches it, and a real Envoy: what end-to-end tests play in.

The control plane is the object that `serve` runs. Backends and clients are the demo's own, each test brings those that it needs.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from tests.support.updates import Updates
from tests.support.workbench import running_envoy
from xds.app.address import HostPort
from xds.app.bootstrap import Api, Bootstrap
from xds.app.control_plane import ControlPlane
from xds.app.demo.envoy import Envoy
from xds.app.demo.manifests import Manifest, ManifestFolder, secret
from xds.app.settings import ServeSettings
from xds.snapshot.types import LISTENER

TENANT: Final = "tenant-primary"
LOOPBACK: Final = "127.0.0.1"
API_VERSION: Final = "kubelb.k8c.io/v1alpha1"


def resource_name(name: str, backend_port: int, protocol: str = "TCP") -> str:
    """Return the name of a LoadBalancer's cluster, listener and assignment."""
    return f"{TENANT}-{name}-ep-0-port-{backend_port}-{protocol}"


def loadbalancer(
    name: str,
    listener_port: int,
    backend_port: int,
    *,
    host: str = LOOPBACK,
    protocol: str = "TCP",
    policy: str | None = None,
    ca: str | None = None,
    annotations: Mapping[str, str] | None = None,
) -> Manifest:
    """Return a LoadBalancer's manifest with one port and one endpoint."""
    address = {"ip": host} if host[0].isdigit() else {"hostname": host}
    spec: dict[str, Any] = {
        "endpoints": [
            {"addresses": [address], "ports": [{"name": "main", "port": backend_port, "protocol": protocol}]}
        ],
        "ports": [{"name": "main", "port": listener_port, "protocol": protocol}],
    }
    if policy is not None:
        spec["upstreamTLS"] = {"policy": policy} | ({"caSecretRef": {"name": ca}} if ca else {})
    metadata = {"name": name, "namespace": TENANT, "annotations": dict(annotations or {})}
    return {"apiVersion": API_VERSION, "kind": "LoadBalancer", "metadata": metadata, "spec": spec}


class World:
    """Everything but the backends. ``updates`` is what Envoy answered to the control plane's pushes.

    ``settings`` are fields of `ServeSettings`.
    """

    def __init__(self, directory: Path, xds_port: int, **settings: Any) -> None:
        self.manifests = ManifestFolder(directory / "manifests")
        self.updates = Updates()
        self.envoy: Envoy
        self._xds_port = xds_port
        self._settings = settings
        self._control_plane: ControlPlane | None = None
        self._running: asyncio.Task[None] | None = None
        self._stop = asyncio.Event()

    def put(self, file: str, *documents: Manifest) -> float:
        """Write a manifest file; returns the moment (`time.monotonic`)."""
        return self.manifests.put(f"{file}.yaml", *documents)

    def put_ca(self, name: str, pem: bytes) -> float:
        """Write the Secret of that name; returns the moment."""
        return self.put(name, secret(TENANT, name, pem))

    async def start_control_plane(self) -> None:
        """Start a control plane on the folder, with nothing remembered of an earlier one."""
        self._stop = asyncio.Event()
        self._control_plane = ControlPlane(
            ServeSettings(
                manifests=(self.manifests.path,),
                xds_address=f"{LOOPBACK}:{self._xds_port}",
                listener_address=LOOPBACK,
                **self._settings,
            ),
            observer=self.updates,
        )
        await self._control_plane.start()
        self._running = asyncio.create_task(self._control_plane.run(self._stop))

    async def stop_control_plane(self) -> None:
        """Stop it as SIGTERM does."""
        if self._control_plane is None or self._running is None:
            return
        self._stop.set()
        await self._running
        await self._control_plane.stop()
        self._control_plane = None

    async def lingering(self, *, something: bool) -> None:
        """Wait until the store holds an object that is removed and still named, or until it holds none any more."""
        store = self._control_plane.store if self._control_plane else None
        assert store is not None
        changed = asyncio.Event()
        unsubscribe = store.subscribe(lambda _: changed.set())
        try:
            async with asyncio.timeout(5):
                while (store.next_expiry is not None) is not something:
                    changed.clear()
                    await changed.wait()
        finally:
            unsubscribe()

    async def served(self, *names: str, since: float) -> None:
        """Wait until Envoy has ACKed these listeners in an update after ``since`` (`time.monotonic`)."""
        for name in names:
            await self.updates.acked(LISTENER, name, since=since)

    async def rejected(self) -> Mapping[str, int]:
        """Return Envoy's counters of refused updates that are not zero."""
        counters = await self.envoy.admin.stats("update_rejected|lds.listener_create_failure")
        return {name: value for name, value in counters.items() if value}


@asynccontextmanager
async def world(
    directory: Path, api: Api, xds_port: int, *, bootstrap: str | None = None, **settings: Any
) -> AsyncIterator[World]:
    """Run a control plane over an empty folder and an Envoy that has taken that from it.

    ``bootstrap`` takes the place of the project's own, ``settings`` are fields of `ServeSettings`.
    """
    built = World(directory, xds_port, **settings)
    own = Bootstrap(
        tenant=TENANT,
        xds_address=HostPort(LOOPBACK, xds_port),
        node_id="envoy-under-test",
        api=api,
    )
    await built.start_control_plane()
    try:
        async with running_envoy(bootstrap or own.yaml(), directory) as envoy:
            built.envoy = envoy
            yield built
    finally:
        await built.stop_control_plane()
