"""A management cluster that the program writes into: its objects, everything that its LoadBalancers ever said, and who the program is.

That is the ServiceAccount of deploy/rbac.yaml, with that file's roles and nothing else. The test is the tenant, and the cloud.
Envoys listen on an address of their own, 127.0.0.2, where nobody else does: the ports are the program's to choose.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

import yaml

from kube.controllers.ports import Key, candidates
from tests.e2e.sources import ApiObjects
from tests.e2e.world import API_VERSION, LOOPBACK
from tests.kube.controllers.exposing import look, service
from tests.support.kube_api import ApiServer, Identity, may
from tests.support.kube_client import ApiClient, Object
from tests.support.program import START_WITHIN
from xds.app.address import HostPort
from xds.app.bootstrap import Api, Bootstrap
from xds.app.demo.waiting import Journal, poll

ENVOYS: Final = "127.0.0.2"
"""Where Envoys listen for clients."""
RBAC: Final = Path(__file__).parents[2] / "deploy" / "rbac.yaml"
WITHIN: Final = 30.0
"""Seconds within which anything that is to be written has been, on a machine that is busy."""


class Written(ApiObjects):
    """A tenant's namespace, as `Objects`, and the program's own, ``own``.

    ``said`` is every version that there was of every LoadBalancer of the tenant, in order.
    """

    def __init__(self, client: ApiClient, namespace: str, own: str, kubeconfig: Path) -> None:
        super().__init__(client, namespace, kubeconfig)
        self.own = own
        self.settings = {
            "kubernetes": True,
            "kubeconfig": kubeconfig,
            "own_namespace": own,
            "listener_address": ENVOYS,
        }
        self.said: Journal[Object] = Journal("what LoadBalancers said")

    def thing(self, name: str) -> Object:
        """Name a LoadBalancer."""
        metadata = {"name": name, "namespace": self.tenant}
        return {"apiVersion": API_VERSION, "kind": "LoadBalancer", "metadata": metadata}

    def service(self, name: str) -> Object:
        """Name the Service of a LoadBalancer."""
        return service(self.tenant, name)

    def first_port(self, name: str) -> int:
        """Return the first candidate for a listener port: what a LoadBalancer of this name gets in a tenant where it is free."""
        return next(candidates(self.tenant, Key(name, "TCP", "main")))

    async def get(self, name: str) -> Object:
        """Return a LoadBalancer as it is now."""
        return await self.client.get(self.thing(name))

    async def stands(
        self,
        name: str,
        holds: Callable[[Object], object],
        *,
        what: str,
        since: int = 0,
        within: float = WITHIN,
    ) -> Object:
        """Wait for a version of a LoadBalancer, from this index of ``said`` on, of which something holds; return it."""
        return await self.said.first(
            lambda lb: lb["metadata"]["name"] == name and bool(holds(lb)),
            since=since,
            within=within,
            what=f"{name}: {what}",
        )

    async def says(
        self,
        name: str,
        condition: str,
        status: str,
        *,
        reason: str = "",
        since: int = 0,
        within: float = WITHIN,
    ) -> Object:
        """Wait until a condition has this status, and reason, for the LoadBalancer's generation; return the condition."""

        def holds(lb: Object) -> bool:
            found = condition_of(lb, condition)
            return (
                found.get("status") == status
                and found["reason"].startswith(reason)
                and found["observedGeneration"] == lb["metadata"]["generation"]
            )

        what = f"{condition} {status} {reason}".rstrip()
        return condition_of(await self.stands(name, holds, what=what, since=since, within=within), condition)

    async def recorded(self, name: str, *, since: int = 0, within: float = WITHIN) -> int:
        """Wait until a LoadBalancer's one listener port is recorded, and return it."""
        lb = await self.stands(name, ports_of, what="a recorded port", since=since, within=within)
        (port,) = ports_of(lb)
        return int(port["targetPort"])

    async def found(
        self, thing: Object, holds: Callable[[Object | None], object], *, what: str
    ) -> Object | None:
        """Wait until something holds of an object, None where there is none; return it."""
        return await poll(
            partial(look, self.client, thing), lambda it: bool(holds(it)), within=WITHIN, what=what
        )

    async def events(self, name: str) -> list[Object]:
        """Return the Events about a LoadBalancer, the first one first."""
        selector = f"involvedObject.name={name},involvedObject.kind=LoadBalancer"
        listed = await self.client.list("v1", "Event", self.tenant, fieldSelector=selector)
        return sorted(listed["items"], key=lambda event: int(event["metadata"]["resourceVersion"]))

    async def versions(self) -> dict[tuple[str, str], str]:
        """Return the resourceVersion of everything in the tenant's namespace that the program writes, by kind and name."""
        found = {}
        for api_version, kind in (*_WRITTEN, (API_VERSION, "LoadBalancer")):
            for item in (await self.client.list(api_version, kind, self.tenant))["items"]:
                found[kind, item["metadata"]["name"]] = item["metadata"]["resourceVersion"]
        return found

    async def follow(self, version: str) -> None:
        """Keep what LoadBalancers say after a resourceVersion, until cancelled."""
        async with self.client.watch(
            API_VERSION, "LoadBalancer", self.tenant, resourceVersion=version
        ) as events:
            async for event in events:
                if event["type"] in {"ADDED", "MODIFIED"}:
                    self.said.add(event["object"])

    async def clear(self) -> None:
        """Delete everything, though the program is gone that would have cleaned up."""
        for lb in (await self.client.list(API_VERSION, "LoadBalancer", self.tenant))["items"]:
            if lb["metadata"].get("finalizers"):
                await self.client.patch(
                    self.thing(lb["metadata"]["name"]), {"metadata": {"finalizers": None}}
                )
        await super().clear()
        for api_version, kind in _WRITTEN:
            await self.client.clear(api_version, kind, self.tenant)


