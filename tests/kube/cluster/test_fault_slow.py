"""An API server that answers slowly."""

from pathlib import Path

from tests.kube.cluster.following import following, loadbalancer, secret
from tests.kube.cluster.through import fetches, watching
from tests.support.fault_proxy import FaultProxy
from tests.support.faults import all_watches, everything
from tests.support.kube_api import ApiServer
from tests.support.kube_client import ApiClient


async def test_slow_answers_change_nothing_but_the_time(
    api_server: ApiServer, admin: ApiClient, namespace: str, tmp_path: Path, fault_proxy: FaultProxy
) -> None:
    """With lists and watches that take their time all is as it should be, with one request for each list and each watch."""
    first = [secret(namespace), loadbalancer(namespace, ca="ca")]
    for document in first:
        await admin.apply(document)
    fault_proxy.delay(everything, 0.3)
    async with following(api_server.kubeconfig(tmp_path, server=fault_proxy.url), namespace) as follower:
        await follower.synced()
        assert all(map(follower.is_stored, first))
        # Between a list and its watch, too, nothing is lost.
        later = [loadbalancer(namespace, ca="ca", port=20002), loadbalancer(namespace, "more", ca="other")]
        for document in (secret(namespace, "other"), *later):
            await admin.apply(document)
        await follower.has(*later, secret(namespace, "other"))
        await watching(fault_proxy)
        assert len([each for each in fault_proxy.requests if not fetches(each)]) == 6
        assert len([each for each in fault_proxy.requests if fetches(each)]) <= 1
        assert {status.watches for status in follower.source.informers} == {1}
        assert len([each for each in fault_proxy.requests if all_watches(each)]) == 3
