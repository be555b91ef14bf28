"""A tenant's cluster and the management cluster, with everything between them: CCM, control plane, Envoy, nodes and their backends.

The test is the tenant's user, kubelet and the cloud. Both programs have the rights of deploy/ and no others, and run in the test's
own event loop.
"""

import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from tests.e2e.world import World, world
from tests.e2e.written import ENVOYS, RBAC, WITHIN, condition_of
from tests.kube.ccm.clusters import BOUND, Clusters
from tests.support.kube_client import Object
from xds.app.demo.backends import Backend
from xds.app.demo.certificates import Identity
from xds.app.demo.client import Attempt, Outcome, ask
from xds.app.demo.manifests import Manifest
from xds.app.demo.ports import Ports
from xds.app.demo.recorder import Recorder
from xds.app.demo.waiting import poll

NODE_PORTS = range(30000, 32768)
"""What the API server takes for a NodePort."""


class Home:
    """The tenant's namespace in the management cluster, as a world's objects: it is the CCM that writes there."""

    def __init__(self, clusters: Clusters, kubeconfig: Path) -> None:
        self.tenant = clusters.home
        self.settings: Mapping[str, Any] = {
            "kubernetes": True,
            "kubeconfig": kubeconfig,
            "namespaces": (clusters.home,),
            "own_namespace": clusters.home,
            "replica": "under-test",
            "listener_address": ENVOYS,
        }

    async def put(self, file: str, *documents: Manifest) -> float:
        """Write nothing."""
        raise NotImplementedError

    async def remove(self, file: str) -> float:
        """Delete nothing."""
        raise NotImplementedError


class Node:
    """A node: an address of this machine, where a Service's NodePort leads to a backend of its own."""

    def __init__(self, name: str, address: str, backend: Backend, recorder: Recorder) -> None:
        self.name = name
        self.address = address
        self.backend = backend
        self.recorder = recorder