_WRITTEN: Final = (("v1", "Service"), ("v1", "ConfigMap"), ("v1", "Event"))


def condition_of(lb: Object, type_: str) -> Object:
    """Return a condition of a LoadBalancer, an empty one where it has none of that type."""
    conditions = lb.get("status", {}).get("conditions", ())
    return next((condition for condition in conditions if condition["type"] == type_), {})


def ports_of(lb: Object) -> list[Object]:
    """Return the ports that a LoadBalancer's status records."""
    return [*lb.get("status", {}).get("service", {}).get("ports", ())]


def bootstrap(tenant: str, *xds_ports: int, api: Api = "delta", node_id: str = "envoy-under-test") -> str:
    """Return the bootstrap of an Envoy that tries several control planes, the first one and others after it."""
    address = HostPort(LOOPBACK, xds_ports[0])
    document: Any = yaml.safe_load(
        Bootstrap(tenant=tenant, xds_address=address, node_id=node_id, api=api).yaml()
    )
    (cluster,) = document["static_resources"]["clusters"]
    (group,) = cluster["load_assignment"]["endpoints"]
    group["lb_endpoints"] = [
        {"endpoint": {"address": {"socket_address": {"address": LOOPBACK, "port_value": port}}}}
        for port in xds_ports
    ]
    return yaml.safe_dump(document)


async def installed(server: ApiServer, admin: ApiClient, own: str) -> Identity:
    """Apply deploy/rbac.yaml with another namespace in the place of its own, and return the program's identity there."""
    identity: Identity | None = None
    rules: list[tuple[Object, str]] = []
    for thing in yaml.safe_load_all(RBAC.read_text(encoding="utf-8")):
        cluster_wide = thing["kind"].startswith("Cluster")
        if not cluster_wide:
            thing["metadata"]["namespace"] = own
        if thing["kind"] == "ClusterRoleBinding":
            thing["metadata"]["name"] = own
        for subject in thing.get("subjects", ()):
            subject["namespace"] = own
        rules += [(rule, "" if cluster_wide else own) for rule in thing.get("rules", ())]
        await admin.apply(thing)
        if thing["kind"] == "ServiceAccount":
            identity = await server.service_account(thing["metadata"]["name"], own)
    assert identity is not None
    for rule, namespace in rules:
        allowed = partial(may, admin, identity, rule, namespace)
        await poll(allowed, bool, within=START_WITHIN, what=f"{identity.name} may {rule}")
    return identity


@asynccontextmanager
async def written(server: ApiServer, directory: Path, *, through: str = "") -> AsyncIterator[Written]:
    """Yield an empty tenant, and an installation of the program there; ``through`` is the URL of a proxy between them."""
    async with server.client() as client:
        own = await server.namespace("kubelb-xds")
        identity = await installed(server, client, own)
        kubeconfig = server.kubeconfig(directory, identity, server=through)
        built = Written(client, await server.namespace(), own, kubeconfig)
        version = await client.resource_version(API_VERSION, "LoadBalancer", built.tenant)
        following = asyncio.create_task(built.follow(version))
        try:
            yield built
            if following.done():
                following.result()
        finally:
            following.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await following
            await built.clear()
            await client.clear("v1", "ConfigMap", own)
            binding = {"kind": "ClusterRoleBinding", "metadata": {"name": own}}
            await client.delete({"apiVersion": "rbac.authorization.k8s.io/v1", **binding})
