"""etcd loses everything: custom resources are answered with 404, Secrets with 200 and nothing.

That is not believed before complete lists of all kinds say so, and not if the cluster is restored before that.
"""

from collections.abc import Awaitable
from dataclasses import replace
from pathlib import Path

from structlog.testing import capture_logs

from tests.kube.cluster.following import (
    QUICK,
    Following,
    addresses,
    following,
    loadbalancer,
    ref_of,
    secret,
)
from tests.kube.cluster.through import watched_again
from tests.kube.cluster.waits import told
from tests.support.fault_proxy import FaultProxy
from tests.support.faults import watches
from tests.support.kube_api import ApiServer
from tests.support.kube_client import ApiClient, Object

_OFTEN = replace(QUICK, relist=0.3)
_RELISTS = 3


async def _fill(admin: ApiClient, tenant: str) -> list[Object]:
    documents = [loadbalancer(tenant, ca="ca"), secret(tenant), addresses(tenant)]
    for document in documents:
        await admin.apply(document)
    return documents


async def _unseen(proxy: FaultProxy, restart: Awaitable[None]) -> None:
    """Restart an API server that nobody reaches before it is ready: until then it asks to be left alone for 5 s."""
    proxy.refuse()
    await restart
    await proxy.accept()


async def _sees_it_empty(follower: Following) -> None:
    """Wait until custom resources failed, and Secrets were listed several times, and not one was there."""
    before = follower.status("Secret").large_removals

    def seen() -> bool:
        unknown = [follower.status(kind).failures.get("http_404") for kind in ("LoadBalancer", "Addresses")]
        return all(unknown) and follower.status("Secret").large_removals >= before + _RELISTS

    await told(follower, seen, "404 for custom resources and several empty lists of Secrets", within=30)


async def test_what_an_empty_cluster_lacks_stays_until_all_lists_say_so(
    own_api_server: ApiServer, tmp_path: Path
) -> None:
    """As long as custom resources are unknown nothing goes, which is logged and counted; it goes when all lists are empty."""
    async with (
        own_api_server.client() as admin,
        FaultProxy(own_api_server.url, own_api_server.authority) as proxy,
    ):
        documents = await _fill(admin, tenant := await own_api_server.namespace())
        kubeconfig = own_api_server.kubeconfig(tmp_path, server=proxy.url)
        async with following(kubeconfig, tenant, timing=_OFTEN) as follower:
            await follower.synced()
            with capture_logs() as logs:
                await _unseen(proxy, own_api_server.start_empty())
                await _sees_it_empty(follower)
            assert all(map(follower.is_stored, documents))
            assert follower.store.next_expiry is None
            assert follower.status("LoadBalancer").large_removals == 0
            assert {
                "informer": f"Secret in {tenant}",
                "known": 1,
                "missing": 1,
                "log_level": "error",
                "event": "a list lacks more than half of what was known: was the cluster restored, or emptied?",
            } in logs
            with capture_logs() as logs:
                await own_api_server.crds()
                await follower.lacks(*map(ref_of, documents))
            loud = {entry["informer"].split()[0] for entry in logs if entry["log_level"] == "error"}
            assert {"LoadBalancer", "Addresses"} <= loud


async def test_a_cluster_that_is_restored_in_time_loses_nothing(
    own_api_server: ApiServer, tmp_path: Path
) -> None:
    """Nothing goes when the cluster was empty and is restored, not even if Secrets, which were missing, are listed last."""
    async with (
        own_api_server.client() as admin,
        FaultProxy(own_api_server.url, own_api_server.authority) as proxy,
    ):
        documents = await _fill(admin, tenant := await own_api_server.namespace())
        snapshot = await own_api_server.snapshot()
        kubeconfig = own_api_server.kubeconfig(tmp_path, server=proxy.url)
        async with following(kubeconfig, tenant, timing=_OFTEN, linger=0) as follower:
            await follower.synced()
            await _unseen(proxy, own_api_server.start_empty())
            await _sees_it_empty(follower)
            held = proxy.hang(lambda request: "secrets" in request.path)
            seen = len(proxy.requests)
            await _unseen(proxy, own_api_server.restore(snapshot))
            await watched_again(proxy, watches("loadbalancers"), seen)
            await watched_again(proxy, watches("addresses"), seen)
            held.heal()
            await admin.apply(secret(tenant, content="two"))
            await admin.apply(loadbalancer(tenant, ca="ca", port=20002))
            await follower.has(secret(tenant, content="two"), loadbalancer(tenant, ca="ca", port=20002))
            assert not [change for change in follower.changes if change.new is None]
            assert follower.is_stored(documents[2])
