"""A watch that breaks again and again while objects change all the time."""

import asyncio
from collections import Counter
from pathlib import Path

from kube.informer.timing import Timing
from kube.objects import LoadBalancer
from tests.kube.cluster.following import following, loadbalancer
from tests.kube.cluster.through import made, watching
from tests.support.fault_proxy import FaultProxy
from tests.support.faults import lists, watches
from tests.support.kube_api import ApiServer
from tests.support.kube_client import ApiClient, Object

CUTS = 60
NAMES = ("a", "b", "c")
FREQUENT = Timing(first_wait=0.001, longest_wait=0.01)


async def test_each_change_is_seen_once(
    api_server: ApiServer, admin: ApiClient, namespace: str, tmp_path: Path, fault_proxy: FaultProxy
) -> None:
    """Through 60 breaks every version of every object reaches the store, once and in order, and no list is needed."""
    cut = fault_proxy.cut(watches("loadbalancers"), after_lines=1, mid_line=True, times=CUTS)
    applied: Counter[str] = Counter()
    last: dict[str, Object] = {}
    async with following(
        api_server.kubeconfig(tmp_path, server=fault_proxy.url), namespace, timing=FREQUENT
    ) as follower:
        await follower.synced()
        await watching(fault_proxy, watches("loadbalancers"), count=1)

        async def change(name: str) -> None:
            while cut.hits < CUTS:
                last[name] = loadbalancer(namespace, name, port=20001 + applied[name])
                await admin.apply(last[name])
                applied[name] += 1

        async with asyncio.timeout(CUTS):  # a second each, where a twentieth is the rule
            await asyncio.gather(*map(change, NAMES))
        for name in NAMES:  # enough events for what is left of the last cut
            last[name] = loadbalancer(namespace, name, port=20001 + applied[name])
            await admin.apply(last[name])
            applied[name] += 1
        await follower.has(*last.values())
        await follower.until(lambda: len(follower.changes) >= applied.total(), "every change")
        assert Counter(change.ref.name for change in follower.changes) == applied
        for name in NAMES:
            ports = [
                found.new.spec.ports[0].port
                for found in follower.changes
                if found.ref.name == name and isinstance(found.new, LoadBalancer)
            ]
            assert ports == [20001 + number for number in range(applied[name])]
        status = follower.status("LoadBalancer")
        assert (status.lists, status.failures) == (1, {"unreachable": CUTS})
        begun = [int(each.query["resourceVersion"]) for each in made(fault_proxy, watches("loadbalancers"))]
        assert len(begun) == CUTS + 1
        assert begun == sorted(set(begun))  # each from where the one before was cut
        assert len(made(fault_proxy, lists("loadbalancers"))) == CUTS + 1  # the list, and a check before each
