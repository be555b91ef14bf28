"""A LoadBalancer's life as its own object tells it: the leader writes into a real API server what a real Envoy made of it.

The program may do what deploy/rbac.yaml allows, and nothing else.
"""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.e2e.world import World, loadbalancer, reached, world
from tests.e2e.written import ENVOYS, Written, condition_of, ports_of, written
from tests.kube.controllers.exposing import FINALIZER
from tests.support.fault_proxy import FaultProxy
from tests.support.faults import Request
from tests.support.kube_api import ApiServer
from tests.support.kube_client import Object
from xds.app.demo.backends import Backend
from xds.app.demo.certificates import Authority
from xds.app.demo.client import Outcome, Traffic, ask
from xds.snapshot.types import CLUSTER

FreePort = Callable[..., int]
HELD = "example.com/cloud"
"""The finalizer of a cloud that still tidies up behind a Service."""
CONDITIONS = ("Accepted", "ResolvedRefs", "Programmed")


def address_of(lb: Object) -> object:
    """Return where the cloud has put a LoadBalancer."""
    return lb.get("status", {}).get("loadBalancer", {}).get("ingress")


async def test_from_its_creation_to_its_end(cluster: Written, writing: World) -> None:
    """It has a port, a Service, the cloud's address and good conditions; a change keeps its port; it goes when its Service has."""
    ca = Authority("ca")
    async with Backend("web", identity=ca.issue("web")) as backend:
        manifest = partial(
            loadbalancer,
            "web",
            443,
            backend.port,
            policy="Verify",
            ca="backend-ca",
            annotations={"example.com/size": "small"},
            type="LoadBalancer",
        )
        # Created: what is to be said is said, of the generation that there is.
        await writing.put_ca("backend-ca", ca.pem)
        since = await writing.put("web", manifest(externalTrafficPolicy="Local"))
        port = await cluster.recorded("web")
        assert port == cluster.first_port("web")
        await writing.served(writing.resource_name("web", backend.port), since=since)
        for condition in CONDITIONS:
            await cluster.says("web", condition, "True")
        await reached(port, host=ENVOYS)

        # Its Service leads to Envoy, and is its own.
        service = await cluster.found(cluster.service("web"), bool, what="a Service")
        assert service is not None
        lb = await cluster.get("web")
        (owner,) = service["metadata"]["ownerReferences"]
        assert (owner["uid"], owner["controller"]) == (lb["metadata"]["uid"], True)
        assert service["metadata"]["annotations"] == {"example.com/size": "small"}
        assert (service["spec"]["type"], service["spec"]["externalTrafficPolicy"]) == (
            "LoadBalancer",
            "Local",
        )
        assert service["spec"]["selector"] == {
            "app.kubernetes.io/name": "kubelb-envoy",
            "kubelb.k8c.io/tenant": cluster.tenant,
        }
        (exposed,) = service["spec"]["ports"]
        assert (exposed["port"], exposed["targetPort"]) == (443, port)
        assert FINALIZER in lb["metadata"]["finalizers"]
        stands = {
            "name": "main",
            "protocol": "TCP",
            "port": 443,
            "targetPort": port,
            "nodePort": exposed["nodePort"],
            "upstreamTargetPort": backend.port,
        }
        await cluster.stands("web", lambda lb: ports_of(lb) == [stands], what="its Service's port")

        # The cloud gives it an address, and another one.
        for ingress in ([{"ip": "192.0.2.1", "ipMode": "VIP"}], [{"hostname": "web.example.com"}]):
            await cluster.client.patch(
                service, {"status": {"loadBalancer": {"ingress": ingress}}}, subresource="status"
            )
            await cluster.stands(
                "web",
                lambda lb, ingress=ingress: address_of(lb) == ingress,  # type: ignore[misc]
                what="the cloud's address",
            )

        # Changed: the port stays, the Service follows, and the conditions speak of the new generation.
        mark = len(cluster.said)
        await writing.put("web", manifest())
        for condition in CONDITIONS:
            said = await cluster.says("web", condition, "True", since=mark)
            assert said["observedGeneration"] == lb["metadata"]["generation"] + 1
            assert said["lastTransitionTime"] == condition_of(lb, condition)["lastTransitionTime"]
        await cluster.found(
            service,
            lambda it: it is not None and it["spec"]["externalTrafficPolicy"] == "Cluster",
            what="the Service's new externalTrafficPolicy",
        )
        assert [each["targetPort"] for each in ports_of(await cluster.get("web"))] == [port]

        # Deleted: it stays, and is served, for as long as its Service does.
        await cluster.client.patch(service, {"metadata": {"finalizers": [HELD]}})
        async with Traffic(port, host=ENVOYS, per_second=20) as traffic:
            await traffic.since(time.monotonic(), count=5)
            await writing.remove("web")
            await cluster.found(
                service,
                lambda it: it is not None and "deletionTimestamp" in it["metadata"],
                what="a Service that is being deleted",
            )
            lb = await cluster.get("web")
            assert FINALIZER in lb["metadata"]["finalizers"]
            await traffic.since(time.monotonic(), count=5)
        assert traffic.lost == []
        since = time.monotonic()
        await cluster.client.patch(service, {"metadata": {"finalizers": None}})
        await cluster.found(cluster.thing("web"), lambda it: it is None, what="no LoadBalancer")
        assert await cluster.found(service, lambda it: it is None, what="no Service") is None
        await writing.updates.acked_removal(CLUSTER, writing.resource_name("web", backend.port), since=since)
        assert (await ask(port, host=ENVOYS)).outcome is Outcome.REFUSED
        assert await cluster.events("web") == []
    assert await writing.rejected() == {}


async def test_a_port_is_recorded_before_it_is_served(
    api_server: ApiServer,
    fault_proxy: FaultProxy,
    tmp_path: Path,
    free_port: FreePort,
    envoy_binary: Path,  # noqa: ARG001 — fail early
) -> None:
    """While the status cannot be written Envoy has nothing of it, though its port is decided; then it listens there."""

    def status(request: Request) -> bool:
        return request.method == "PATCH" and request.path.endswith("/loadbalancers/web/status")

    async with (
        written(api_server, tmp_path, through=fault_proxy.url) as cluster,
        world(tmp_path, "delta", free_port(), cluster) as writing,
        Backend("web") as backend,
    ):
        name, port = writing.resource_name("web", backend.port), cluster.first_port("web")
        held = fault_proxy.hang(status)
        since = await writing.put("web", loadbalancer("web", 443, backend.port))
        await fault_proxy.saw(status)
        ledger = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "kubelb-xds-ports", "namespace": cluster.tenant},
        }
        assert f":{port}" in (await cluster.client.get(ledger))["data"]["ports.json"]
        # Another one passes it by.
        beside = await writing.put("other", loadbalancer("other", 443, backend.port))
        await writing.served(writing.resource_name("other", backend.port), since=beside)
        await reached(await cluster.recorded("other"), host=ENVOYS)
        dump = await writing.envoy.admin.config_dump()
        assert name not in {*dump.clusters, *dump.listeners, *dump.warming_listeners}
        assert (await ask(port, host=ENVOYS)).outcome is Outcome.REFUSED
        held.heal()
        assert await cluster.recorded("web") == port
        await writing.served(name, since=since)
        await reached(port, host=ENVOYS)
