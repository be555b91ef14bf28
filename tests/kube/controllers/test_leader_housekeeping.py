"""What the leader does beside writing for LoadBalancers: it deletes what dead replicas have left, and its metrics say what it wrote."""

from functools import partial
from pathlib import Path

import pytest

from kube.controllers.reports import ReportTiming
from tests.kube.controllers.exposing import loadbalancer, look
from tests.support.kube_api import ApiServer
from tests.support.kube_client import ApiClient, Object
from tests.support.replicas import Replica, replica
from xds.app import writing
from xds.app.demo.waiting import poll

WITHIN = 30.0
QUICK = ReportTiming(least=0.05, renew=0.2, expiry=1.0, rest=2.0)
OF_A_LEADER = ("LoadBalancer", "Service", "ledger")


def report(home: str, of: str) -> Object:
    """Return a replica's report, which has no Envoys."""
    labels = {"kubelb.k8c.io/report": "replica"}
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": f"kubelb-xds-report-{of}", "namespace": home, "labels": labels},
        "data": {"replica": of, "run": "1", "renewed": "1", "report.json": "{}"},
    }


async def value(of: Replica, name: str, **labels: str) -> float | None:
    """Return a sample of a replica's metrics."""
    return of.control_plane.registry.get_sample_value(f"kubelb_xds_{name}", labels)


async def wrote(of: Replica, kind: str) -> None:
    """Wait until a replica has written something of a kind."""
    probe = partial(value, of, "writes_total", kind=kind, outcome="written")
    await poll(probe, bool, within=WITHIN, what=f"a {kind} written")


async def test_what_a_dead_replica_left_is_deleted(
    api_server: ApiServer,
    admin: ApiClient,
    tenant: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The report of a replica that has said nothing for long is deleted; that of the leader itself stays."""
    monkeypatch.setattr(writing, "REPORTING", QUICK)
    left = report(tenant, "killed")
    await admin.create(left)
    async with replica("one", api_server.kubeconfig(tmp_path), tenant=tenant, home=tenant):
        await poll(partial(look, admin, left), lambda it: it is None, within=WITHIN, what="its deletion")
        listed = await admin.list("v1", "ConfigMap", tenant, labelSelector="kubelb.k8c.io/report")
        (stays,) = listed["items"]
        assert stays["data"]["replica"].startswith("one-")


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
