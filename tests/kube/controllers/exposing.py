"""An Exposure that works on a real API server, fed by a real cluster source, and what tests see of it.

The listener of a port is 10000 above it. The test is the cloud: it patches a Service's status. Whether this replica leads
is the test's to say.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from kube.client import Access, KubeApi
from kube.controllers.exposure import Exposure
from kube.controllers.services import Exposed, service_name
from kube.coordination.writer import Writer
from kube.informer.store import Change, Store
from kube.informer.timing import Timing
from kube.objects import LoadBalancer, ObjectRef, StatusPort
from kube.sources.cluster import ClusterSource, Scope
from tests.support.kube_api import ApiServer, Identity
from tests.support.kube_client import ApiClient, Object, RefusedError
from xds.app.demo.waiting import Journal, poll

API_VERSION = "kubelb.k8c.io/v1alpha1"
FINALIZER = "kubelb.k8c.io/cleanup"
BOUND = 15.0
"""Seconds within which anything that is to come has come, on a machine that is busy."""
QUICK = Timing(first_wait=0.05, longest_wait=1.0)


def loadbalancer(
    namespace: str,
    name: str = "web",
    *,
    ports: Mapping[str, int] | None = None,
    kind: str = "LoadBalancer",
    annotations: Mapping[str, str] | None = None,
    labels: Mapping[str, str] | None = None,
    **spec: Any,
) -> Object:
    """Return a LoadBalancer as the API server takes it."""
    ports = {"https": 443} if ports is None else ports
    entries = [{"name": key, "port": number} for key, number in ports.items()]
    backends = [{"name": key, "port": 30000 + number} for key, number in ports.items()]
    metadata = {
        "name": name,
        "namespace": namespace,
        "annotations": annotations or {},
        "labels": labels or {},
    }
    return {
        "apiVersion": API_VERSION,
        "kind": "LoadBalancer",
        "metadata": metadata,
        "spec": {
            "type": kind,
            "endpoints": [{"addresses": [{"ip": "127.0.0.1"}], "ports": backends}],
            "ports": entries,
            **spec,
        },
    }


def service(namespace: str, loadbalancer: str = "web") -> Object:
    """Name the Service of a LoadBalancer."""
    metadata = {"name": service_name(loadbalancer), "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata}


def listeners(lb: LoadBalancer) -> tuple[StatusPort, ...]:
    """Allocate ports."""
    return tuple(
        StatusPort(name=port.name, protocol=port.protocol, port=port.port, target_port=10000 + port.port)
        for port in lb.spec.ports
    )


class CountingApi(KubeApi):
    """A KubeApi that remembers what it wrote."""

    sent: list[str]

    async def send(self, method: Any, path: str, body: object = None, **kwargs: Any) -> bytes:
        """Write, as KubeApi does."""
        self.sent.append(f"{method} {path}")
        return await super().send(method, path, body, **kwargs)


class Leading:
    """A leadership as the test has it."""

    def __init__(self, *, leading: bool) -> None:
        self._leading = leading
        self._listeners: list[Callable[[bool], None]] = []

    @property
    def leading(self) -> bool:
        """Whether this replica leads."""
        return self._leading

    def subscribe(self, listener: Callable[[bool], None]) -> Callable[[], None]:
        """Call `listener` with every change."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def become(self, *, leading: bool) -> None:
        """Lead, or lead no more."""
        self._leading = leading
        for listener in (*self._listeners,):
            listener(leading)


