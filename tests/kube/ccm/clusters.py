"""Two real API servers as the cloud controller manager knows them: the tenant's, and the management cluster's; and what people do there.

The test is the cloud, the nodes and the control plane. What the program may do is what deploy/ccm allows, and nothing else.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from kube.ccm.manager import Manager
from kube.ccm.names import Tenant
from kube.client import Access, KubeApi
from kube.coordination.claim import LeaseTiming
from kube.informer.timing import Timing
from tests.support.fault_proxy import FaultProxy
from tests.support.kube_api import ApiServer, Identity
from tests.support.kube_client import ApiClient, Object, RefusedError
from xds.app.demo.waiting import poll

DEPLOY = Path(__file__).parents[3] / "deploy" / "ccm"
GROUP = "kubelb.k8c.io/v1alpha1"
POLICY = "kubelb.k8c.io/backend-tls-policy"
CA = "kubelb.k8c.io/backend-tls-ca-secret"
FINALIZER = "kubelb.k8c.io/cleanup"
BOUND = 15.0
"""Seconds within which anything that is to come has come, on a machine that is busy."""
QUICK = Timing(first_wait=0.05, longest_wait=0.5)
LEASE = LeaseTiming(duration=4.0, renew=3.0, retry=0.1)
"""Short, and long enough for a machine that is busy."""


def rules(side: str, kind: str) -> list[Object]:
    """Return the rules of a Role or ClusterRole of deploy/ccm."""
    documents = yaml.safe_load_all((DEPLOY / side / "rbac.yaml").read_text(encoding="utf-8"))
    (found,) = (document["rules"] for document in documents if document["kind"] == kind)
    return list(found)


def service(
    namespace: str,
    name: str = "web",
    *,
    annotations: Mapping[str, str] | None = None,
    ports: Sequence[Object] = ({"port": 443, "targetPort": 443},),
    kind: str = "LoadBalancer",
    **spec: Any,
) -> Object:
    """Return a Service as the API server takes it."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace, "annotations": dict(annotations or {})},
        "spec": {"type": kind, "selector": {"app": name}, "ports": [*ports], **spec},
    }


def node(name: str, *addresses: tuple[str, str], ready: bool = True) -> Object:
    """Return a Node with these addresses (type, address)."""
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name},
        "status": {
            "addresses": [{"type": kind, "address": address} for kind, address in addresses],
            "conditions": [{"type": "Ready", "status": str(ready), "reason": "Test", "message": ""}],
        },
    }


