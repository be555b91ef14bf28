"""An API server, or what stands before it, that closes every watch at once."""

from pathlib import Path

import pytest

from tests.kube.cluster.following import QUICK, following, loadbalancer
from tests.kube.cluster.through import are_paced, attempts, checks, made, unjittered
from tests.support.fault_proxy import FaultProxy
from tests.support.faults import all_watches, watches
from tests.support.kube_api import ApiServer
from tests.support.kube_client import ApiClient


async def test_requests_become_few(
    api_server: ApiServer,
    admin: ApiClient,
    namespace: str,
    tmp_path: Path,
    fault_proxy: FaultProxy,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Watches that end at once and in good order are opened less and less often, and healed they bring everything."""
    unjittered(monkeypatch)
    closing = fault_proxy.answer(200, b"", when=all_watches)
    async with following(api_server.kubeconfig(tmp_path, server=fault_proxy.url), namespace) as follower:
        await follower.synced()
        await fault_proxy.saw(watches("loadbalancers"), count=6)
        for plural in ("loadbalancers", "addresses", "secrets"):
            opened = made(fault_proxy, watches(plural))
            assert are_paced(opened, QUICK)
            assert len(made(fault_proxy, checks(plural))) <= len(opened)
        elapsed = fault_proxy.requests[-1].moment - fault_proxy.requests[0].moment
        # Of each informer: a list, and for each attempt a watch, but for the first one with a check.
        assert len(fault_proxy.requests) <= 3 * 2 * attempts(elapsed, QUICK)
        await admin.apply(loadbalancer(namespace))
        closing.heal()
        await follower.has(loadbalancer(namespace))
        assert follower.status("LoadBalancer").lists == 1
