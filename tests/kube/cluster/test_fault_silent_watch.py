"""A watch on which nothing comes any more, although its connection stays."""

from dataclasses import replace
from pathlib import Path

from tests.kube.cluster.following import following, loadbalancer
from tests.kube.cluster.through import BRISK, made, watching
from tests.support.fault_proxy import FaultProxy
from tests.support.faults import watches
from tests.support.kube_api import ApiServer
from tests.support.kube_client import ApiClient

SILENCE = 0.4
"""Seconds after which a watch counts as dead."""


async def test_what_it_held_back_arrives_by_another_one(
    api_server: ApiServer, admin: ApiClient, namespace: str, tmp_path: Path, fault_proxy: FaultProxy
) -> None:
    """A watch that falls silent is given up after the time that is set, and all that changed meanwhile arrives, in order."""
    timing = replace(BRISK, silence=SILENCE)
    async with following(
        api_server.kubeconfig(tmp_path, server=fault_proxy.url), namespace, timing=timing
    ) as follower:
        await follower.synced()
        first = await watching(fault_proxy, watches("loadbalancers"), count=1)
        fault_proxy.silence(lambda request: request is first)
        await admin.apply(loadbalancer(namespace, "gone"))
        for port in range(20001, 20004):
            await admin.apply(loadbalancer(namespace, port=port))
        await admin.delete(loadbalancer(namespace, "gone"))
        await follower.has(loadbalancer(namespace, port=20003))
        await follower.until(lambda: len(follower.changes) == 5, "every event")
        assert [change.ref.name for change in follower.changes] == ["gone", "web", "web", "web", "gone"]
        status = follower.status("LoadBalancer")
        assert (status.lists, status.failures) == (1, {"unreachable": 1})
        requests = made(fault_proxy, lambda each: each.path.endswith("/loadbalancers"))
        # Watches without events are silent, too: each is a check and a watch.
        assert len(requests) <= 2 + 2 * (1 + (requests[-1].moment - first.moment) / SILENCE)
