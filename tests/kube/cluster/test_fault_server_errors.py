"""An API server that answers with errors of its own."""

from pathlib import Path

import pytest

from tests.kube.cluster.following import following, loadbalancer
from tests.kube.cluster.through import STEADY, are_paced, made, says, unjittered, watching
from tests.support.fault_proxy import FaultProxy
from tests.support.faults import lists
from tests.support.kube_api import ApiServer
from tests.support.kube_client import ApiClient


@pytest.mark.parametrize("status", [500, 503, 504])
async def test_what_is_known_stays(
    api_server: ApiServer,
    admin: ApiClient,
    namespace: str,
    tmp_path: Path,
    fault_proxy: FaultProxy,
    status: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Errors at the start are waited for, errors later change nothing; requests become few, and one list makes good for all."""
    unjittered(monkeypatch)
    await admin.apply(loadbalancer(namespace))
    fault_proxy.answer(status, when=lists("loadbalancers"), times=3)
    path = api_server.kubeconfig(tmp_path, server=fault_proxy.url)
    async with following(path, namespace, timing=STEADY) as follower:
        await follower.synced()
        await watching(fault_proxy)
        assert are_paced(made(fault_proxy, lists("loadbalancers")), STEADY)
        begun = len(fault_proxy.requests)
        fault_proxy.answer(status)
        fault_proxy.cut_all()
        reason = f"http_{status}"
        told = await says(
            follower, "LoadBalancer", lambda it: it.failures.get(reason, 0) >= 3 + 4, what="refusals"
        )
        assert str(status) in told.error
        assert are_paced(made(fault_proxy, lists("loadbalancers"), begun), STEADY)
        assert [change.ref.kind for change in follower.changes] == ["LoadBalancer"]
        await admin.apply(loadbalancer(namespace, port=20002))
        fault_proxy.heal()
        await follower.has(loadbalancer(namespace, port=20002))
        assert follower.status("LoadBalancer").lists == 2


async def test_slow_errors_make_requests_few_too(
    api_server: ApiServer,
    namespace: str,
    tmp_path: Path,
    fault_proxy: FaultProxy,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An overloaded server that takes longer to refuse than the first pause is asked less and less all the same."""
    unjittered(monkeypatch)
    fault_proxy.answer(503, when=lists("loadbalancers"))
    fault_proxy.delay(lists("loadbalancers"), 2 * STEADY.first_wait)
    path = api_server.kubeconfig(tmp_path, server=fault_proxy.url)
    async with following(path, namespace, timing=STEADY):
        await fault_proxy.saw(lists("loadbalancers"), count=5)
        assert are_paced(made(fault_proxy, lists("loadbalancers")), STEADY)
