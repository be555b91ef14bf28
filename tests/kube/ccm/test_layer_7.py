"""Ingress, HTTPRoute and GRPCRoute with the annotations are out of scope: nothing happens. On two real API servers."""

import pytest

from tests.kube.ccm.clusters import BOUND, CA, GROUP, POLICY, Clusters
from tests.support.kube_client import ApiClient, Object, RefusedError
from xds.app.demo.waiting import poll

GATEWAY = "gateway.networking.k8s.io"


async def install(tenant: ApiClient, kind: str) -> None:
    """Install a CRD of Gateway API's with any content, and wait until it is served."""
    plural = f"{kind.lower()}s"
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    annotations = {"api-approved.kubernetes.io": "unapproved, for a test"}
    await tenant.apply(
        {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": f"{plural}.{GATEWAY}", "annotations": annotations},
            "spec": {
                "group": GATEWAY,
                "scope": "Namespaced",
                "names": {"kind": kind, "plural": plural, "singular": kind.lower()},
                "versions": [version],
            },
        }
    )

    async def served() -> bool:
        try:
            await tenant.request("GET", f"/apis/{GATEWAY}/v1/{plural}")
        except RefusedError:
            return False
        return True

    await poll(served, bool, within=BOUND, what=plural)


def path_of(kind: str, namespace: str) -> str:
    """Return where objects of a kind are."""
    if kind == "Ingress":
        return f"/apis/networking.k8s.io/v1/namespaces/{namespace}/ingresses"
    return f"/apis/{GATEWAY}/v1/namespaces/{namespace}/{kind.lower()}s"


def thing(kind: str, namespace: str) -> Object:
    """Return an object of layer 7 that carries both annotations."""
    backend: Object = {"service": {"name": "web", "port": {"number": 443}}}
    rules: Object = {"rules": [{"backendRefs": [{"name": "web", "port": 443}]}]}
    return {
        "apiVersion": "networking.k8s.io/v1" if kind == "Ingress" else f"{GATEWAY}/v1",
        "kind": kind,
        "metadata": {"name": "web", "namespace": namespace, "annotations": {POLICY: "Verify", CA: "ca"}},
        "spec": {"defaultBackend": backend} if kind == "Ingress" else rules,
    }


@pytest.mark.parametrize("kind", ["Ingress", "HTTPRoute", "GRPCRoute"])
async def test_nothing_happens(clusters: Clusters, kind: str) -> None:
    """The object is untouched, its Service is nobody's, it is not even read, and the management cluster hears of nothing."""
    if kind != "Ingress":
        await install(clusters.tenant, kind)
    path = path_of(kind, clusters.namespace)
    async with clusters.proxies() as (tenant, management):
        async with clusters.ccm(tenant=tenant.url, management=management.url) as running:
            before = await clusters.tenant.request("POST", path, thing(kind, clusters.namespace))
            behind = await clusters.create("web", kind="ClusterIP", annotations={POLICY: "Insecure"})
            witness = await clusters.create("witness")
            await clusters.copied(witness)
            await running.settled()
            assert await clusters.tenant.request("GET", f"{path}/web") == before
            after = await clusters.tenant.get(behind)
            assert after["metadata"]["resourceVersion"] == behind["metadata"]["resourceVersion"]
            copies = (await clusters.management.list(GROUP, "LoadBalancer", clusters.home))["items"]
            assert [each["metadata"]["name"] for each in copies] == [witness["metadata"]["uid"]]
        asked = [request.path for proxy in (tenant, management) for request in proxy.requests]
        assert not [each for each in asked if "networking.k8s.io" in each]
    await clusters.tenant.request("DELETE", f"{path}/web")
