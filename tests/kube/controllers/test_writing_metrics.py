"""What a replica's metrics say of its writing, on a real API server."""

from functools import partial
from pathlib import Path

from tests.kube.controllers.exposing import loadbalancer
from tests.support.kube_api import ApiServer
from tests.support.kube_client import ApiClient
from tests.support.replicas import Replica, replica
from xds.app.demo.waiting import poll

WITHIN = 30.0
OF_A_LEADER = ("LoadBalancer", "Service", "ledger")


async def value(of: Replica, name: str, **labels: str) -> float | None:
    """Return a sample of a replica's metrics."""
    return of.control_plane.registry.get_sample_value(f"kubelb_xds_{name}", labels)


async def wrote(of: Replica, kind: str) -> None:
    """Wait until a replica has written something of a kind."""
    probe = partial(value, of, "writes_total", kind=kind, outcome="written")
    await poll(probe, bool, within=WITHIN, what=f"a {kind} written")


async def test_metrics_tell_who_leads_and_what_was_written(
    api_server: ApiServer, admin: ApiClient, tenant: str, tmp_path: Path
) -> None:
    """One leads, and counts status, Service and ledger; the other one has written its report, and nothing else."""
    kubeconfig = api_server.kubeconfig(tmp_path)
    await admin.create(loadbalancer(tenant))
    async with replica("one", kubeconfig, tenant=tenant, home=tenant) as one:
        for kind in OF_A_LEADER:
            await wrote(one, kind)
        assert await value(one, "leading") == 1
        assert await value(one, "informer_synced", kind="Service", namespace=tenant) == 1
        async with replica("two", kubeconfig, tenant=tenant, home=tenant) as two:
            await wrote(two, "report")
            assert await value(two, "leading") == 0
            for kind in OF_A_LEADER:
                assert not await value(two, "writes_total", kind=kind, outcome="written")
