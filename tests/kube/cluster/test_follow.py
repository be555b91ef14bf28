"""What a cluster source makes of an API server that does nothing wrong."""

from pathlib import Path

from tests.kube.cluster.following import addresses, following, loadbalancer, ref_of, secret
from tests.support.fault_proxy import FaultProxy
from tests.support.faults import lists
from tests.support.kube_api import ApiServer
from tests.support.kube_client import ApiClient


async def test_what_is_there_and_what_becomes_of_it(
    api_server: ApiServer, admin: ApiClient, namespace: str, tmp_path: Path
) -> None:
    """Objects of all three kinds are in the store once it has synced, change as they do, and go when they are deleted."""
    before = [loadbalancer(namespace, ca="ca"), addresses(namespace), secret(namespace)]
    for document in before:
        await admin.apply(document)
    async with following(api_server.kubeconfig(tmp_path), namespace) as follower:
        await follower.synced()
        assert all(map(follower.is_stored, before))
        after = [
            loadbalancer(namespace, ca="ca", port=20002),
            addresses(namespace, ip="10.0.0.2"),
            secret(namespace, content="two"),
        ]
        for document in after:
            await admin.apply(document)
        await follower.has(*after)
        for document in after:
            await admin.delete(document)
        await follower.lacks(*map(ref_of, after))
        assert {status.lists for status in follower.source.informers} == {1}


async def test_secrets_that_nobody_names_leave_nothing(
    api_server: ApiServer, admin: ApiClient, namespace: str, tmp_path: Path
) -> None:
    """A Secret is in the store from when a LoadBalancer names it until none does any more; the others never are."""
    named, other = secret(namespace, "named"), secret(namespace, "other")
    await admin.apply(named)
    await admin.apply(other)
    async with following(api_server.kubeconfig(tmp_path), namespace) as follower:
        await follower.synced()
        assert follower.status("Secret").objects == 0
        await admin.apply(loadbalancer(namespace, ca="named"))
        await follower.has(named)
        kinds = [change.ref.kind for change in follower.changes]
        assert kinds == ["Secret", "LoadBalancer"]  # both in one transaction
        await admin.apply(secret(namespace, "other", "two"))
        await admin.apply(secret(namespace, "named", "two"))
        await follower.has(secret(namespace, "named", "two"))
        assert follower.status("Secret").objects == 1
        await admin.apply(loadbalancer(namespace))
        await follower.lacks(ref_of(named))
        assert follower.status("Secret").objects == 0
        assert ref_of(other) not in {change.ref for change in follower.changes}


async def test_a_list_in_pages(
    api_server: ApiServer, admin: ApiClient, namespace: str, tmp_path: Path, fault_proxy: FaultProxy
) -> None:
    """Lists are asked for in pages of 500, and everything of every page is there."""
    documents = [loadbalancer(namespace, f"lb-{number}") for number in range(1001)]
    await admin.create_all(documents)
    async with following(api_server.kubeconfig(tmp_path, server=fault_proxy.url), namespace) as follower:
        await follower.synced()
        assert len(follower.store.of_kind("LoadBalancer")) == 1001
        pages = [request for request in fault_proxy.requests if lists("loadbalancers")(request)]
        assert [request.query.get("limit") for request in pages] == ["500"] * 3
