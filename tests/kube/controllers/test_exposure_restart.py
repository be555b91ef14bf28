"""What is as it is to be costs no write."""

from pathlib import Path
from typing import Any

from tests.kube.controllers.exposing import exposing, loadbalancer, service
from tests.support.fault_proxy import FaultProxy
from tests.support.kube_api import ApiServer
from tests.support.kube_client import ApiClient

COUNT = 100


async def test_a_restart_writes_nothing(
    api_server: ApiServer, admin: ApiClient, tenant: str, tmp_path: Path, fault_proxy: FaultProxy
) -> None:
    """A leader that starts anew reads two lists for 100 Services, asks for none of them, and writes nothing."""
    policies: list[dict[str, Any]] = [{}, *({"externalTrafficPolicy": name} for name in ("Local", "Cluster"))]
    for number in range(COUNT):
        await admin.create(
            loadbalancer(
                tenant,
                f"lb-{number}",
                ports={"https": 443, "": 80} if number % 2 else {"": 53},
                annotations={"a": "1"},
                **policies[number % 3],
            )
        )
    async with exposing(api_server, admin, tenant, tmp_path) as world:
        for number in range(COUNT):
            await world.stands(service(tenant, f"lb-{number}"))
        await world.settled()
        assert len(world.sent) == 2 * COUNT
        told = dict(world.reports)
    before = await admin.resource_version("v1", "Service", tenant)
    again = tmp_path / "again"
    again.mkdir()
    async with exposing(api_server, admin, tenant, again, server=fault_proxy.url) as world:
        await world.settled()
        assert world.sent == []
        assert {request.method for request in fault_proxy.requests} == {"GET"}
        single = [request for request in fault_proxy.requests if "envoy-lb" in request.path]
        assert single == []
        assert dict(world.reports) == told
        assert len(world.reports) == COUNT
        assert all(exposed.ports for exposed in told.values())
    services = await admin.list("v1", "Service", tenant)
    assert max(int(item["metadata"]["resourceVersion"]) for item in services["items"]) <= int(before)


async def test_who_does_not_lead_writes_nothing(
    api_server: ApiServer, admin: ApiClient, tenant: str, tmp_path: Path
) -> None:
    """A replica that does not lead writes nothing; when it leads, it does what is to be done."""
    await admin.create(loadbalancer(tenant))
    async with exposing(api_server, admin, tenant, tmp_path, leading=False) as world:
        await world.settled()
        assert world.sent == []
        world.leadership.become(leading=True)
        await world.stands(service(tenant))


async def test_two_leaders_make_one_service(
    api_server: ApiServer, admin: ApiClient, tenant: str, tmp_path: Path
) -> None:
    """Two replicas that both believe to lead agree on one Service, and come to rest."""
    (tmp_path / "other").mkdir()
    async with (
        exposing(api_server, admin, tenant, tmp_path) as one,
        exposing(api_server, admin, tenant, tmp_path / "other") as other,
    ):
        await one.idle()
        await other.idle()
        lb = await admin.create(loadbalancer(tenant))
        await one.stands(service(tenant))
        await one.settled()
        await other.settled()
        assert (await admin.get(lb))["metadata"]["finalizers"] == ["kubelb.k8c.io/cleanup"]
        writes = len(one.sent) + len(other.sent)
        await admin.patch(lb, {"metadata": {"labels": {"any": "event"}}})
        await one.settled()
        await other.settled()
        assert len(one.sent) + len(other.sent) == writes
