"""What becomes of the Service when its LoadBalancer changes."""

from pathlib import Path

from tests.kube.controllers.exposing import exposing, loadbalancer, service
from tests.support.kube_api import ApiServer
from tests.support.kube_client import ApiClient, Object


def _targets(made: Object) -> dict[tuple[int, str], int]:
    return {(port["port"], port["protocol"]): port["targetPort"] for port in made["spec"]["ports"]}


async def test_ports(api_server: ApiServer, admin: ApiClient, tenant: str, tmp_path: Path) -> None:
    """Ports that come, go and change their number are so in the Service, and one that stays keeps its node port."""
    document = await admin.apply(loadbalancer(tenant, ports={"https": 443, "http": 80}))
    async with exposing(api_server, admin, tenant, tmp_path) as world:
        before = await world.stands(service(tenant))
        await admin.apply(loadbalancer(tenant, ports={"https": 443, "mqtt": 1883}))
        after = await world.stands(service(tenant), lambda it: (1883, "TCP") in _targets(it))
        assert _targets(after) == {(443, "TCP"): 10443, (1883, "TCP"): 11883}
        assert after["spec"]["ports"][0]["nodePort"] == before["spec"]["ports"][0]["nodePort"]
        await admin.apply(loadbalancer(tenant, ports={"https": 8443}))
        after = await world.stands(service(tenant), lambda it: len(_targets(it)) == 1)
        assert _targets(after) == {(8443, "TCP"): 18443}
        assert after["spec"]["clusterIP"] == before["spec"]["clusterIP"]
    assert document["metadata"]["name"] == "web"


async def test_listener_port(api_server: ApiServer, admin: ApiClient, tenant: str, tmp_path: Path) -> None:
    """A port whose listener moves leads to the new one at the same node port."""
    lb = await admin.apply(loadbalancer(tenant))
    async with exposing(api_server, admin, tenant, tmp_path) as world:
        before = await world.stands(service(tenant))
        allocate = world.ports
        world.ports = lambda lb: tuple(
            type(port)(
                name=port.name, protocol=port.protocol, port=port.port, target_port=int(port.target_port) + 1
            )
            for port in allocate(lb)
        )
        await admin.patch(lb, {"metadata": {"labels": {"any": "event"}}})
        after = await world.stands(service(tenant), lambda it: _targets(it) == {(443, "TCP"): 10444})
        assert after["spec"]["ports"][0]["nodePort"] == before["spec"]["ports"][0]["nodePort"]


async def test_annotations_and_labels(
    api_server: ApiServer, admin: ApiClient, tenant: str, tmp_path: Path
) -> None:
    """What is changed or removed at the LoadBalancer is so at the Service; what others put there stays, of whatever moment."""
    origin = "kubelb.k8c.io/origin-name"
    lb = await admin.create(loadbalancer(tenant, annotations={"a": "1", "b": "1"}, labels={origin: "shop"}))
    async with exposing(api_server, admin, tenant, tmp_path) as world:
        made = await world.stands(service(tenant))
        await admin.patch(made, {"metadata": {"annotations": {"cloud/id": "7"}, "labels": {"cloud": "x"}}})
        await admin.patch(lb, {"metadata": {"annotations": {"a": "2", "b": None}, "labels": {origin: None}}})
        made = await world.stands(service(tenant), lambda it: "b" not in it["metadata"]["annotations"])
        assert made["metadata"]["annotations"] == {"a": "2", "cloud/id": "7"}
        assert made["metadata"]["labels"] == {
            "kubelb.k8c.io/managed-by": "kubelb-xds",
            "kubelb.k8c.io/tenant": tenant,
            "cloud": "x",
        }
        await world.settled()
        writes = len(world.sent)
        await admin.patch(made, {"metadata": {"annotations": {"cloud/id": "8", "cloud/zone": "a"}}})
        await world.settled()
        assert len(world.sent) == writes


async def test_traffic_policy(api_server: ApiServer, admin: ApiClient, tenant: str, tmp_path: Path) -> None:
    """ExternalTrafficPolicy follows the LoadBalancer's, and is Cluster where that has none."""
    lb = await admin.create(loadbalancer(tenant, externalTrafficPolicy="Local"))
    async with exposing(api_server, admin, tenant, tmp_path) as world:
        await world.stands(service(tenant), lambda it: it["spec"]["externalTrafficPolicy"] == "Local")
        await admin.patch(lb, {"spec": {"externalTrafficPolicy": None}})
        made = await world.stands(
            service(tenant), lambda it: it["spec"]["externalTrafficPolicy"] == "Cluster"
        )
        assert "healthCheckNodePort" not in made["spec"]


async def test_a_type_that_changes(
    api_server: ApiServer, admin: ApiClient, tenant: str, tmp_path: Path
) -> None:
    """With type ClusterIP the Service goes and the status is emptied; with LoadBalancer it comes again."""
    lb = await admin.create(loadbalancer(tenant))
    async with exposing(api_server, admin, tenant, tmp_path) as world:
        made = await world.stands(service(tenant))
        ingress = {"ingress": [{"ip": "192.0.2.1", "ipMode": "VIP"}]}
        await admin.patch(made, {"status": {"loadBalancer": ingress}}, subresource="status")
        await world.reports.first(lambda it: it[1].load_balancer == ingress, within=15)
        await admin.patch(lb, {"spec": {"type": "ClusterIP"}})
        await world.gone(service(tenant))
        assert world.of("web") == ({}, {}, None)
        await admin.patch(lb, {"spec": {"type": "LoadBalancer"}})
        again = await world.stands(service(tenant))
        assert again["metadata"]["uid"] != made["metadata"]["uid"]
