"""Deletions that no watch told of: the next list lacks the objects, and they go once the other informers have listed, too."""

from pathlib import Path

import pytest

from tests.kube.cluster.following import Following, addresses, following, loadbalancer, ref_of, secret
from tests.kube.cluster.through import watched_again
from tests.kube.cluster.waits import all_well, told, watching
from tests.support.fault_proxy import FaultProxy
from tests.support.faults import lists, watches
from tests.support.kube_api import ApiServer
from tests.support.kube_client import ApiClient, Object

_READ = {"verbs": ["list", "watch"]}
_READ_CUSTOM = _READ | {"apiGroups": ["kubelb.k8c.io"], "resources": ["loadbalancers", "addresses"]}
_READ_SECRETS = _READ | {"apiGroups": [""], "resources": ["secrets"]}


async def _delete_unseen(
    proxy: FaultProxy, admin: ApiClient, *documents: Object, plural: str = "loadbalancers"
) -> None:
    """Delete objects while nothing comes from their watch, answer the next watch with 410, and wait until there is one that stays.

    Its list was complete then. A list alone may be an earlier one: the breaks can make a reflector list of its own accord.
    """
    silence = proxy.silence(watches(plural))
    for document in documents:
        await admin.delete(document)
    proxy.answer(410, when=watches(plural), times=1)
    proxy.cut_all()
    refused = await proxy.saw(lambda request: watches(plural)(request) and request.status == 410)
    silence.heal()
    await watched_again(proxy, watches(plural), proxy.requests.index(refused))


async def test_a_list_after_410_finds_what_the_watch_missed(
    api_server: ApiServer, admin: ApiClient, namespace: str, tmp_path: Path, fault_proxy: FaultProxy
) -> None:
    """Exactly the objects that were deleted go, and all that came with them is told once."""
    stay = [loadbalancer(namespace, ca="ca"), secret(namespace), addresses(namespace)]
    go = [loadbalancer(namespace, f"lb-{number}", ca="other") for number in range(2)]
    for document in (*stay, *go, secret(namespace, "other")):
        await admin.apply(document)
    async with following(api_server.kubeconfig(tmp_path, server=fault_proxy.url), namespace) as follower:
        await watching(follower)
        told_before = len(follower.changes)
        await _delete_unseen(fault_proxy, admin, *go)
        await follower.lacks(*map(ref_of, go))
        await all_well(follower)
        # Nobody names the Secret any more.
        gone = {ref_of(document) for document in (*go, secret(namespace, "other"))}
        assert {change.ref for change in follower.changes[told_before:]} == gone
        assert len(follower.changes) == told_before + len(gone)
        assert all(map(follower.is_stored, stay))
        assert follower.status("LoadBalancer").failures["expired"] == 1


@pytest.mark.parametrize("fault", ["forbidden", "broken"])
async def test_they_stay_while_another_list_fails(
    api_server: ApiServer,
    admin: ApiClient,
    namespace: str,
    tmp_path: Path,
    fault_proxy: FaultProxy,
    fault: str,
) -> None:
    """While one informer cannot list, what another's list lacks stays; it goes when that has healed. What a watch tells goes at once."""
    someone = api_server.identity()
    await api_server.allow(someone, [_READ_CUSTOM, _READ_SECRETS], namespace)
    stays, goes, seen = (loadbalancer(namespace, name) for name in ("stays", "goes", "seen"))
    for document in (stays, goes, seen):
        await admin.apply(document)
    kubeconfig = api_server.kubeconfig(tmp_path, someone, server=fault_proxy.url)
    async with following(kubeconfig, namespace) as follower:
        await watching(follower)
        if fault == "forbidden":
            await api_server.allow(someone, [_READ_CUSTOM], namespace)
            failure = "http_403"
        else:
            fault_proxy.answer(500, when=lists("secrets"))
            failure = "http_500"
        fault_proxy.cut_all()
        await _fails(follower, failure)
        await _delete_unseen(fault_proxy, admin, goes)
        await admin.delete(seen)
        await follower.lacks(ref_of(seen))
        await _fails(follower, failure, times=2)
        assert follower.is_stored(goes)
        if fault == "forbidden":
            await api_server.allow(someone, [_READ_CUSTOM, _READ_SECRETS], namespace)
        fault_proxy.heal()
        await follower.lacks(ref_of(goes))
        assert follower.is_stored(stays)


async def _fails(follower: Following, failure: str, *, times: int = 1) -> None:
    count = follower.status("Secret").failures.get(failure, 0) + times
    await told(follower, lambda: follower.status("Secret").failures.get(failure, 0) >= count, failure)
