"""A list of which only a part arrives."""

from pathlib import Path

import pytest

from tests.kube.cluster.following import following, loadbalancer
from tests.kube.cluster.through import STEADY, are_paced, made, says, unjittered, whole_lists
from tests.support.fault_proxy import FaultProxy
from tests.support.faults import lists
from tests.support.kube_api import ApiServer
from tests.support.kube_client import ApiClient


@pytest.mark.parametrize("reset", [False, True])
async def test_half_a_list_is_no_list(
    api_server: ApiServer,
    admin: ApiClient,
    namespace: str,
    tmp_path: Path,
    fault_proxy: FaultProxy,
    reset: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of a list that breaks off nothing is taken: not at the start, and not as a word on what is gone."""
    unjittered(monkeypatch)
    documents = [loadbalancer(namespace, name) for name in ("a", "b", "c")]
    for document in documents:
        await admin.apply(document)
    half = fault_proxy.cut(lists("loadbalancers"), after_bytes=1500, reset=reset)
    path = api_server.kubeconfig(tmp_path, server=fault_proxy.url)
    async with following(path, namespace, timing=STEADY) as follower:
        await says(
            follower, "LoadBalancer", lambda it: it.failures.get("unreachable", 0) >= 4, what="failures"
        )
        assert not follower.changes
        assert are_paced(made(fault_proxy, lists("loadbalancers")), STEADY)
        half.heal()
        await follower.has(*documents)
        # Listed again, in halves: what the watch did not say is gone is there.
        later = fault_proxy.cut(whole_lists("loadbalancers"), after_bytes=1500, reset=reset, times=2)
        fault_proxy.answer(410, when=lambda each: each.query.get("limit") == "1", times=3)
        before = len(follower.changes)
        fault_proxy.cut_all()
        await says(follower, "LoadBalancer", lambda it: it.lists == 2, what="a second list")
        assert later.hits == 2
        assert len(follower.changes) == before
