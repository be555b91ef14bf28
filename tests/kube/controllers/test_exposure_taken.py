"""A Service of somebody else that has the name is left as it is."""

import asyncio
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from kube.controllers.services import NAME_TAKEN, envoy_pods
from kube.objects import ObjectRef
from tests.kube.controllers.exposing import FINALIZER, exposing, loadbalancer, service
from tests.support.kube_api import ApiServer
from tests.support.kube_client import ApiClient, Object
from xds.app.demo.waiting import poll


def _somebodys(tenant: str, **metadata: object) -> Object:
    thing = service(tenant)
    thing["metadata"] |= metadata
    return thing | {"spec": {"type": "LoadBalancer", "ports": [{"name": "theirs", "port": 1}]}}


async def test_it_is_said_and_not_overwritten(
    api_server: ApiServer, admin: ApiClient, tenant: str, tmp_path: Path
) -> None:
    """The name is reported as taken, nothing is written, and when it is free the Service is made."""
    theirs = await admin.create(_somebodys(tenant))
    await admin.create(loadbalancer(tenant))
    async with exposing(api_server, admin, tenant, tmp_path, recheck=0.2) as world:
        _, exposed = await world.reports.first(lambda it: it[1].refusal is not None, within=15)
        assert exposed.refusal is not None
        assert exposed.refusal.reason == NAME_TAKEN
        assert exposed.refusal.path == "metadata.name"
        assert "Service envoy-web" in exposed.refusal.message
        assert not exposed.load_balancer
        assert world.sent == []
        assert await admin.get(service(tenant)) == theirs
        await admin.delete(service(tenant))
        await world.stands(service(tenant), lambda it: "labels" in it["metadata"])
        await world.reports.first(lambda it: bool(it[1].ports), within=15)
        assert world.reports[-1][1].refusal is None


async def test_a_deleted_loadbalancer_leaves_it(
    api_server: ApiServer, admin: ApiClient, tenant: str, tmp_path: Path
) -> None:
    """A LoadBalancer that never got its Service is released, and somebody else's Service of the name stays."""
    theirs = await admin.create(_somebodys(tenant))
    document = loadbalancer(tenant)
    document["metadata"]["finalizers"] = ["kubelb.k8c.io/cleanup"]
    lb = await admin.create(document)
    async with exposing(api_server, admin, tenant, tmp_path) as world:
        await world.reports.first(lambda it: it[1].refusal is not None, within=15)
        await admin.delete(lb)
        await world.gone(lb)
        assert await admin.get(service(tenant)) == theirs


@pytest.mark.parametrize("kind", ["Deployment", "LoadBalancer"])
async def test_our_label_is_not_enough(
    api_server: ApiServer, admin: ApiClient, tenant: str, tmp_path: Path, kind: str
) -> None:
    """A Service with our label whose controller is another object is that one's."""
    owner = {"apiVersion": "x/v1", "kind": kind, "name": "other", "uid": "1", "controller": True}
    labels = {"kubelb.k8c.io/managed-by": "kubelb-xds"}
    theirs = await admin.create(_somebodys(tenant, labels=labels, ownerReferences=[owner]))
    await admin.create(loadbalancer(tenant))
    async with exposing(api_server, admin, tenant, tmp_path) as world:
        _, exposed = await world.reports.first(lambda it: it[1].refusal is not None, within=15)
        assert exposed.refusal is not None
        assert f"{kind} other's" in exposed.refusal.message
        await world.idle()
        assert world.sent == []
        assert await admin.get(service(tenant)) == theirs


def _kubelbs(tenant: str, kind: str = "LoadBalancer") -> Object:
    """Return the Service that KubeLB's manager makes for a LoadBalancer ``web`` with port 443: no owner, labels of its own."""
    labels = {
        "app.kubernetes.io/name": tenant,
        "kubelb.k8c.io/managed-by": "kubelb",
        "kubelb.k8c.io/lb-name": "web",
        "kubelb.k8c.io/lb-namespace": tenant,
    }
    thing = service(tenant)
    thing["metadata"]["labels"] = labels
    ports = [{"name": "https", "port": 443, "targetPort": 23456}]
    return thing | {"spec": {"type": kind, "selector": {"app.kubernetes.io/name": tenant}, "ports": ports}}


def _is_ours(it: Object) -> bool:
    return bool(it["metadata"]["labels"]["kubelb.k8c.io/managed-by"] == "kubelb-xds")


async def test_one_that_kubelb_made_is_taken_over(
    api_server: ApiServer, admin: ApiClient, tenant: str, tmp_path: Path
) -> None:
    """A Service that KubeLB made becomes ours as it stands: the same object, address and node port, before other Envoys."""
    await admin.create(loadbalancer(tenant))
    theirs = await admin.create(_kubelbs(tenant))
    async with exposing(api_server, admin, tenant, tmp_path) as world:
        made = await world.stands(service(tenant), _is_ours)
        assert made["metadata"]["uid"] == theirs["metadata"]["uid"]
        assert made["spec"]["clusterIP"] == theirs["spec"]["clusterIP"]
        (before,), (after,) = theirs["spec"]["ports"], made["spec"]["ports"]
        assert after == before | {"targetPort": 10443}
        assert made["spec"]["selector"] == dict(envoy_pods(tenant))
        assert (
            made["metadata"]["labels"]["kubelb.k8c.io/lb-name"] == "web"
        )  # KubeLB finds it when it comes back
        await world.settled()
        assert world.of("web") is not None
        assert world.of("web").refusal is None  # type: ignore[union-attr]


