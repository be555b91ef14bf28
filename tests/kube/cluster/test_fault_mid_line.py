"""A watch that breaks in the middle of a line."""

from pathlib import Path

import pytest

from tests.kube.cluster.following import following, loadbalancer
from tests.kube.cluster.through import made, watching
from tests.support.fault_proxy import FaultProxy
from tests.support.faults import watches
from tests.support.kube_api import ApiServer
from tests.support.kube_client import ApiClient


@pytest.mark.parametrize("reset", [False, True])
async def test_half_an_event_comes_again_as_a_whole(
    api_server: ApiServer,
    admin: ApiClient,
    namespace: str,
    tmp_path: Path,
    fault_proxy: FaultProxy,
    reset: bool,
) -> None:
    """Of an event that arrives by half nothing is taken; the next watch brings it, from the version before, without a list."""
    fault_proxy.cut(watches("loadbalancers"), after_lines=1, mid_line=True, reset=reset, times=1)
    async with following(api_server.kubeconfig(tmp_path, server=fault_proxy.url), namespace) as follower:
        await follower.synced()
        whole = await admin.apply(loadbalancer(namespace, "whole"))
        await follower.has(loadbalancer(namespace, "whole"))
        await admin.apply(loadbalancer(namespace, "half"))
        await follower.has(loadbalancer(namespace, "half"))
        second = await watching(fault_proxy, watches("loadbalancers"), count=2)
        assert second.query["resourceVersion"] == whole["metadata"]["resourceVersion"]
        assert [change.ref.name for change in follower.changes] == ["whole", "half"]
        # The list, the watch, the check and the watch.
        assert len(made(fault_proxy, lambda each: each.path.endswith("/loadbalancers"))) == 4
