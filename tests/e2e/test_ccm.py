"""The reference's tutorial on two real API servers: an annotated Service, CCM, control plane, Envoy, and backends that record what they get."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.world import LOOPBACK, World, world
from tests.kube.ccm.clusters import BOUND, Clusters
from tests.support.kube_client import Object
from xds.app.demo.backends import Backend
from xds.app.demo.certificates import Authority
from xds.app.demo.client import Attempt, Outcome, ask
from xds.app.demo.manifests import Manifest, secret
from xds.app.demo.ports import Ports
from xds.app.demo.recorder import Recorder
from xds.app.demo.waiting import poll

FreePort = Callable[..., int]
RBAC = Path(__file__).parents[2] / "deploy" / "rbac.yaml"
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
            "read_only": False,
            "own_namespace": clusters.home,
            "replica": "under-test",
        }

    async def put(self, file: str, *documents: Manifest) -> float:
        """Write nothing."""
        raise NotImplementedError

    async def remove(self, file: str) -> float:
        """Delete nothing."""
        raise NotImplementedError


@asynccontextmanager
async def control_plane(clusters: Clusters, free_port: FreePort) -> AsyncIterator[World]:
    """Run a control plane that writes, with the rights of deploy/, and an Envoy of the tenant."""
    server = clusters.management_server
    identity = server.identity()
    roles = [each for each in yaml.safe_load_all(RBAC.read_text(encoding="utf-8")) if "rules" in each]
    for role in roles:
        await server.allow(identity, role["rules"], clusters.home if role["kind"] == "Role" else "")
    kubeconfig = server.kubeconfig(clusters.directory, identity, name="control-plane.conf")
    async with world(clusters.directory, "delta", free_port(), Home(clusters, kubeconfig)) as built:
        yield built


async def until(port: int, outcome: Callable[[Attempt], bool], what: str) -> Attempt:
    """Ask Envoy until something comes of it."""
    return await poll(partial(ask, port), outcome, within=BOUND, what=what)


async def answered(port: int) -> None:
    """Wait until a connection to Envoy is answered."""
    await until(port, lambda attempt: attempt.outcome is Outcome.REPLY, "a reply")


async def cut(port: int) -> None:
    """Wait until a connection to Envoy is cut."""
    await until(port, lambda attempt: attempt.cut, "a connection that is cut")


def node_port() -> int:
    """Choose a free port that a Service may have on the nodes."""
    chooser = Ports()
    while (port := chooser.choose("a node port").number) not in NODE_PORTS:
        pass
    return port


async def listener(clusters: Clusters, made: Object) -> int:
    """Wait until a Service's listener port is recorded, and return it."""
    copy = await clusters.copied(made, lambda it: bool(it and it.get("status", {}).get("service")))
    return int(copy["status"]["service"]["ports"][0]["targetPort"])


async def event(clusters: Clusters, made: Object, text: str) -> Object:
    """Wait for an Event of a Service that says this."""

    async def probe() -> list[Object]:
        return [each for each in await clusters.events(made) if text in each["message"]]

    return (await poll(probe, bool, within=BOUND, what=f"an Event that says {text!r}"))[-1]


def ca(clusters: Clusters, key: str, pem: bytes) -> Object:
    """Return the Secret my-backend-ca in the tenant's namespace of the management cluster, with one key."""
    made = secret(clusters.home, "my-backend-ca", pem)
    return {**made, "data": {key: made["data"]["ca.crt"]}}


@pytest.mark.usefixtures("envoy_binary")
async def test_the_tutorial(clusters: Clusters, free_port: FreePort) -> None:
    """Insecure, Verify, every line of Troubleshooting, none; the address comes back, and in the end nothing is left."""
    right, wrong = Authority("right"), Authority("wrong")
    await clusters.node("one", ("ExternalIP", LOOPBACK))
    port = node_port()
    async with (
        Backend("web", identity=right.issue("web")) as backend,
        Recorder("web", backend.port, port=port) as recorder,
        control_plane(clusters, free_port) as played,
        clusters.ccm(),
    ):
        # Insecure: TLS, and any certificate will do.
        made = await clusters.create(
            "my-tls-backend",
            annotations={"kubelb.k8c.io/backend-tls-policy": "Insecure"},
            ports=[{"port": 443, "targetPort": 443, "nodePort": port}],
        )
        listens = await listener(clusters, made)
        await answered(listens)
        assert recorder.in_the_clear == []
        assert backend.received
        programmed = await clusters.told(made, "Programmed")
        assert programmed["type"] == "Normal"

        # The cloud gives Envoy's Service an address: it is the tenant's.
        uid = made["metadata"]["uid"]
        envoys = {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": f"envoy-{uid}", "namespace": clusters.home},
        }
        await poll(
            partial(clusters.find, clusters.management, envoys), bool, within=BOUND, what="Envoy's Service"
        )
        await clusters.management.patch(
            envoys, {"status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.7"}]}}}, subresource="status"
        )
        await clusters.became(
            made,
            lambda it: (
                it["status"]["loadBalancer"].get("ingress") == [{"ip": "203.0.113.7", "ipMode": "VIP"}]
            ),
        )

        # Verify, and the Secret does not exist.
        await clusters.annotate(made, policy="Verify", ca="my-backend-ca")
        assert (await event(clusters, made, "failed to get CA secret"))["type"] == "Warning"
        await cut(listens)
        # It exists, and has no ca.crt.
        await clusters.management.apply(ca(clusters, "tls.crt", right.pem))
        await event(clusters, made, "secret my-backend-ca missing 'ca.crt' key")
        await cut(listens)
        # Another CA: Envoy's counter says why.
        await clusters.management.apply(ca(clusters, "ca.crt", wrong.pem))
        await clusters.became(made, resolved)

        async def refused_certificates() -> int:
            return sum((await played.envoy.admin.stats("ssl.fail_verify_error")).values())

        await poll(refused_certificates, bool, within=BOUND, what="ssl.fail_verify_error")
        await cut(listens)
        # The right one; no reconcile has to be triggered.
        await clusters.management.apply(ca(clusters, "ca.crt", right.pem))
        await answered(listens)
        assert recorder.in_the_clear == []

        # Verify without a CA: plain TCP, and the reference's line.
        await clusters.annotate(made, ca=None)
        await event(clusters, made, "caSecretRef is required for Verify policy")
        backend.present(None)
        await answered(listens)
        assert recorder.in_the_clear
        # A plain backend behind TLS gives nothing.
        await clusters.annotate(made, policy="Insecure")
        await cut(listens)
        # A wrong word changes nothing.
        await clusters.annotate(made, policy="insecure")
        await event(clusters, made, "'insecure' is not allowed: must be exactly Insecure or Verify")
        await cut(listens)
        # Without the annotations it is plain TCP.
        await clusters.annotate(made, policy=None)
        await answered(listens)

        # In the end.
        await clusters.tenant.delete(made)
        await clusters.became(made, lambda found: not found)
        assert await clusters.find(clusters.management, clusters.copy_of(made)) == {}
        assert await clusters.find(clusters.management, envoys) == {}
        await until(listens, lambda attempt: attempt.outcome is Outcome.REFUSED, "a port that is closed")
        assert await played.rejected() == {}


def resolved(found: Object) -> bool:
    """Return whether a Service's references are found, as its conditions have it."""
    conditions = {each["type"]: each["status"] for each in found["status"].get("conditions", ())}
    return conditions.get("kubelb.k8c.io/ResolvedRefs") == "True"
