"""A LoadBalancer goes when its Service has gone."""

import asyncio
from pathlib import Path

from tests.kube.cluster.test_fault_undecodable import damaging
from tests.kube.controllers.exposing import FINALIZER, exposing, loadbalancer, look, service
from tests.support.fault_proxy import FaultProxy
from tests.support.faults import watches
from tests.support.kube_api import ApiServer
from tests.support.kube_client import ApiClient, Object

CLOUD = "service.kubernetes.io/load-balancer-cleanup"


async def test_the_service_goes_first(
    api_server: ApiServer, admin: ApiClient, tenant: str, tmp_path: Path
) -> None:
    """A deleted LoadBalancer stays until its Service is gone, which the cloud may delay."""
    lb = await admin.create(loadbalancer(tenant))
    async with exposing(api_server, admin, tenant, tmp_path) as world:
        await world.stands(service(tenant))
        await admin.patch(service(tenant), {"metadata": {"finalizers": [CLOUD]}})
        await admin.delete(lb)
        await world.stands(service(tenant), lambda it: "deletionTimestamp" in it["metadata"])
        await world.settled()
        assert (await admin.get(lb))["metadata"]["finalizers"] == [FINALIZER]
        await admin.patch(service(tenant), {"metadata": {"finalizers": None}})
        await world.gone(lb)
        assert await look(admin, service(tenant)) is None


async def test_other_finalizers_stay(
    api_server: ApiServer, admin: ApiClient, tenant: str, tmp_path: Path
) -> None:
    """Of several finalizers only ours is removed, once the Service is gone."""
    document = loadbalancer(tenant)
    document["metadata"]["finalizers"] = ["example.com/one", FINALIZER, "example.com/two"]
    lb = await admin.create(document)
    async with exposing(api_server, admin, tenant, tmp_path) as world:
        await world.stands(service(tenant))
        await admin.delete(lb)
        left = await world.stands(lb, lambda it: FINALIZER not in it["metadata"]["finalizers"])
        assert left["metadata"]["finalizers"] == ["example.com/one", "example.com/two"]
        assert await look(admin, service(tenant)) is None
        await world.settled()
        assert len([sent for sent in world.sent if sent.startswith("PATCH") and "loadbalancers" in sent]) == 1


async def test_deleted_while_nobody_led(
    api_server: ApiServer, admin: ApiClient, tenant: str, tmp_path: Path
) -> None:
    """What was deleted while there was no leader is cleaned up when there is one again."""
    lb = await admin.create(loadbalancer(tenant))
    async with exposing(api_server, admin, tenant, tmp_path) as world:
        await world.stands(service(tenant))
        await world.settled()
        world.leadership.become(leading=False)
        await admin.delete(lb)
        await world.settled()
        assert await look(admin, lb) is not None
        assert await look(admin, service(tenant)) is not None
        world.leadership.become(leading=True)
        await world.gone(lb)
        assert await look(admin, service(tenant)) is None


async def test_created_and_deleted_at_once(
    api_server: ApiServer, admin: ApiClient, tenant: str, tmp_path: Path
) -> None:
    """LoadBalancers that are deleted as soon as they have their finalizer, some before the Service is there, leave none behind."""
    things = [loadbalancer(tenant, f"lb-{number}") for number in range(30)]
    async with exposing(api_server, admin, tenant, tmp_path) as world:
        await world.idle()

        async def live(thing: Object) -> None:
            await admin.create(thing)
            # One without finalizers that is deleted at this moment may go although it got one: the API server looks for them
            # first and deletes afterwards. The owner reference is for that.
            await world.stands(thing, lambda it: FINALIZER in it["metadata"].get("finalizers", ()))
            await admin.delete(thing)
            await world.gone(thing)

        await asyncio.gather(*map(live, things))
        await world.settled()
        assert (await admin.list("v1", "Service", tenant))["items"] == []


async def test_an_invalid_one(
    api_server: ApiServer, admin: ApiClient, tenant: str, tmp_path: Path, fault_proxy: FaultProxy
) -> None:
    """A LoadBalancer whose newest version cannot be read is let go all the same when it is deleted, and its Service with it."""
    lb = await admin.create(loadbalancer(tenant))
    damage: list[bool] = []
    spoil = damaging("web")
    fault_proxy.rewrite(watches("loadbalancers"), lambda line: spoil(line) if damage else line)
    async with exposing(api_server, admin, tenant, tmp_path, recheck=0.2, server=fault_proxy.url) as world:
        await world.stands(service(tenant))
        await world.settled()
        damage.append(True)
        await admin.delete(lb)
        await world.gone(lb)
        assert await look(admin, service(tenant)) is None
