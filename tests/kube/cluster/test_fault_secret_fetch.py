"""A Secret that is named for the first time, while it cannot be had at once."""

from pathlib import Path

import pytest

from kube.informer.store import Change
from kube.objects import LoadBalancer
from tests.kube.cluster.following import QUICK, Following, following, loadbalancer, ref_of, secret
from tests.kube.cluster.through import (
    BRISK,
    are_paced,
    fetches,
    made,
    says,
    unjittered,
    watching,
    whole_lists,
)
from tests.support.fault_proxy import FaultProxy
from tests.support.faults import Request, watches
from tests.support.kube_api import ApiServer
from tests.support.kube_client import ApiClient


def kinds(changes: list[Change]) -> list[str]:
    """Return the kinds of what changed, in order."""
    return [change.ref.kind for change in changes]


def was_never_without(follower: Following, name: str) -> bool:
    """Return whether the Secret had come each time that a LoadBalancer began to name it."""
    there = False
    for change in follower.changes:
        if change.ref.kind == "Secret" and change.ref.name == name:
            there = change.new is not None
        elif isinstance(change.new, LoadBalancer):
            named = {ref.name for ref in change.new.references if ref.kind == "Secret"}
            if name in named and not there:
                return False
    return True


async def test_slow(
    api_server: ApiServer, admin: ApiClient, namespace: str, tmp_path: Path, fault_proxy: FaultProxy
) -> None:
    """While the fetch takes its time the LoadBalancer's version before stays and all else goes on; then both come at once."""
    old, new, other = (
        loadbalancer(namespace),
        loadbalancer(namespace, ca="ca"),
        loadbalancer(namespace, "other"),
    )
    for document in (secret(namespace), old):
        await admin.apply(document)
    slow = fault_proxy.hang(fetches)
    async with following(api_server.kubeconfig(tmp_path, server=fault_proxy.url), namespace) as follower:
        await follower.synced()
        await watching(fault_proxy)
        before = len(follower.changes)
        await admin.apply(loadbalancer(namespace, ca="ca", port=20002))
        await fault_proxy.saw(fetches)
        new = loadbalancer(namespace, ca="ca", port=20003)
        await admin.apply(new)
        await admin.apply(other)
        await follower.has(other, old)
        slow.heal()
        await follower.has(new, secret(namespace))
        assert kinds(follower.changes[before:]) == ["LoadBalancer", "Secret", "LoadBalancer"]
        assert was_never_without(follower, "ca")
        assert len(fault_proxy.requests) == 7


