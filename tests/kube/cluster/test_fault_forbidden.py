"""Rights that are missing, by the real authorizer."""

from pathlib import Path
from typing import Any

import pytest

from tests.kube.cluster.following import QUICK, following, loadbalancer, secret
from tests.kube.cluster.through import are_paced, made, says, unjittered, watching
from tests.support.fault_proxy import FaultProxy
from tests.support.faults import lists, watches
from tests.support.kube_api import ApiServer
from tests.support.kube_client import ApiClient

GROUPS = {"loadbalancers": "kubelb.k8c.io", "addresses": "kubelb.k8c.io", "secrets": ""}
KINDS = {"loadbalancers": "LoadBalancer", "addresses": "Addresses", "secrets": "Secret"}


def rules(**verbs: list[str]) -> list[dict[str, Any]]:
    """Return the rules of a role that may list and watch everything, but for the resources that are named."""
    return [
        {"apiGroups": [group], "resources": [plural], "verbs": verbs.get(plural, ["list", "watch"])}
        for plural, group in GROUPS.items()
    ]


@pytest.mark.parametrize("plural", ["addresses", "secrets"])
async def test_at_the_start_it_is_named(
    api_server: ApiServer,
    admin: ApiClient,
    namespace: str,
    tmp_path: Path,
    fault_proxy: FaultProxy,
    plural: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What may not be listed is what the store waits for, the status says which right is missing, and given it all goes on."""
    unjittered(monkeypatch)
    someone = api_server.identity()
    await api_server.allow(someone, rules(**{plural: ["get"]}), namespace)
    await admin.apply(loadbalancer(namespace))
    path = api_server.kubeconfig(tmp_path, someone, server=fault_proxy.url)
    async with following(path, namespace) as follower:
        await watching(fault_proxy, count=2)
        await fault_proxy.saw(lambda each: lists(plural)(each) and each.status == 403, count=4)
        status = await says(follower, KINDS[plural], lambda it: it.error, what="an error")
        assert follower.store.unsynced == {f"{KINDS[plural]} in {namespace}"}
        assert f"needs list and watch of {plural} in apiGroup '{GROUPS[plural]}'" in status.error
        assert [it.kind for it in follower.source.informers if it.error] == [KINDS[plural]]
        assert not follower.changes
        assert are_paced(made(fault_proxy, lists(plural)), QUICK)
        await api_server.allow(someone, rules(), namespace)
        await follower.synced()
        await follower.has(loadbalancer(namespace))


async def test_without_the_loadbalancers_nothing_is_known(
    api_server: ApiServer, namespace: str, tmp_path: Path
) -> None:
    """Where LoadBalancers may not be listed, Secrets are not either, and say that they wait."""
    someone = api_server.identity()
    await api_server.allow(someone, rules(loadbalancers=["watch"]), namespace)
    async with following(api_server.kubeconfig(tmp_path, someone), namespace) as follower:
        await says(follower, "LoadBalancer", lambda it: it.error, what="an error")
        await says(follower, "Addresses", lambda it: it.synced, what="a list")
        await follower.until(lambda: len(follower.store.unsynced) == 2, "two informers that wait")
        assert follower.store.unsynced == {f"LoadBalancer in {namespace}", f"Secret in {namespace}"}
        errors = {it.kind: it.error for it in follower.source.informers if it.error}
        assert errors.keys() == {"LoadBalancer", "Secret"}
        assert errors["Secret"] == f"waits for the list of LoadBalancer in {namespace}"
        assert follower.status("Secret").lists == 0


async def test_a_watch_that_is_forbidden(
    api_server: ApiServer, admin: ApiClient, namespace: str, tmp_path: Path, fault_proxy: FaultProxy
) -> None:
    """With list and without watch there is a first state, an error that says so, and changes once watch is allowed."""
    someone = api_server.identity()
    await api_server.allow(someone, rules(loadbalancers=["list"]), namespace)
    await admin.apply(loadbalancer(namespace))
    path = api_server.kubeconfig(tmp_path, someone, server=fault_proxy.url)
    async with following(path, namespace) as follower:
        await follower.has(loadbalancer(namespace))
        status = await says(follower, "LoadBalancer", lambda it: it.error, what="an error")
        assert "needs list and watch of loadbalancers" in status.error
        await admin.apply(loadbalancer(namespace, port=20002))
        await api_server.allow(someone, rules(), namespace)
        await follower.has(loadbalancer(namespace, port=20002))
        assert follower.status("LoadBalancer").lists == 1


async def test_a_right_that_is_taken_away(
    api_server: ApiServer,
    admin: ApiClient,
    namespace: str,
    tmp_path: Path,
    fault_proxy: FaultProxy,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A right that is lost later changes nothing of what is known; the others go on, and regained it brings what was missed."""
    unjittered(monkeypatch)
    someone = api_server.identity()
    await api_server.allow(someone, rules(), namespace)
    before = [secret(namespace), loadbalancer(namespace, ca="ca")]
    for document in before:
        await admin.apply(document)
    path = api_server.kubeconfig(tmp_path, someone, server=fault_proxy.url)
    async with following(path, namespace) as follower:
        await follower.synced()
        await watching(fault_proxy)
        await api_server.allow(someone, rules(secrets=["get"]), namespace)
        begun = len(fault_proxy.requests)
        fault_proxy.cut_all()
        await fault_proxy.saw(lambda each: each.path.endswith("/secrets") and each.status == 403, count=4)
        status = await says(follower, "Secret", lambda it: it.error, what="an error")
        assert "needs list and watch of secrets in apiGroup ''" in status.error
        await admin.apply(secret(namespace, content="two"))
        await admin.apply(loadbalancer(namespace, ca="ca", port=20002))
        await follower.has(loadbalancer(namespace, ca="ca", port=20002), secret(namespace))
        assert follower.store.synced
        tried = made(fault_proxy, lambda each: each.path.endswith("/secrets") and each.status == 403, begun)
        assert are_paced(tried, QUICK)
        await api_server.allow(someone, rules(), namespace)
        await follower.has(secret(namespace, content="two"))
        assert len(made(fault_proxy, watches("loadbalancers"), begun)) == 1
