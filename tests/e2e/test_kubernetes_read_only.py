"""Beside KubeLB: with --read-only a tenant's Envoy is served on the ports that KubeLB's manager records, and nothing at all is written.

The test plays that manager. The program may list and watch LoadBalancers, Addresses and Secrets, and nothing else.
"""

from collections.abc import Callable
from pathlib import Path

from tests.e2e.sources import ApiObjects
from tests.e2e.world import API_VERSION, LOOPBACK, reached
from tests.e2e.written import ENVOYS, bootstrap
from tests.support.command import serving
from tests.support.fault_proxy import FaultProxy
from tests.support.kube_api import ApiServer
from tests.support.kube_client import Object
from tests.support.workbench import running_envoy
from xds.app.demo.backends import Backend
from xds.app.demo.certificates import Authority
from xds.app.demo.client import Outcome, ask
from xds.app.demo.manifests import secret
from xds.app.demo.waiting import poll

FreePort = Callable[..., int]
WITHIN = 15.0


def kubelbs(tenant: str, name: str, backend_port: int) -> Object:
    """Return a LoadBalancer as KubeLB's own cloud controller manager and manager have it, but for the status."""
    return {
        "apiVersion": API_VERSION,
        "kind": "LoadBalancer",
        "metadata": {
            "name": name,
            "namespace": tenant,
            "labels": {"kubelb.k8c.io/origin-name": "web", "kubelb.k8c.io/origin-ns": "default"},
            "annotations": {"example.com/of-the-service": "yes"},
            "finalizers": ["kubelb.k8c.io/cleanup"],
        },
        "spec": {
            "type": "LoadBalancer",
            "externalTrafficPolicy": "Cluster",
            "ports": [{"name": "443-tcp", "protocol": "TCP", "port": 443}],
            "endpoints": [
                {
                    "name": "default",
                    "addressesReference": {"name": "default"},
                    "ports": [{"name": "443-tcp", "protocol": "TCP", "port": backend_port}],
                }
            ],
            "upstreamTLS": {"policy": "Verify", "caSecretRef": {"name": "backend-ca"}},
        },
    }


def recorded(port: int, backend_port: int) -> Object:
    """Return the status with which KubeLB's manager records a port."""
    entry = {"name": "443-tcp", "protocol": "TCP", "port": 443, "targetPort": port, "nodePort": 31234}
    return {
        "status": {
            "loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]},
            "service": {"ports": [{**entry, "upstreamTargetPort": backend_port}]},
        }
    }


async def refused(port: int) -> None:
    """Wait until nobody listens."""
    await poll(
        lambda: ask(port, host=ENVOYS),
        lambda attempt: attempt.outcome is Outcome.REFUSED,
        within=WITHIN,
        what="a port that nobody listens on",
    )


async def test_beside_kubelb(
    in_cluster: ApiObjects,
    api_server: ApiServer,
    fault_proxy: FaultProxy,
    tmp_path: Path,
    free_port: FreePort,
    envoy_binary: Path,  # noqa: ARG001 — fail early
) -> None:
    """Envoy listens on the port that is recorded, when it is and where that moves, and every request of the program is a GET."""
    tenant, admin, xds_port = in_cluster.tenant, in_cluster.client, free_port()
    authority = Authority("ca")
    ports = 30000 + xds_port % 1000, 443
    identity = Path(in_cluster.settings["kubeconfig"])
    through = tmp_path / "through-the-proxy"
    text = identity.read_text(encoding="utf-8").replace(api_server.url, fault_proxy.url)
    through.write_text(
        "".join(line for line in text.splitlines(True) if "certificate-authority" not in line),
        encoding="utf-8",
    )
    arguments = [
        *("--kubernetes", "--read-only", "--kubeconfig", str(through), "--namespace", tenant),
        *("--xds-address", f"{LOOPBACK}:{xds_port}", "--listener-address", ENVOYS),
    ]
    async with Backend("web", identity=authority.issue("web")) as backend:
        web, later = (kubelbs(tenant, name, backend.port) for name in ("web", "later"))
        await in_cluster.put(
            "first",
            {
                "apiVersion": API_VERSION,
                "kind": "Addresses",
                "metadata": {"name": "default", "namespace": tenant},
                "spec": {"addresses": [{"ip": LOOPBACK}]},
            },
            secret(tenant, "backend-ca", authority.pem),
        )
        for thing in (web, later):
            assert (await admin.create(thing))["spec"] == thing["spec"]
        await admin.patch(web, recorded(ports[0], backend.port), subresource="status")
        before = [await admin.get(thing) for thing in (web, later)]
        assert before[0]["status"] == recorded(ports[0], backend.port)["status"]
        async with (
            serving(arguments) as process,
            running_envoy(bootstrap(tenant, xds_port), tmp_path) as envoy,
        ):
            assert (await process.has_logged("serving xDS"))[0]["read_only"] is True
            await reached(ports[0], host=ENVOYS)
            (line,) = [each for each in process.lines if each["level"] == "error"]
            assert (line["reason"], line["object"]) == ("PortNotAllocated", f"LoadBalancer {tenant}/later")
            assert len(await envoy.admin.listeners()) == 1

            await admin.patch(later, recorded(ports[1] + 30000, backend.port), subresource="status")
            await reached(ports[1] + 30000, host=ENVOYS)
            await process.has_logged("healed")
            await admin.patch(web, recorded(ports[0] + 1, backend.port), subresource="status")
            await reached(ports[0] + 1, host=ENVOYS)
            await refused(ports[0])

            # What would be a condition and an Event is a line of log.
            await admin.delete(secret(tenant, "backend-ca", b""))
            await process.has_logged("failed to get CA secret", 2)
        requests = {(each.method, each.path) for each in fault_proxy.requests}
        assert {method for method, _ in requests} == {"GET"}
        kinds = {path.rpartition("/")[2] for _, path in requests}
        assert kinds <= {"loadbalancers", "addresses", "secrets"}
        for thing in (web, later):
            found = await admin.get(thing)
            assert found["metadata"]["finalizers"] == thing["metadata"]["finalizers"]
            assert "conditions" not in found["status"]
            await admin.patch(thing, {"metadata": {"finalizers": None}})
