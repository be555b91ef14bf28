"""etcd forgets old versions (compaction): a list that was being read in pages is begun again, in one piece."""

from dataclasses import replace
from pathlib import Path

from tests.kube.cluster.following import BOUND, QUICK, following, loadbalancer
from tests.support.fault_proxy import FaultProxy
from tests.support.faults import Request, lists
from tests.support.kube_api import ApiServer


def _page_after_the_first(request: Request) -> bool:
    return lists("loadbalancers")(request) and "continue" in request.query


async def test_a_list_whose_pages_expire_is_asked_for_at_once(
    own_api_server: ApiServer, tmp_path: Path
) -> None:
    """A list that the API server ends halfway with 410 is asked for again without pages, then everything is there."""
    async with (
        own_api_server.client() as admin,
        FaultProxy(own_api_server.url, own_api_server.authority) as proxy,
    ):
        tenant = await own_api_server.namespace()
        await admin.create_all([loadbalancer(tenant, f"lb-{number}") for number in range(5)])
        held = proxy.hang(_page_after_the_first)
        kubeconfig = own_api_server.kubeconfig(tmp_path, server=proxy.url)
        async with following(kubeconfig, tenant, timing=replace(QUICK, page=2)) as follower:
            await proxy.saw(_page_after_the_first, within=BOUND)
            await admin.create(loadbalancer(tenant, "lb-5"))
            await own_api_server.compact()
            held.heal()
            await follower.synced()
            assert len(follower.store.of_kind("LoadBalancer")) == 6
            asked = [
                (request.query.get("limit"), request.status)
                for request in proxy.requests
                if lists("loadbalancers")(request)
            ]
            assert asked == [("2", 200), ("2", 410), (None, 200)]
            assert follower.status("LoadBalancer").failures == {"expired": 1}