async def test_refused(
    api_server: ApiServer,
    admin: ApiClient,
    namespace: str,
    tmp_path: Path,
    fault_proxy: FaultProxy,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A fetch that fails is repeated, less and less often, and the LoadBalancer's version before stays until one succeeds."""
    unjittered(monkeypatch)
    old, new = loadbalancer(namespace), loadbalancer(namespace, ca="ca", port=20002)
    for document in (secret(namespace), old):
        await admin.apply(document)
    fault_proxy.garbage(fetches, times=1)
    fault_proxy.cut(fetches, times=1)
    fault_proxy.answer(503, when=fetches, times=2)
    async with following(api_server.kubeconfig(tmp_path, server=fault_proxy.url), namespace) as follower:
        await follower.synced()
        await watching(fault_proxy)
        await admin.apply(new)
        await fault_proxy.saw(fetches, count=4)
        assert follower.is_stored(old)
        await follower.has(new, secret(namespace))
        assert was_never_without(follower, "ca")
        assert len(made(fault_proxy, fetches)) == 5
        assert are_paced(made(fault_proxy, fetches), QUICK)


async def test_the_loadbalancer_is_deleted_meanwhile(
    api_server: ApiServer, admin: ApiClient, namespace: str, tmp_path: Path, fault_proxy: FaultProxy
) -> None:
    """A LoadBalancer that is deleted while its Secret is fetched is gone at once, and neither of the two comes later."""
    for document in (secret(namespace), loadbalancer(namespace)):
        await admin.apply(document)
    slow = fault_proxy.hang(fetches)
    async with following(api_server.kubeconfig(tmp_path, server=fault_proxy.url), namespace) as follower:
        await follower.synced()
        await watching(fault_proxy)
        await admin.apply(loadbalancer(namespace, ca="ca"))
        await fault_proxy.saw(fetches)
        await admin.delete(loadbalancer(namespace))
        await follower.lacks(ref_of(loadbalancer(namespace)))
        await fault_proxy.saw(lambda each: fetches(each) and each.over)  # it was given up
        slow.heal()
        await admin.apply(loadbalancer(namespace, "other"))
        await follower.has(loadbalancer(namespace, "other"))
        assert kinds([*follower.changes]) == ["LoadBalancer"] * 3
        assert follower.status("Secret").objects == 0
        assert len(made(fault_proxy, fetches)) == 1


async def test_the_watch_is_faster(
    api_server: ApiServer, admin: ApiClient, namespace: str, tmp_path: Path, fault_proxy: FaultProxy
) -> None:
    """A Secret that the watch brings while it is fetched is there at once, with the LoadBalancer that waited for it."""
    fault_proxy.hang(fetches)
    async with following(api_server.kubeconfig(tmp_path, server=fault_proxy.url), namespace) as follower:
        await follower.synced()
        await watching(fault_proxy)
        await admin.apply(loadbalancer(namespace, ca="ca"))
        await fault_proxy.saw(fetches)
        await admin.apply(secret(namespace))
        await follower.has(loadbalancer(namespace, ca="ca"), secret(namespace))
        assert kinds([*follower.changes]) == ["Secret", "LoadBalancer"]
        await fault_proxy.saw(lambda each: fetches(each) and each.over)
        assert len(made(fault_proxy, fetches)) == 1


async def test_an_answer_that_is_older_than_a_deletion(
    api_server: ApiServer, admin: ApiClient, namespace: str, tmp_path: Path, fault_proxy: FaultProxy
) -> None:
    """A Secret that is deleted while the fetch's answer is on its way is not there afterwards."""
    await admin.apply(secret(namespace))
    held = fault_proxy.silence(fetches)
    async with following(api_server.kubeconfig(tmp_path, server=fault_proxy.url), namespace) as follower:
        await follower.synced()
        await watching(fault_proxy)
        await admin.apply(loadbalancer(namespace, ca="ca"))
        await fault_proxy.saw(lambda each: fetches(each) and each.status == 200)
        events = follower.status("Secret").events
        await admin.delete(secret(namespace))
        await says(follower, "Secret", lambda it: it.events > events, what="the deletion")
        held.heal()
        await follower.has(loadbalancer(namespace, ca="ca"))
        assert follower.store.get(ref_of(secret(namespace))) is None
        assert follower.status("Secret").objects == 0
        assert len(made(fault_proxy, fetches)) == 2


async def test_an_answer_that_is_newer_than_a_list(
    api_server: ApiServer, admin: ApiClient, namespace: str, tmp_path: Path, fault_proxy: FaultProxy
) -> None:
    """A Secret that is fetched while a list, begun later, is on its way stays: that list knows less of it."""

    def is_listing(request: Request) -> bool:
        return whole_lists("secrets")(request) and request is not first

    await admin.apply(secret(namespace))
    slow = fault_proxy.hang(fetches)
    fault_proxy.cut(watches("secrets"), after_lines=1, times=1)
    async with following(
        api_server.kubeconfig(tmp_path, server=fault_proxy.url), namespace, timing=BRISK
    ) as follower:
        await follower.synced()
        await watching(fault_proxy)
        first = made(fault_proxy, whole_lists("secrets"))[0]
        await admin.apply(loadbalancer(namespace, ca="ca"))
        await fault_proxy.saw(fetches)
        held = fault_proxy.silence(is_listing)
        fault_proxy.answer(410, when=lambda each: each.query.get("limit") == "1", times=1)
        await admin.apply(secret(namespace, "unrelated"))  # the watch breaks after it, and a list is due
        await fault_proxy.saw(lambda each: is_listing(each) and each.status == 200)
        slow.heal()
        await follower.has(loadbalancer(namespace, ca="ca"), secret(namespace))
        held.heal()
        await says(follower, "Secret", lambda it: it.lists == 2 and it.watches == 2, what="a second watch")
        await admin.apply(secret(namespace, content="two"))
        await follower.has(secret(namespace, content="two"))
        assert kinds([*follower.changes]) == ["Secret", "LoadBalancer", "Secret"]
        assert {status.lists for status in follower.source.informers} == {1, 2}
        assert len(made(fault_proxy, whole_lists("loadbalancers"))) == 1  # nothing was missing


async def test_a_secret_that_is_of_no_use_any_more_when_its_list_ends(
    api_server: ApiServer, admin: ApiClient, namespace: str, tmp_path: Path, fault_proxy: FaultProxy
) -> None:
    """A Secret that was named when its page of a list came, and is not when the last page does, is not kept."""

    def is_second_page(request: Request) -> bool:
        return whole_lists("secrets")(request) and "continue" in request.query

    for document in (secret(namespace, "a"), secret(namespace, "z"), loadbalancer(namespace, ca="a")):
        await admin.apply(document)
    held = fault_proxy.hang(is_second_page)
    timing = type(BRISK)(page=2, first_wait=BRISK.first_wait, longest_wait=BRISK.longest_wait)
    await admin.apply(secret(namespace, "b"))
    async with following(
        api_server.kubeconfig(tmp_path, server=fault_proxy.url), namespace, timing=timing
    ) as follower:
        await fault_proxy.saw(is_second_page)
        await watching(fault_proxy, watches("loadbalancers"), count=1)
        await admin.apply(loadbalancer(namespace))
        await says(follower, "LoadBalancer", lambda it: it.events == 1, what="the change")
        held.heal()
        await follower.synced()
        assert follower.store.of_kind("Secret") == ()
        assert follower.status("Secret").objects == 0
        assert len(made(fault_proxy, whole_lists("secrets"))) == 2
