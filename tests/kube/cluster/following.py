"""A cluster source that follows a real API server into a store, and what tests wait for in it.

Times are short, so that nothing waits for what takes minutes in earnest; what a test is about, it sets itself.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from kube.client import Access, KubeApi
from kube.informer.status import InformerStatus
from kube.informer.store import Change, Store
from kube.informer.timing import Timing
from kube.objects import LoadBalancer, ObjectRef
from kube.sources.cluster import ClusterSource, Scope
from tests.support.kube_client import Object
from xds.app.demo.waiting import Journal, NotSeenError

API_VERSION = "kubelb.k8c.io/v1alpha1"
BOUND = 15.0
"""Seconds within which anything that is to come has come, on a machine that is busy."""
QUICK = Timing(first_wait=0.05, longest_wait=1.0)
"""Reconnects quickly; all else as in earnest."""


def loadbalancer(
    namespace: str, name: str = "web", *, port: int = 20001, backend: int = 30443, ca: str | None = None
) -> Object:
    """Return a LoadBalancer as the API server takes it; with a CA its policy is Verify."""
    spec: dict[str, Any] = {
        "endpoints": [{"addresses": [{"ip": "127.0.0.1"}], "ports": [{"name": "main", "port": backend}]}],
        "ports": [{"name": "main", "port": port}],
    }
    if ca is not None:
        spec["upstreamTLS"] = {"policy": "Verify", "caSecretRef": {"name": ca}}
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": API_VERSION, "kind": "LoadBalancer", "metadata": metadata, "spec": spec}


def secret(namespace: str, name: str = "ca", content: str = "one") -> Object:
    """Return a Secret whose `ca.crt` is this text: the store does not look into it."""
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {"ca.crt": content}}


def addresses(namespace: str, name: str = "default", ip: str = "10.0.0.1") -> Object:
    """Return an Addresses object."""
    metadata = {"name": name, "namespace": namespace}
    spec = {"addresses": [{"ip": ip}]}
    return {"apiVersion": API_VERSION, "kind": "Addresses", "metadata": metadata, "spec": spec}


class Following:
    """A store that is fed. ``changes`` is everything that ever changed in it, in order."""

    def __init__(self, store: Store, source: ClusterSource, api: KubeApi) -> None:
        self.store = store
        self.source = source
        self.api = api
        self.changes: Journal[Change] = Journal("changes of the store")
        store.subscribe(self._changed)
        self._expiry: asyncio.TimerHandle | None = None

    def _changed(self, changes: tuple[Change, ...]) -> None:
        for change in changes:
            self.changes.add(change)
        self.changes.touch()
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None
        if self.store.next_expiry is not None:
            loop = asyncio.get_running_loop()
            self._expiry = loop.call_at(self.store.next_expiry, lambda: self.store.expire(loop.time()))

    async def until(self, holds: Callable[[], object], what: str, *, within: float = BOUND) -> None:
        """Wait until something holds of the store."""
        try:
            await self.changes.until(lambda: bool(holds()), within=within, what=what)
        except NotSeenError as error:
            raise NotSeenError(f"{error}\n{self.store!r}\n{self.source.informers}") from None

    async def synced(self) -> None:
        """Wait until every informer has listed."""
        await self.until(lambda: self.store.synced, "every informer's list")

    async def has(self, *documents: Object, within: float = BOUND) -> None:
        """Wait until LoadBalancers, Secrets and Addresses are in the store as these documents say."""
        for document in documents:
            await self.until(partial(self.is_stored, document), str(document), within=within)

    async def lacks(self, *refs: ObjectRef, within: float = BOUND) -> None:
        """Wait until objects are gone."""
        for ref in refs:
            await self.until(partial(self._lacks, ref), f"no {ref}", within=within)

    def _lacks(self, ref: ObjectRef) -> bool:
        return self.store.get(ref) is None

    def is_stored(self, document: Object) -> bool:
        """Return whether the store has an object as a document says: the CA's text, the first port, the first address."""
        found: Any = self.store.get(ref_of(document))
        if found is None:
            return False
        match document["kind"]:
            case "LoadBalancer":
                assert isinstance(found, LoadBalancer)
                backend = document["spec"]["endpoints"][0]["ports"][0]["port"]
                return bool(
                    found.spec.ports[0].port == document["spec"]["ports"][0]["port"]
                    and found.spec.endpoints[0].ports[0].port == backend
                )
            case "Secret":
                return bool(found.ca_crt == document["stringData"]["ca.crt"].encode())
            case _:
                return bool(found.spec.addresses[0].ip == document["spec"]["addresses"][0]["ip"])

    def status(self, kind: str) -> InformerStatus:
        """Return what is told of the informer of a kind."""
        return next(status for status in self.source.informers if status.kind == kind)


def ref_of(document: Object) -> ObjectRef:
    """Return which object a document is."""
    return ObjectRef(
        document["kind"], document["metadata"].get("namespace", ""), document["metadata"]["name"]
    )


@asynccontextmanager
async def following(
    kubeconfig: Path, *namespaces: str, selector: str = "", timing: Timing = QUICK, linger: float = 0.5
) -> AsyncIterator[Following]:
    """Follow an API server with the credentials of a kubeconfig; whether it is there is the test's business."""
    loop = asyncio.get_running_loop()
    store = Store(references=lambda it: it.references if isinstance(it, LoadBalancer) else (), linger=linger)
    async with KubeApi(Access(kubeconfig=kubeconfig)) as api:
        scope = Scope(namespaces, selector)
        source = ClusterSource(api, store, scope=scope, clock=loop.time, timing=timing)
        running = asyncio.create_task(source.run())
        try:
            yield Following(store, source, api)
        finally:
            if running.done():
                await running
            running.cancel()
            await asyncio.wait([running])