@dataclass
class Clusters:
    """Both clusters, each with an administrator's client, and a namespace of the test's own in each."""

    tenant_server: ApiServer
    management_server: ApiServer
    tenant: ApiClient
    management: ApiClient
    namespace: str
    cluster: str
    directory: Path
    tenant_identity: Identity
    management_identity: Identity

    @property
    def home(self) -> str:
        """The tenant's namespace in the management cluster."""
        return f"tenant-{self.cluster}"

    # What people do

    async def create(self, name: str = "web", **how: Any) -> Object:
        """Create a Service of the tenant's."""
        return await self.tenant.create(service(self.namespace, name, **how))

    async def node(self, name: str, *addresses: tuple[str, str], ready: bool = True) -> None:
        """Have a node with these addresses."""
        thing = node(name, *addresses, ready=ready)
        await self.tenant.apply({key: thing[key] for key in ("apiVersion", "kind", "metadata")})
        await self.tenant.patch(thing, {"status": thing["status"]}, subresource="status")

    async def annotate(self, made: Object, **annotations: str | None) -> None:
        """Set annotations of a Service, `policy` and `ca` for the two; None removes one."""
        names = {"policy": POLICY, "ca": CA}
        change = {names.get(key, key): value for key, value in annotations.items()}
        await self.tenant.patch(made, {"metadata": {"annotations": change}})

    # What there is

    def copy_of(self, made: Object) -> Object:
        """Name a Service's LoadBalancer."""
        metadata = {"name": made["metadata"]["uid"], "namespace": self.home}
        return {"apiVersion": GROUP, "kind": "LoadBalancer", "metadata": metadata}

    @property
    def addresses(self) -> Object:
        """Name the Addresses object."""
        metadata = {"name": "default", "namespace": self.home}
        return {"apiVersion": GROUP, "kind": "Addresses", "metadata": metadata}

    async def find(self, client: ApiClient, thing: Object) -> Object:
        """Return an object, empty where there is none."""
        try:
            return await client.get(thing)
        except RefusedError as error:
            if error.status != 404:
                raise
            return {}

    async def copied(
        self, made: Object, holds: Callable[[Object], bool] = bool, *, within: float = BOUND
    ) -> Object:
        """Wait until a Service's LoadBalancer is there and something holds of it; of one that is gone it is empty."""
        return await poll(
            lambda: self.find(self.management, self.copy_of(made)), holds, within=within, what="LoadBalancer"
        )

    async def became(self, made: Object, holds: Callable[[Object], bool], *, within: float = BOUND) -> Object:
        """Wait until something holds of a Service; of one that is gone it is empty."""
        return await poll(
            lambda: self.find(self.tenant, made), holds, within=within, what=f"Service {made['metadata']}"
        )

    async def listed(self, holds: Callable[[list[Object]], bool], *, within: float = BOUND) -> list[Object]:
        """Wait until something holds of the list of addresses, and return it."""

        async def probe() -> list[Object]:
            found = await self.find(self.management, self.addresses)
            return list(found["spec"]["addresses"]) if found else []

        return await poll(probe, holds, within=within, what="Addresses")

    async def events(self, made: Object) -> list[Object]:
        """Return the Events of a Service, oldest first."""
        found = await self.tenant.list(
            "v1", "Event", self.namespace, fieldSelector=f"involvedObject.uid={made['metadata']['uid']}"
        )
        return list(found["items"])

    async def told(self, made: Object, reason: str, *, within: float = BOUND) -> Object:
        """Wait for an Event of a Service, by its reason."""

        async def probe() -> list[Object]:
            return [event for event in await self.events(made) if event["reason"] == reason]

        return (await poll(probe, bool, within=within, what=f"Event {reason}"))[-1]

    async def conditions(self, made: Object, *conditions: Object) -> None:
        """Be the control plane: write conditions into a LoadBalancer's status."""
        moment = "2026-07-01T00:00:00Z"
        full = [{"lastTransitionTime": moment, "message": "", **condition} for condition in conditions]
        await self.management.patch(
            self.copy_of(made), {"status": {"conditions": full}}, subresource="status"
        )

    async def address(self, made: Object, *ingress: Object) -> None:
        """Be the control plane: write addresses into a LoadBalancer's status."""
        await self.management.patch(
            self.copy_of(made), {"status": {"loadBalancer": {"ingress": [*ingress]}}}, subresource="status"
        )

    # The program

    def kubeconfigs(self, *, tenant: str = "", management: str = "") -> tuple[Path, Path]:
        """Write the program's two kubeconfigs and return them; `tenant` and `management` are proxies' URLs."""
        return (
            self.tenant_server.kubeconfig(
                self.directory, self.tenant_identity, server=tenant, name="tenant.conf"
            ),
            self.management_server.kubeconfig(
                self.directory, self.management_identity, server=management, name="management.conf"
            ),
        )

    @asynccontextmanager
    async def ccm(
        self, *, identity: str = "ccm", tenant: str = "", management: str = "", **how: Any
    ) -> AsyncIterator["Running"]:
        """Run a manager; `tenant` and `management` are proxies' URLs, `how` are its further settings."""
        here, there = self.kubeconfigs(tenant=tenant, management=management)
        async with (
            CountingApi(Access(kubeconfig=here)) as tenant_api,
            CountingApi(Access(kubeconfig=there)) as management_api,
        ):
            manager = Manager(
                tenant_api,
                management_api,
                tenant=Tenant(self.cluster),
                identity=identity,
                own_namespace=self.namespace,
                **{"timing": QUICK, "lease": LEASE, **how},
            )
            running = Running(manager, tenant_api, management_api)
            try:
                yield running
                assert running.dead or not running.task.done(), running.task.result()
            finally:
                await running.die()
                if not running.dead:
                    await manager.close()

    @asynccontextmanager
    async def proxies(self) -> AsyncIterator[tuple[FaultProxy, FaultProxy]]:
        """Run a proxy before each cluster, which break nothing yet."""
        async with (
            FaultProxy(self.tenant_server.url, self.tenant_server.authority) as tenant,
            FaultProxy(self.management_server.url, self.management_server.authority) as management,
        ):
            yield tenant, management


class CountingApi(KubeApi):
    """A KubeApi that remembers what it wrote, the lease left out."""

    def __init__(self, access: Access) -> None:
        super().__init__(access)
        self.sent: list[str] = []

    async def send(self, method: Any, path: str, body: object = None, **kwargs: Any) -> bytes:
        """Write, as KubeApi does."""
        if "/leases" not in path:
            self.sent.append(f"{method} {path}")
        return await super().send(method, path, body, **kwargs)


class Running:
    """A manager that runs, and what it wrote."""

    def __init__(self, manager: Manager, tenant_api: CountingApi, management_api: CountingApi) -> None:
        self.manager = manager
        self.tenant_api = tenant_api
        self.management_api = management_api
        self.task = asyncio.create_task(manager.run())
        self.dead = False

    async def die(self) -> None:
        """Stop taking part."""
        self.task.cancel()
        await asyncio.wait([self.task])

    async def crash(self) -> None:
        """Stop without a word: nobody gives up the lease."""
        self.dead = True
        await self.die()

    async def error(self, kind: str) -> str:
        """Wait until the informer of a kind says what is wrong."""

        async def probe() -> str:
            return {each.kind: each.error for each in self.manager.informers}[kind]

        return await poll(probe, bool, within=BOUND, what=f"an error of the informer of {kind}")

    @property
    def sent(self) -> list[str]:
        """What it wrote into both clusters."""
        return [*self.tenant_api.sent, *self.management_api.sent]

    async def settled(self, *, within: float = BOUND) -> None:
        """Wait until it leads, knows everything, and has nothing to do."""

        async def probe() -> bool:
            await asyncio.sleep(0)
            return self.manager.settled

        await poll(probe, bool, within=within, what="a manager that has settled", every=0.01)
