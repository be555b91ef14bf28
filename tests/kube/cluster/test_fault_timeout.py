"""For how long the API server is asked to keep a watch open."""

from dataclasses import replace
from pathlib import Path

from tests.kube.cluster.following import following, loadbalancer
from tests.kube.cluster.through import BRISK, made
from tests.support.fault_proxy import FaultProxy
from tests.support.faults import all_watches, watches
from tests.support.kube_api import ApiServer
from tests.support.kube_client import ApiClient


async def test_no_two_watches_need_end_together(
    api_server: ApiServer, namespace: str, tmp_path: Path, fault_proxy: FaultProxy
) -> None:
    """A watch is asked to last between half of the time that is set and all of it, which differs from request to request."""
    fault_proxy.answer(200, b"", when=all_watches)
    timing = replace(BRISK, watch=1000.0)
    async with following(
        api_server.kubeconfig(tmp_path, server=fault_proxy.url), namespace, timing=timing
    ) as follower:
        await follower.synced()
        await fault_proxy.saw(all_watches, count=20)
        asked = [int(each.query["timeoutSeconds"]) for each in made(fault_proxy, all_watches)]
        assert all(500 <= seconds <= 1000 for seconds in asked)
        assert len(set(asked)) > len(asked) // 2


async def test_a_watch_that_the_server_ends_in_time(
    api_server: ApiServer, admin: ApiClient, namespace: str, tmp_path: Path, fault_proxy: FaultProxy
) -> None:
    """A watch that ends when it was asked to is followed by another one, without a list and without an error."""
    timing = replace(BRISK, watch=1.0)
    async with following(
        api_server.kubeconfig(tmp_path, server=fault_proxy.url), namespace, timing=timing
    ) as follower:
        await fault_proxy.saw(watches("loadbalancers"), count=2)
        await admin.apply(loadbalancer(namespace))
        await follower.has(loadbalancer(namespace))
        status = follower.status("LoadBalancer")
        assert (status.lists, status.failures, status.error) == (1, {}, "")
        assert len(made(fault_proxy, watches("loadbalancers"))) <= 4
