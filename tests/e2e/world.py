"""Objects in a folder or on an API server, the control plane that follows them, and a real Envoy: what end-to-end tests play in.

The control plane is the object that `serve` runs. Backends and clients are the demo's own, each test brings those that it needs.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

from tests.e2e.sources import Objects, in_namespace
from tests.support.updates import Updates
from tests.support.workbench import running_envoy
from xds.app.address import HostPort
from xds.app.bootstrap import Api, Bootstrap
from xds.app.control_plane import ControlPlane
from xds.app.demo.client import Outcome, Traffic, ask
from xds.app.demo.envoy import Envoy
from xds.app.demo.manifests import Manifest, secret
from xds.app.demo.waiting import poll
from xds.app.settings import ServeSettings
from xds.snapshot.types import CLUSTER, ENDPOINT, LISTENER

LOOPBACK: Final = "127.0.0.1"
API_VERSION: Final = "kubelb.k8c.io/v1alpha1"


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
    **fields: Any,
) -> Manifest:
    """Return a LoadBalancer's manifest with one port and one endpoint; the world that it is put into gives it a namespace.

    ``fields`` are further ones of its spec.
    """
    address = {"ip": host} if host[0].isdigit() else {"hostname": host}
    spec: dict[str, Any] = {
        "endpoints": [
            {"addresses": [address], "ports": [{"name": "main", "port": backend_port, "protocol": protocol}]}
        ],
        "ports": [{"name": "main", "port": listener_port, "protocol": protocol}],
        **fields,
    }
    if policy is not None:
        spec["upstreamTLS"] = {"policy": policy} | ({"caSecretRef": {"name": ca}} if ca else {})
    metadata = {"name": name, "annotations": dict(annotations or {})}
    return {"apiVersion": API_VERSION, "kind": "LoadBalancer", "metadata": metadata, "spec": spec}


async def reached(port: int, *, host: str = LOOPBACK) -> None:
    """Wait until a connection to Envoy is answered."""
    await poll(
        partial(ask, port, host=host),
        lambda attempt: attempt.outcome is Outcome.REPLY,
        within=5,
        what="a reply",
    )


async def nothing_passes(port: int) -> None:
    """Wait until a connection to Envoy is cut, and see that from there on all of them are."""
    await poll(partial(ask, port), lambda attempt: attempt.cut, within=5, what="a connection that is cut")
    async with Traffic(port, per_second=100) as traffic:
        assert all(attempt.cut for attempt in await traffic.since(0, count=20))


class World:
    """Everything but the backends. ``updates`` is what Envoy answered to the control plane's pushes.

    ``settings`` are fields of `ServeSettings`.
    """

    def __init__(self, objects: Objects, xds_port: int, **settings: Any) -> None:
        self.tenant = objects.tenant
        self.updates = Updates()
        self.envoy: Envoy
        self._objects = objects
        self._xds_port = xds_port
        self._settings = settings
        self._control_plane: ControlPlane | None = None
        self._running: asyncio.Task[None] | None = None
        self._stop = asyncio.Event()

    @property
    def control_plane(self) -> ControlPlane:
        """The one that runs."""
        assert self._control_plane is not None
        return self._control_plane

    def resource_name(self, name: str, backend_port: int, protocol: str = "TCP") -> str:
        """Return the name of a LoadBalancer's cluster, listener and assignment."""
        return f"{self.tenant}-{name}-ep-0-port-{backend_port}-{protocol}"

    async def put(self, file: str, *documents: Manifest) -> float:
        """Write what a file is to have, in the tenant's namespace; returns the moment (`time.monotonic`)."""
        return await self._objects.put(file, *(in_namespace(document, self.tenant) for document in documents))

    async def put_ca(self, name: str, pem: bytes) -> float:
        """Write the Secret of that name, in a file of that name; returns the moment."""
        return await self.put(name, secret(self.tenant, name, pem))

    async def remove(self, file: str) -> float:
        """Delete all that a file has; returns the moment."""
        return await self._objects.remove(file)

    async def start_control_plane(self) -> None:
        """Start a control plane on the objects, with nothing remembered of an earlier one."""
        self._stop = asyncio.Event()
        self._control_plane = ControlPlane(
            ServeSettings(
                **{
                    "xds_address": f"{LOOPBACK}:{self._xds_port}",
                    "listener_address": LOOPBACK,
                    **self._objects.settings,
                    **self._settings,
                }
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
        store = self.control_plane.store
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

    async def in_force(self, name: str, *, since: float) -> float:
        """Wait until Envoy has taken a cluster that changed ``since`` and its endpoints, which come second; return when that was.

        It is in force for the connections that begin some milliseconds later, when Envoy's workers have heard of it: what
        is under way then is still held to the CA before.
        """
        await self.updates.acked(CLUSTER, name, since=since)
        return (await self.updates.acked(ENDPOINT, name, since=since)).moment

    async def rejected(self) -> Mapping[str, int]:
        """Return Envoy's counters of refused updates that are not zero."""
        counters = await self.envoy.admin.stats("update_rejected|lds.listener_create_failure")
        return {name: value for name, value in counters.items() if value}


@asynccontextmanager
async def world(
    directory: Path,
    api: Api,
    xds_port: int,
    objects: Objects,
    *,
    bootstrap: str | None = None,
    **settings: Any,
) -> AsyncIterator[World]:
    """Run a control plane over these objects and an Envoy that has taken them from it.

    ``bootstrap`` takes the place of the project's own, ``settings`` are fields of `ServeSettings`.
    """
    built = World(objects, xds_port, **settings)
    own = Bootstrap(
        tenant=objects.tenant,
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
