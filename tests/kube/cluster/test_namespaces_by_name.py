"""Which namespaces are followed: those that are named, with the right to read these and no other, or all."""

from pathlib import Path

from tests.kube.cluster.following import addresses, following, loadbalancer, secret
from tests.support.kube_api import ApiServer
from tests.support.kube_client import ApiClient

_READ = [
    {
        "apiGroups": ["kubelb.k8c.io"],
        "resources": ["loadbalancers", "addresses"],
        "verbs": ["list", "watch"],
    },
    {"apiGroups": [""], "resources": ["secrets"], "verbs": ["list", "watch"]},
]


async def test_namespaces_that_are_named(
    api_server: ApiServer, admin: ApiClient, namespace: str, tmp_path: Path
) -> None:
    """With a Role in each of two namespaces these two are followed, and nothing of a third is known."""
    second, third = await api_server.namespace(), await api_server.namespace()
    someone = api_server.identity()
    for tenant in (namespace, second):
        await api_server.allow(someone, _READ, tenant)
    kubeconfig = api_server.kubeconfig(tmp_path, someone)
    async with following(kubeconfig, namespace, second, second) as follower:
        await follower.synced()
        assert len(follower.source.informers) == 6
        for tenant in (third, namespace, second):
            await admin.apply(secret(tenant))
            await admin.apply(loadbalancer(tenant, ca="ca"))
            await admin.apply(addresses(tenant))
        await follower.has(*_everything(namespace), *_everything(second))
        assert {change.ref.namespace for change in follower.changes} == {namespace, second}
        assert not any(status.error or status.failures for status in follower.source.informers)
    for tenant in (second, third):
        for document in _everything(tenant):
            await admin.delete(document)


async def test_all_namespaces_at_once(
    api_server: ApiServer, admin: ApiClient, namespace: str, tmp_path: Path
) -> None:
    """Without a list one informer a kind follows every namespace, also those that come later."""
    for document in _everything(namespace):
        await admin.apply(document)
    someone = api_server.identity()
    await api_server.allow(someone, _READ)
    async with following(api_server.kubeconfig(tmp_path, someone)) as follower:
        await follower.synced()
        assert [status.name for status in follower.source.informers] == [
            "LoadBalancer",
            "Addresses",
            "Secret",
        ]
        await follower.has(*_everything(namespace))
        later = await api_server.namespace()
        for document in _everything(later):
            await admin.apply(document)
        await follower.has(*_everything(later))
        for document in _everything(later):
            await admin.delete(document)


def _everything(tenant: str) -> list[dict[str, object]]:
    return [loadbalancer(tenant, ca="ca"), secret(tenant), addresses(tenant)]
