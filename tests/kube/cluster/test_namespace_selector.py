"""Namespaces are found by their labels, and followed for as long as they carry them."""

from pathlib import Path

from kube.informer.status import InformerStatus
from tests.kube.cluster.following import Following, addresses, following, loadbalancer, ref_of, secret
from tests.kube.cluster.waits import all_well, told, watching
from tests.support.fault_proxy import FaultProxy
from tests.support.faults import lists, watches
from tests.support.kube_api import ApiServer
from tests.support.kube_client import ApiClient, Object

_LABEL = "kubelb.k8c.io/tests"
_READ = {"verbs": ["list", "watch"]}
_READ_NAMESPACES = _READ | {"apiGroups": [""], "resources": ["namespaces"]}
_READ_TENANT = [
    _READ | {"apiGroups": ["kubelb.k8c.io"], "resources": ["loadbalancers", "addresses"]},
    _READ | {"apiGroups": [""], "resources": ["secrets"]},
]


def _everything(tenant: str) -> list[Object]:
    return [loadbalancer(tenant, ca="ca"), secret(tenant), addresses(tenant)]


async def _tenant(api_server: ApiServer, admin: ApiClient) -> str:
    tenant = await api_server.namespace()
    for document in _everything(tenant):
        await admin.apply(document)
    return tenant


async def _label(admin: ApiClient, tenant: str, value: str | None) -> None:
    thing = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": tenant}}
    await admin.patch(thing, {"metadata": {"labels": {_LABEL: value}}})


def _of(follower: Following, tenant: str) -> list[InformerStatus]:
    return [status for status in follower.source.informers if status.namespace == tenant]


async def test_namespaces_come_and_go_with_their_labels(
    api_server: ApiServer, admin: ApiClient, namespace: str, tmp_path: Path
) -> None:
    """A namespace that gets the label comes all at once, one that loses it goes all at once, and comes again with what is new."""
    for document in _everything(namespace):
        await admin.apply(document)
    first, second = namespace, await _tenant(api_server, admin)
    await _label(admin, first, namespace)
    async with following(api_server.kubeconfig(tmp_path), selector=f"{_LABEL}={namespace}") as follower:
        transactions: list[set[str]] = []
        follower.store.subscribe(lambda changes: transactions.append({change.ref.kind for change in changes}))
        await follower.synced()
        assert all(map(follower.is_stored, _everything(first)))
        everything = {"LoadBalancer", "Secret", "Addresses"}
        assert [kinds for kinds in transactions if kinds] == [everything]

        await _label(admin, second, namespace)
        await follower.has(*_everything(second))
        assert [kinds for kinds in transactions if kinds] == [everything] * 2
        assert follower.store.synced

        await _label(admin, first, "another")
        await follower.lacks(*map(ref_of, _everything(first)))
        assert [kinds for kinds in transactions if kinds] == [everything] * 3
        assert not _of(follower, first)
        await admin.apply(secret(first, content="two"))
        await admin.apply(loadbalancer(second, ca="ca", port=20002))
        await follower.has(loadbalancer(second, ca="ca", port=20002))
        assert follower.store.get(ref_of(secret(first))) is None

        await _label(admin, first, namespace)
        await follower.has(loadbalancer(first, ca="ca"), secret(first, content="two"))
        await admin.apply(secret(first, content="three"))
        await follower.has(secret(first, content="three"))
    await _label(admin, second, None)
    for document in _everything(second):
        await admin.delete(document)


async def test_a_namespace_that_may_not_be_read_keeps_nobody_waiting(
    api_server: ApiServer, admin: ApiClient, namespace: str, tmp_path: Path, fault_proxy: FaultProxy
) -> None:
    """A namespace that comes later and whose lists fail unsyncs nothing, and what others' lists no longer have goes all the same."""
    for document in _everything(namespace):
        await admin.apply(document)
    gone = loadbalancer(namespace, "gone")
    await admin.apply(gone)
    forbidden = await _tenant(api_server, admin)
    someone = api_server.identity()
    await api_server.allow(someone, [_READ_NAMESPACES])
    await api_server.allow(someone, _READ_TENANT, namespace)
    await _label(admin, namespace, namespace)
    kubeconfig = api_server.kubeconfig(tmp_path, someone, server=fault_proxy.url)
    async with following(kubeconfig, selector=f"{_LABEL}={namespace}") as follower:
        await follower.synced()
        await watching(follower)
        await _label(admin, forbidden, namespace)
        await told(
            follower,
            lambda: (
                [status.failures.get("http_403", 0) > 0 for status in _of(follower, forbidden)][:2]
                == [True, True]
            ),
            "403",
        )
        assert follower.store.synced
        errors = [status.error for status in _of(follower, forbidden)]
        assert "its role needs list and watch of loadbalancers in apiGroup 'kubelb.k8c.io'" in errors[0]

        inside = f"/namespaces/{namespace}/"
        silence = fault_proxy.silence(lambda request: request.is_watch and inside in request.path)
        await admin.delete(gone)
        fault_proxy.answer(
            410,
            when=lambda request: watches("loadbalancers")(request) and inside in request.path,
            times=1,
        )
        fault_proxy.cut_all()
        await fault_proxy.saw(lambda request: request.is_watch and request.status == 410)
        silence.heal()
        await follower.lacks(ref_of(gone))

        await api_server.allow(someone, _READ_TENANT, forbidden)
        await follower.has(*_everything(forbidden))
        await all_well(follower)
    await _label(admin, forbidden, None)
    for document in _everything(forbidden):
        await admin.delete(document)


async def test_a_namespace_that_a_list_lacks_stays_until_all_have_listed(
    api_server: ApiServer, admin: ApiClient, namespace: str, tmp_path: Path, fault_proxy: FaultProxy
) -> None:
    """When the list of namespaces lacks one its objects stay while another informer's list fails, and go when that has healed."""
    for document in _everything(namespace):
        await admin.apply(document)
    other = await _tenant(api_server, admin)
    for tenant in (namespace, other):
        await _label(admin, tenant, namespace)
    kubeconfig = api_server.kubeconfig(tmp_path, server=fault_proxy.url)
    async with following(kubeconfig, selector=f"{_LABEL}={namespace}") as follower:
        await follower.synced()
        await watching(follower)
        failing = fault_proxy.answer(500, when=lists("addresses"))
        silence = fault_proxy.silence(watches("namespaces"))
        await _label(admin, other, None)
        fault_proxy.answer(410, when=watches("namespaces"), times=1)
        fault_proxy.cut_all()
        await told(follower, lambda: follower.status("Namespace").lists > 1, "another list of namespaces")
        silence.heal()
        count = failing.hits + 3
        await told(follower, lambda: failing.hits >= count, "failures of Addresses")
        assert all(map(follower.is_stored, _everything(other)))
        failing.heal()
        await follower.lacks(*map(ref_of, _everything(other)))
        assert all(map(follower.is_stored, _everything(namespace)))
        assert not [
            change for change in follower.changes if change.new is None and change.ref.namespace == namespace
        ]
    for document in _everything(other):
        await admin.delete(document)


async def test_a_selector_that_is_none(api_server: ApiServer, tmp_path: Path) -> None:
    """A malformed selector is in the informer's error, with what the API server says against it."""
    async with following(api_server.kubeconfig(tmp_path), selector="tenant in (") as follower:
        await told(follower, lambda: follower.status("Namespace").error, "an error")
        assert "tenant in (" in follower.status("Namespace").error
        assert not follower.store.synced
