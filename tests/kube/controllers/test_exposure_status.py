"""What the cluster made of the Service, as the LoadBalancer's status is to say it."""

from functools import partial
from pathlib import Path

from kube.objects import StatusPort
from tests.kube.controllers.exposing import Exposing, exposing, loadbalancer, service
from tests.support.kube_api import ApiServer
from tests.support.kube_client import ApiClient


def _says(world: Exposing, ingress: object) -> bool:
    exposed = world.of("web")
    return exposed is not None and exposed.load_balancer == {"ingress": ingress}


async def test_addresses(api_server: ApiServer, admin: ApiClient, tenant: str, tmp_path: Path) -> None:
    """The Service's status.loadBalancer is reported as it is, each time it changes, and once."""
    await admin.create(loadbalancer(tenant))
    async with exposing(api_server, admin, tenant, tmp_path) as world:
        made = await world.stands(service(tenant))
        await world.reports.until(
            lambda: world.of("web") is not None, within=15, what="a report of the Service"
        )
        for ingress in (
            [{"ip": "192.0.2.1", "ipMode": "Proxy", "ports": [{"port": 443, "protocol": "TCP"}]}],
            [{"hostname": "lb.example.com"}],
        ):
            await admin.patch(made, {"status": {"loadBalancer": {"ingress": ingress}}}, subresource="status")
            await world.reports.until(
                partial(_says, world, ingress), within=15, what=f"a report of {ingress}"
            )
        await admin.patch(made, {"metadata": {"annotations": {"cloud": "noise"}}})
        await world.settled()
        seen = [exposed.load_balancer for _, exposed in world.reports]
        assert len(seen) == 3  # the Service, and two addresses
        assert not any("loadbalancers" in sent and "status" in sent for sent in world.sent)


async def test_node_ports(api_server: ApiServer, admin: ApiClient, tenant: str, tmp_path: Path) -> None:
    """Node ports and application protocols are reported by port, and complete the ports of a status."""
    await admin.create(loadbalancer(tenant, ports={"https": 443, "http": 80}))
    async with exposing(api_server, admin, tenant, tmp_path) as world:
        made = await world.stands(service(tenant))
        await admin.patch(
            made,
            {
                "spec": {
                    "ports": [made["spec"]["ports"][0] | {"appProtocol": "https"}, made["spec"]["ports"][1]]
                }
            },
        )
        _, exposed = await world.reports.first(
            lambda it: any(port.app_protocol for port in it[1].ports.values()), within=15
        )
        first, second = (port["nodePort"] for port in made["spec"]["ports"])
        assert exposed.ports == {(443, "TCP"): (first, "https"), (80, "TCP"): (second, "")}
        status = (
            StatusPort(name="https", port=443, target_port=10443, upstream_target_port=30443),
            StatusPort(name="udp", protocol="UDP", port=80, target_port=10080, node_port=1),
        )
        assert exposed.complete(status) == (
            StatusPort(
                name="https",
                port=443,
                target_port=10443,
                upstream_target_port=30443,
                node_port=first,
                app_protocol="https",
            ),
            StatusPort(name="udp", protocol="UDP", port=80, target_port=10080),
        )
        await world.settled()
