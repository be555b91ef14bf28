"""An API server that refuses connections for a while."""

from pathlib import Path

import pytest

from tests.kube.cluster.following import QUICK, following, loadbalancer, ref_of, secret
from tests.kube.cluster.through import are_paced, says, unjittered, watching
from tests.support.fault_proxy import FaultProxy
from tests.support.faults import watches
from tests.support.kube_api import ApiServer
from tests.support.kube_client import ApiClient


async def test_what_is_known_stays_and_what_changed_meanwhile_arrives(
    api_server: ApiServer, admin: ApiClient, namespace: str, tmp_path: Path, fault_proxy: FaultProxy
) -> None:
    """While connections are refused nothing changes; afterwards what was made, changed and deleted meanwhile is so in the store."""
    kept, changed, deleted = (
        loadbalancer(namespace, name, ca="ca") for name in ("kept", "changed", "deleted")
    )
    for document in (secret(namespace), kept, changed, deleted):
        await admin.apply(document)
    async with following(api_server.kubeconfig(tmp_path, server=fault_proxy.url), namespace) as follower:
        await follower.synced()
        await watching(fault_proxy)
        before = len(follower.changes)
        fault_proxy.refuse()
        fault_proxy.cut_all()
        for kind in ("LoadBalancer", "Addresses", "Secret"):
            status = await says(
                follower, kind, lambda it: it.failures.get("unreachable", 0) >= 2, what="two failures"
            )
            assert fault_proxy.url in status.error
        new = [secret(namespace, "new"), loadbalancer(namespace, "made", ca="new")]
        new.append(loadbalancer(namespace, "changed", ca="ca", port=20002))
        for document in new:
            await admin.apply(document)
        await admin.delete(deleted)
        assert len(follower.changes) == before
        assert follower.store.synced
        await fault_proxy.accept()
        await follower.has(kept, *new)
        await follower.lacks(ref_of(deleted))
        touched = {change.ref for change in follower.changes[before:]}
        assert touched == {ref_of(document) for document in (*new, deleted)}
        assert {status.lists for status in follower.source.informers} <= {
            2,
            3,
        }  # a third where one lacked something
        await watching(fault_proxy, count=6)  # three before, three after
        assert {status.error for status in follower.source.informers} == {""}


async def test_attempts_are_few(
    api_server: ApiServer,
    namespace: str,
    tmp_path: Path,
    fault_proxy: FaultProxy,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Connections that break again and again are tried less and less often."""
    unjittered(monkeypatch)
    async with following(api_server.kubeconfig(tmp_path, server=fault_proxy.url), namespace) as follower:
        fault_proxy.cut(watches("loadbalancers"), after_lines=0, reset=True)
        await follower.synced()
        await fault_proxy.saw(watches("loadbalancers"), count=5)
        assert are_paced([each for each in fault_proxy.requests if watches("loadbalancers")(each)], QUICK)
