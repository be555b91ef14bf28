"""Services can be turned off."""

from pathlib import Path

from tests.kube.controllers.exposing import FINALIZER, exposing, loadbalancer, look, service
from tests.support.fault_proxy import FaultProxy
from tests.support.kube_api import ApiServer
from tests.support.kube_client import ApiClient


async def test_nothing_is_made(
    api_server: ApiServer, admin: ApiClient, tenant: str, tmp_path: Path, fault_proxy: FaultProxy
) -> None:
    """Turned off, no Service is read or made, no finalizer is added, and nothing is reported: a status stays as it is."""
    lb = await admin.create(loadbalancer(tenant))
    async with exposing(api_server, admin, tenant, tmp_path, enabled=False, server=fault_proxy.url) as world:
        await world.idle()
        assert world.sent == []
        assert len(world.reports) == 0
        assert not [request for request in fault_proxy.requests if "services" in request.path]
        assert "finalizers" not in (await admin.get(lb))["metadata"]


async def test_what_stands_goes_with_its_loadbalancer(
    api_server: ApiServer, admin: ApiClient, tenant: str, tmp_path: Path
) -> None:
    """A finalizer from before is removed on deletion, other ones are not; a Service from before is for its owner reference."""
    document = loadbalancer(tenant)
    document["metadata"]["finalizers"] = ["example.com/other"]
    lb = await admin.create(document)
    async with exposing(api_server, admin, tenant, tmp_path) as world:
        await world.stands(service(tenant))
    (tmp_path / "off").mkdir()
    async with exposing(api_server, admin, tenant, tmp_path / "off", enabled=False) as world:
        await world.idle()
        assert world.sent == []
        assert FINALIZER in (await admin.get(lb))["metadata"]["finalizers"]
        await admin.delete(lb)
        left = await world.stands(lb, lambda it: FINALIZER not in it["metadata"]["finalizers"])
        assert left["metadata"]["finalizers"] == ["example.com/other"]
        assert await look(admin, service(tenant)) is not None
