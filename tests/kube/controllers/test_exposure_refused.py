"""What the API server does not take, or does not allow."""

from pathlib import Path

import pytest

from kube.controllers.services import SERVICE_REFUSED
from tests.kube.controllers.exposing import exposing, loadbalancer, look, service
from tests.support.kube_api import ApiServer
from tests.support.kube_client import ApiClient, Object

RANGES = "service.beta.kubernetes.io/load-balancer-source-ranges"
"""An annotation whose value the API server checks (k8s.io/kubernetes, pkg/apis/core/validation)."""

SERVICES = {
    "apiGroups": [""],
    "resources": ["services"],
    "verbs": ["get", "list", "watch", "create", "patch", "delete"],
}
LOADBALANCERS = {
    "apiGroups": ["kubelb.k8c.io"],
    "resources": ["loadbalancers"],
    "verbs": ["get", "list", "watch", "patch"],
}
READ = {"apiGroups": ["", "kubelb.k8c.io"], "resources": ["secrets", "addresses"], "verbs": ["list", "watch"]}


async def test_an_annotation_that_is_invalid(
    api_server: ApiServer, admin: ApiClient, tenant: str, tmp_path: Path
) -> None:
    """What the API server says against a Service is reported, beside the addresses that it still has, until it is mended."""
    lb = await admin.create(loadbalancer(tenant))
    async with exposing(api_server, admin, tenant, tmp_path) as world:
        made = await world.stands(service(tenant))
        ingress = {"ingress": [{"ip": "192.0.2.1", "ipMode": "VIP"}]}
        await admin.patch(made, {"status": {"loadBalancer": ingress}}, subresource="status")
        await world.reports.first(lambda it: it[1].load_balancer == ingress, within=15)
        await admin.patch(lb, {"metadata": {"annotations": {RANGES: "everywhere"}}})
        _, exposed = await world.reports.first(lambda it: it[1].refusal is not None, within=15)
        assert exposed.refusal is not None
        assert exposed.refusal.reason == SERVICE_REFUSED
        assert "everywhere" in exposed.refusal.message
        assert exposed.load_balancer == ingress
        await admin.patch(lb, {"metadata": {"annotations": {RANGES: "192.0.2.0/24"}}})
        await world.stands(service(tenant), lambda it: RANGES in it["metadata"].get("annotations", ()))
        await world.settled()
        assert world.reports[-1][1].refusal is None


async def test_the_rights_that_it_needs(
    api_server: ApiServer, admin: ApiClient, tenant: str, tmp_path: Path
) -> None:
    """With get, list, watch, create, patch and delete of Services, and get and patch of LoadBalancers, all goes its way."""
    identity = api_server.identity()
    await api_server.allow(identity, [SERVICES, LOADBALANCERS, READ], tenant)
    lb = await admin.create(loadbalancer(tenant))
    async with exposing(api_server, admin, tenant, tmp_path, identity=identity) as world:
        made = await world.stands(service(tenant))
        await admin.patch(made, {"spec": {"ports": [{"port": 1}]}})
        await world.stands(service(tenant), lambda it: it["spec"]["ports"][0]["port"] == 443)
        await admin.delete(made | service(tenant))
        await world.stands(service(tenant), lambda it: it["metadata"]["uid"] != made["metadata"]["uid"])
        await admin.delete(lb)
        await world.gone(lb)
        assert await look(admin, service(tenant)) is None


@pytest.mark.parametrize("verb", ["create", "patch"])
async def test_a_right_that_is_granted_later(
    api_server: ApiServer, admin: ApiClient, tenant: str, tmp_path: Path, verb: str
) -> None:
    """A right that is missing is reported; when it is granted the Service comes without a restart."""
    identity = api_server.identity()
    verbs: list[Object] = [{**SERVICES, "verbs": [it for it in SERVICES["verbs"] if it != verb]}]
    await api_server.allow(identity, [*verbs, LOADBALANCERS, READ], tenant)
    await admin.create(loadbalancer(tenant))
    async with exposing(api_server, admin, tenant, tmp_path, identity=identity, recheck=0.2) as world:
        _, exposed = await world.reports.first(lambda it: it[1].refusal is not None, within=15)
        assert exposed.refusal is not None
        assert f"cannot {verb} resource" in exposed.refusal.message
        await api_server.allow(identity, [SERVICES, LOADBALANCERS, READ], tenant)
        await world.stands(service(tenant))
        await world.settled()
        assert world.reports[-1][1].refusal is None