async def test_kubelbs_envoys_are_kept_until_others_serve(
    api_server: ApiServer, admin: ApiClient, tenant: str, tmp_path: Path
) -> None:
    """While no Envoy of ours serves a LoadBalancer its Service leads to KubeLB's, and its status says what it said; then it is ours."""
    served: set[ObjectRef] = set()
    await admin.create(loadbalancer(tenant))
    theirs = await admin.create(_kubelbs(tenant))
    async with exposing(api_server, admin, tenant, tmp_path, is_served=served.__contains__) as world:
        with capture_logs() as logs:
            await poll(lambda: asyncio.sleep(0, [*logs]), bool, within=15, what="a line about it")
            await world.idle()
            world.exposure.reconsider()
            await world.idle()
        assert [line["event"] for line in logs] == [
            "Service of KubeLB's stays until an Envoy of the tenant serves it"
        ]
        assert world.sent == []
        assert not world.reports
        assert await admin.get(service(tenant)) == theirs
        ref = ObjectRef("LoadBalancer", tenant, "web")
        served.add(ref)
        world.exposure.served(ref)
        await world.stands(service(tenant), _is_ours)
        _, exposed = await world.reports.first(lambda _: True, within=15)
        assert exposed.ports[443, "TCP"].node_port == theirs["spec"]["ports"][0]["nodePort"]


async def test_one_of_its_own_controller_is_taken_over(
    api_server: ApiServer, admin: ApiClient, tenant: str, tmp_path: Path
) -> None:
    """A Service whose controller is the LoadBalancer becomes ours, though it lacks the label."""
    lb = await admin.create(loadbalancer(tenant))
    owner = {key: lb[key] for key in ("apiVersion", "kind")}
    owner |= {"name": "web", "uid": lb["metadata"]["uid"], "controller": True}
    theirs = await admin.create(_somebodys(tenant, ownerReferences=[owner]))
    async with exposing(api_server, admin, tenant, tmp_path) as world:
        made = await world.stands(service(tenant), lambda it: "labels" in it["metadata"])
        assert made["metadata"]["uid"] == theirs["metadata"]["uid"]
        assert [port["targetPort"] for port in made["spec"]["ports"]] == [10443]


async def test_what_kubelb_made_for_another_type_stays(
    api_server: ApiServer, admin: ApiClient, tenant: str, tmp_path: Path
) -> None:
    """KubeLB's Service of a LoadBalancer that asks for none here stays as it is; taken over in between, it goes with the wish."""
    lb = await admin.create(loadbalancer(tenant, kind="ClusterIP"))
    theirs = await admin.create(_kubelbs(tenant, "ClusterIP"))
    async with exposing(api_server, admin, tenant, tmp_path) as world:
        await world.reports.first(lambda _: True, within=15)
        await world.idle()
        assert world.sent == []
        assert await admin.get(service(tenant)) == theirs
        await admin.patch(lb, {"spec": {"type": "LoadBalancer"}})
        ours = await world.stands(service(tenant), _is_ours)
        assert ours["metadata"]["uid"] == theirs["metadata"]["uid"]
        await admin.patch(lb, {"spec": {"type": "ClusterIP"}})
        await world.gone(service(tenant))


async def test_what_kubelb_made_goes_with_its_loadbalancer(
    api_server: ApiServer, admin: ApiClient, tenant: str, tmp_path: Path
) -> None:
    """KubeLB deletes its Services itself: it is not there any more, so that is done here, and the LoadBalancer is released at once."""
    document = loadbalancer(tenant, kind="ClusterIP")
    document["metadata"]["finalizers"] = [FINALIZER]
    lb = await admin.create(document)
    await admin.create(_kubelbs(tenant, "ClusterIP"))
    async with exposing(api_server, admin, tenant, tmp_path) as world:
        await world.idle()
        await admin.delete(lb)
        await world.gone(lb)
        await world.gone(service(tenant))


async def test_a_service_that_appears_at_the_same_moment(
    api_server: ApiServer, admin: ApiClient, tenant: str, tmp_path: Path
) -> None:
    """Somebody's Service that appears between the look and the creation conflicts with that, and stays as it is."""
    await admin.create(loadbalancer(tenant))
    async with exposing(api_server, admin, tenant, tmp_path) as world:
        services = world.exposure._services_api
        look = services.get
        theirs: list[Object] = []

        async def slow(ref: object) -> object:
            found = await look(ref)  # type: ignore[arg-type]
            if not theirs:
                thing = _somebodys(tenant)
                thing["spec"]["type"] = "ClusterIP"
                theirs.append(await admin.create(thing))
            return found

        services.get = slow  # type: ignore[method-assign,assignment]
        await world.reports.first(lambda it: it[1].refusal is not None, within=15)
        assert await admin.get(service(tenant)) == theirs[0]
