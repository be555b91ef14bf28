"""A Service of somebody else that has the name is left as it is."""

from pathlib import Path

import pytest

from kube.controllers.services import NAME_TAKEN
from tests.kube.controllers.exposing import exposing, loadbalancer, service
from tests.support.kube_api import ApiServer
from tests.support.kube_client import ApiClient, Object


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


async def test_one_that_it_owns_already_is_taken_over(
    api_server: ApiServer, admin: ApiClient, tenant: str, tmp_path: Path
) -> None:
    """A Service whose controller is the LoadBalancer (KubeLB's own) becomes ours as it stands, with its addresses."""
    lb = await admin.create(loadbalancer(tenant))
    owner = {key: lb[key] for key in ("apiVersion", "kind")}
    owner |= {"name": "web", "uid": lb["metadata"]["uid"], "controller": True}
    theirs = await admin.create(_somebodys(tenant, ownerReferences=[owner]))
    async with exposing(api_server, admin, tenant, tmp_path) as world:
        made = await world.stands(service(tenant), lambda it: "labels" in it["metadata"])
        assert made["metadata"]["uid"] == theirs["metadata"]["uid"]
        assert [port["targetPort"] for port in made["spec"]["ports"]] == [10443]
        await world.settled()
        assert world.of("web") is not None
        assert world.of("web").refusal is None  # type: ignore[union-attr]


async def test_a_service_that_appears_at_the_same_moment(
    api_server: ApiServer, admin: ApiClient, tenant: str, tmp_path: Path
) -> None:
    """Somebody's Service that appears between the look and the creation conflicts with that, and stays as it is."""
    await admin.create(loadbalancer(tenant))
    async with exposing(api_server, admin, tenant, tmp_path) as world:
        look = world.exposure._get
        theirs: list[Object] = []

        async def slow(ref: object) -> object:
            found = await look(ref)  # type: ignore[arg-type]
            if not theirs:
                thing = _somebodys(tenant)
                thing["spec"]["type"] = "ClusterIP"
                theirs.append(await admin.create(thing))
            return found

        world.exposure._get = slow  # type: ignore[method-assign,assignment]
        await world.reports.first(lambda it: it[1].refusal is not None, within=15)
        assert await admin.get(service(tenant)) == theirs[0]
