"""The Service for Envoy as it comes into being."""

from pathlib import Path

from kube.controllers.services import Exposed
from tests.kube.controllers.exposing import API_VERSION, FINALIZER, exposing, loadbalancer, look, service
from tests.support.kube_api import ApiServer
from tests.support.kube_client import ApiClient


async def test_a_service_as_it_is_to_be(
    api_server: ApiServer, admin: ApiClient, tenant: str, tmp_path: Path
) -> None:
    """A LoadBalancer of type LoadBalancer gets a Service with labels, selector, ports, policy, annotations and owner."""
    labels = {"kubelb.k8c.io/origin-name": "shop", "kubelb.k8c.io/origin-ns": "prod", "other": "x"}
    annotations = {
        "metallb.io/address-pool": "a",
        "kubectl.kubernetes.io/last-applied-configuration": "{}",
    }
    document = loadbalancer(
        tenant,
        ports={"https": 443, "http": 80},
        labels=labels,
        annotations=annotations,
        externalTrafficPolicy="Local",
    )
    lb = await admin.create(document)
    async with exposing(api_server, admin, tenant, tmp_path) as world:
        made = await world.stands(service(tenant))
        assert made["metadata"]["name"] == "envoy-web"
        assert made["metadata"]["labels"] == {
            "kubelb.k8c.io/managed-by": "kubelb-xds",
            "kubelb.k8c.io/tenant": tenant,
            "kubelb.k8c.io/origin-name": "shop",
            "kubelb.k8c.io/origin-ns": "prod",
        }
        assert made["metadata"]["annotations"] == {"metallb.io/address-pool": "a"}
        assert made["metadata"]["ownerReferences"] == [
            {
                "apiVersion": API_VERSION,
                "kind": "LoadBalancer",
                "name": "web",
                "uid": lb["metadata"]["uid"],
                "controller": True,
                "blockOwnerDeletion": True,
            }
        ]
        spec = made["spec"]
        assert spec["type"] == "LoadBalancer"
        assert spec["externalTrafficPolicy"] == "Local"
        assert spec["selector"] == {
            "app.kubernetes.io/name": "kubelb-envoy",
            "kubelb.k8c.io/tenant": tenant,
        }
        ports = [
            {key: port[key] for key in ("name", "protocol", "port", "targetPort")} for port in spec["ports"]
        ]
        assert ports == [
            {"name": "https", "protocol": "TCP", "port": 443, "targetPort": 10443},
            {"name": "http", "protocol": "TCP", "port": 80, "targetPort": 10080},
        ]


async def test_the_finalizer_comes_first(
    api_server: ApiServer, admin: ApiClient, tenant: str, tmp_path: Path
) -> None:
    """The LoadBalancer has the finalizer before the Service is written, and keeps those that it had."""
    document = loadbalancer(tenant)
    document["metadata"]["finalizers"] = ["example.com/other"]
    await admin.create(document)
    async with exposing(api_server, admin, tenant, tmp_path) as world:
        await world.stands(service(tenant))
        await world.settled()
        lb = await admin.get(document)
        assert lb["metadata"]["finalizers"] == ["example.com/other", FINALIZER]
        assert [sent.rsplit("/", 2)[1] for sent in world.sent] == ["loadbalancers", "services"]


async def test_a_name_of_more_than_63_characters(
    api_server: ApiServer, admin: ApiClient, tenant: str, tmp_path: Path
) -> None:
    """LoadBalancers with long names that begin alike, and with dots, have Services of their own."""
    names = [f"{'long-' * 20}a", f"{'long-' * 20}b", "www.example.com"]
    await admin.create_all(loadbalancer(tenant, name) for name in names)
    async with exposing(api_server, admin, tenant, tmp_path) as world:
        made = [await world.stands(service(tenant, name)) for name in names]
        owners = [item["metadata"]["ownerReferences"][0]["name"] for item in made]
        assert owners == names
        assert all(len(item["metadata"]["name"]) <= 63 for item in made)


async def test_nameless_ports_of_both_protocols(
    api_server: ApiServer, admin: ApiClient, tenant: str, tmp_path: Path
) -> None:
    """Several ports without names are given some, one number may serve TCP and UDP; a single one needs no name."""
    both = [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]
    backends = [{"addresses": [{"ip": "127.0.0.1"}], "ports": both}]
    await admin.create(
        loadbalancer(tenant, "dns", endpoints=backends)
        | {"spec": {"type": "LoadBalancer", "endpoints": backends, "ports": both}}
    )
    await admin.create(loadbalancer(tenant, "one", ports={"": 443}))
    async with exposing(api_server, admin, tenant, tmp_path) as world:
        dns = await world.stands(service(tenant, "dns"))
        assert [port["name"] for port in dns["spec"]["ports"]] == ["53-udp", "53-tcp"]
        one = await world.stands(service(tenant, "one"))
        assert "name" not in one["spec"]["ports"][0]
        await world.settled()
        assert len(world.sent) == 4  # a finalizer and a Service each, and no more


async def test_others_get_none(api_server: ApiServer, admin: ApiClient, tenant: str, tmp_path: Path) -> None:
    """A LoadBalancer of type ClusterIP, one without ports, and one whose ports are not allocated yet get neither Service nor finalizer."""
    await admin.create(loadbalancer(tenant, "inside", kind="ClusterIP"))
    await admin.create(loadbalancer(tenant, "empty") | {"spec": loadbalancer(tenant)["spec"] | {"ports": []}})
    await admin.create(loadbalancer(tenant, "waiting"))
    async with exposing(api_server, admin, tenant, tmp_path) as world:
        world.ports = lambda _: ()
        await world.settled()
        assert world.sent == []
        for name in ("inside", "empty", "waiting"):
            assert await look(admin, service(tenant, name)) is None
        assert world.of("inside") == world.of("waiting") == Exposed()