class Exposing:
    """A replica. ``reports`` is everything that it reported, in order; ``sent`` are its writes: method and path."""

    def __init__(self, admin: ApiClient, api: CountingApi, store: Store, leadership: Leading) -> None:
        self.admin = admin
        self.store = store
        self.leadership = leadership
        self.sent = api.sent = []
        self.reports: Journal[tuple[str, Exposed]] = Journal("reports")
        self.ports: Callable[[LoadBalancer], tuple[StatusPort, ...]] = listeners
        self.exposure: Exposure
        self.writer: Writer

    def changed(self, changes: tuple[Change, ...]) -> None:
        """Tell the Exposure what the store has, as the program does."""
        for change in changes:
            if isinstance(change.new, LoadBalancer):
                self.exposure.want(change.new, self.ports(change.new))
            else:
                self.exposure.forget(change.ref)

    def report(self, ref: ObjectRef, exposed: Exposed) -> None:
        """Hear a report."""
        self.reports.add((ref.name, exposed))

    def of(self, name: str) -> Exposed | None:
        """Return what was reported last of a LoadBalancer."""
        return next((exposed for of, exposed in reversed(self.reports) if of == name), None)

    async def stands(self, thing: Object, holds: Callable[[Object], object] = bool) -> Object:
        """Wait until an object exists and something holds of it; return it."""
        found = await poll(
            lambda: look(self.admin, thing),
            lambda it: it is not None and bool(holds(it)),
            within=BOUND,
            what=f"{thing['kind']} {thing['metadata']['name']}",
        )
        assert found is not None
        return found

    async def gone(self, thing: Object) -> None:
        """Wait until an object exists no more."""
        await poll(
            lambda: look(self.admin, thing),
            lambda it: it is None,
            within=BOUND,
            what=f"no {thing['metadata']}",
        )

    async def settled(self, admin: ApiClient | None = None) -> None:
        """Wait until it knows the API server's LoadBalancers and Services as they are, and has nothing to write."""
        (namespace,) = {status.namespace for status in self.exposure.informers}
        listed = [
            await (admin or self.admin).list(API_VERSION, "LoadBalancer", namespace),
            await (admin or self.admin).list("v1", "Service", namespace),
        ]
        versions = {
            (item["metadata"]["name"], item["metadata"]["resourceVersion"])
            for items in listed
            for item in items["items"]
        }

        async def known() -> set[tuple[str, str]]:
            found = (*self.store.of_kind("LoadBalancer"), *self.exposure._services.values())
            return {(it.metadata.name, it.metadata.resource_version) for it in found}  # type: ignore[attr-defined]

        await poll(known, lambda it: it >= versions, within=BOUND, what="its knowledge")
        await self.idle()

    async def idle(self) -> None:
        """Wait until it has synced and nothing waits to be written."""

        async def busy() -> str:
            synced = self.exposure.synced and self.store.synced
            return f"{synced=} {self.writer.stats} {self.exposure!r}"

        def is_idle(_: str) -> bool:
            waiting = len(self.exposure._due) + self.writer.stats.waiting
            return self.exposure.synced and self.store.synced and waiting == 0

        await poll(busy, is_idle, within=BOUND, what="idleness")


async def look(admin: ApiClient, thing: Object) -> Object | None:
    """Return an object as it is, None when there is none."""
    try:
        return await admin.get(thing)
    except RefusedError as error:
        if error.status != 404:
            raise
        return None


@asynccontextmanager
async def exposing(
    api_server: ApiServer,
    admin: ApiClient,
    namespace: str,
    tmp_path: Path,
    *,
    leading: bool = True,
    enabled: bool = True,
    recheck: float = 60.0,
    server: str = "",
    identity: Identity | None = None,
) -> AsyncIterator[Exposing]:
    """Run a replica in one namespace."""
    loop = asyncio.get_running_loop()
    store = Store(references=lambda it: it.references if isinstance(it, LoadBalancer) else ())
    async with CountingApi(
        Access(kubeconfig=api_server.kubeconfig(tmp_path, identity, server=server))
    ) as api:
        leadership = Leading(leading=leading)
        world = Exposing(admin, api, store, leadership)
        source = ClusterSource(api, store, scope=Scope((namespace,)), clock=loop.time, timing=QUICK)
        world.writer = Writer(leadership, pauses=Timing(first_wait=0.02, longest_wait=0.5))
        world.exposure = Exposure(
            api,
            world.writer,
            leadership,
            world.report,
            enabled=enabled,
            namespaces=(namespace,),
            invalid=lambda: store.invalid,
            timing=QUICK,
            recheck=recheck,
        )
        leadership.subscribe(lambda leads: world.exposure.reconsider() if leads else None)
        store.subscribe(world.changed)
        running = [asyncio.create_task(each.run()) for each in (source, world.writer, world.exposure)]
        try:
            yield world
        finally:
            failed = [task for task in running if task.done()]
            for task in running:
                task.cancel()
            await asyncio.wait(running)
            for task in failed:
                task.result()