class Tenancy:
    """Both clusters, and the ``world`` with control plane and Envoy. ``node_port`` is what a test's Service is to have."""

    def __init__(self, clusters: Clusters, played: World) -> None:
        self.clusters = clusters
        self.world = played
        self.node_port = node_port()

    @asynccontextmanager
    async def node(self, name: str, identity: Identity | None = None) -> AsyncIterator[Node]:
        """Run what is behind a node; `ready` makes it one of the cluster's."""
        address = f"127.{secrets.randbelow(200) + 20}.{secrets.randbelow(256)}.{secrets.randbelow(254) + 1}"
        async with (
            Backend(name, identity=identity) as backend,
            Recorder(name, backend.port, host=address, port=self.node_port) as recorder,
        ):
            yield Node(name, address, backend, recorder)

    async def ready(self, node: Node, *, ready: bool = True) -> None:
        """Have kubelet say that a node is Ready, or that it is not."""
        await self.clusters.node(node.name, ("ExternalIP", node.address), ready=ready)

    async def create(self, name: str = "web", *, node_port: int = 0, **annotations: str) -> Object:
        """Create a Service; its annotations are `policy` and `ca`."""
        names = {"policy": "kubelb.k8c.io/backend-tls-policy", "ca": "kubelb.k8c.io/backend-tls-ca-secret"}
        return await self.clusters.create(
            name,
            annotations={names[key]: value for key, value in annotations.items()},
            ports=[{"port": 443, "targetPort": 443, "nodePort": node_port or self.node_port}],
        )

    async def listener(self, made: Object) -> int:
        """Wait until a Service's listener port is recorded, and return it."""
        copy = await self.clusters.copied(made, lambda it: bool(it and it.get("status", {}).get("service")))
        return int(copy["status"]["service"]["ports"][0]["targetPort"])

    async def in_force(self, made: Object, upstream_tls: Object | None) -> None:
        """Wait until the control plane says that every Envoy has a Service's LoadBalancer with this `upstreamTLS`."""

        def holds(lb: Object) -> bool:
            condition = condition_of(lb, "Programmed")
            return (
                lb["spec"].get("upstreamTLS") == upstream_tls
                and condition.get("status") == "True"
                and condition["observedGeneration"] == lb["metadata"]["generation"]
            )

        await self.clusters.copied(made, holds)

    def cluster_of(self, made: Object) -> str:
        """Return the name of Envoy's cluster for a Service."""
        return self.world.resource_name(made["metadata"]["uid"], made["spec"]["ports"][0]["nodePort"])

    def service_of(self, made: Object) -> Object:
        """Name the Service for Envoy in the management cluster, which is the cloud's."""
        metadata = {"name": f"envoy-{made['metadata']['uid']}", "namespace": self.clusters.home}
        return {"apiVersion": "v1", "kind": "Service", "metadata": metadata}

    async def exposed(self, made: Object, *ingress: Object) -> None:
        """Be the cloud: give the Service for Envoy these addresses, once it is there."""
        service, management = self.service_of(made), self.clusters.management
        await poll(
            partial(self.clusters.find, management, service), bool, within=BOUND, what="Envoy's Service"
        )
        status = {"status": {"loadBalancer": {"ingress": [*ingress]}}}
        await management.patch(service, status, subresource="status")

    async def hosts(self, made: Object, *nodes: Node) -> None:
        """Wait until these nodes, and no others, are a Service's healthy hosts in Envoy."""
        wanted = {f"{node.address}:{made['spec']['ports'][0]['nodePort']}" for node in nodes}

        async def probe() -> set[str]:
            hosts = (await self.world.envoy.admin.hosts()).get(self.cluster_of(made), ())
            return {host.address if host.healthy else f"{host.address} {host.failures}" for host in hosts}

        await poll(probe, lambda found: found == wanted, within=WITHIN, what=f"hosts {wanted}")

    async def until(self, port: int, holds: Callable[[Attempt], bool], what: str) -> Attempt:
        """Ask Envoy until something comes of it: where a health check was too late, it takes two more, and so ten seconds."""
        return await poll(partial(ask, port, host=ENVOYS), holds, within=WITHIN, what=what)

    async def answered(self, port: int) -> Attempt:
        """Wait until a connection to Envoy is answered."""
        return await self.until(port, lambda attempt: attempt.outcome is Outcome.REPLY, "a reply")

    async def cut(self, port: int) -> Attempt:
        """Wait until a connection to Envoy is cut."""
        return await self.until(port, lambda attempt: attempt.cut, "a connection that is cut")

    async def refused(self, port: int) -> Attempt:
        """Wait until Envoy listens there no more."""
        return await self.until(
            port, lambda attempt: attempt.outcome is Outcome.REFUSED, "a port that is closed"
        )

    async def says(self, made: Object, text: str) -> Object:
        """Wait for an Event of a Service that says this."""

        async def probe() -> list[Object]:
            return [each for each in await self.clusters.events(made) if text in each["message"]]

        return (await poll(probe, bool, within=BOUND, what=f"an Event that says {text!r}"))[-1]


def node_port() -> int:
    """Choose a free port that a Service may have on the nodes."""
    chooser = Ports()
    while (port := chooser.choose("a node port").number) not in NODE_PORTS:
        pass
    return port


@asynccontextmanager
async def with_envoy(clusters: Clusters, xds_port: int) -> AsyncIterator[Tenancy]:
    """Run a control plane that writes, with the rights of deploy/, and an Envoy of the tenant; the CCM is the test's to run."""
    server = clusters.management_server
    identity = server.identity()
    for role in yaml.safe_load_all(RBAC.read_text(encoding="utf-8")):
        if "rules" in role:
            await server.allow(identity, role["rules"], clusters.home if role["kind"] == "Role" else "")
    kubeconfig = server.kubeconfig(clusters.directory, identity, name="control-plane.conf")
    async with world(clusters.directory, "delta", xds_port, Home(clusters, kubeconfig)) as played:
        yield Tenancy(clusters, played)
