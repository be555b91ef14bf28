"""Bookmarks: versions up to which a watch has nothing to say."""

import json
from pathlib import Path

from tests.kube.cluster.following import following, loadbalancer, secret
from tests.kube.cluster.through import made, watching
from tests.support.fault_proxy import FaultProxy
from tests.support.faults import all_watches, watches
from tests.support.kube_api import ApiServer
from tests.support.kube_client import ApiClient


def bookmark(version: str) -> bytes:
    """Return the line of a bookmark of LoadBalancers, as the API server writes it."""
    found = {"kind": "LoadBalancer", "apiVersion": "kubelb.k8c.io/v1alpha1"}
    found |= {"metadata": {"resourceVersion": version}}  # type: ignore[dict-item]
    return json.dumps({"type": "BOOKMARK", "object": found}).encode() + b"\n"


async def test_the_next_watch_begins_at_the_bookmark(
    api_server: ApiServer, admin: ApiClient, namespace: str, tmp_path: Path, fault_proxy: FaultProxy
) -> None:
    """Every watch asks for bookmarks, and after one the next watch begins at its version; it changes nothing else."""
    await admin.apply(loadbalancer(namespace))
    async with following(api_server.kubeconfig(tmp_path, server=fault_proxy.url), namespace) as follower:
        fault_proxy.hang(watches("loadbalancers"), times=1)
        await follower.synced()
        await admin.apply(loadbalancer(namespace, "later"))
        await admin.apply(secret(namespace))  # a version beyond what the watch tells of
        version = await admin.resource_version("kubelb.k8c.io/v1alpha1", "LoadBalancer", namespace)
        fault_proxy.heal()
        first = await watching(fault_proxy, watches("loadbalancers"), count=1)
        await follower.has(loadbalancer(namespace, "later"))
        fault_proxy.answer(200, bookmark(version), when=watches("loadbalancers"), times=1)
        # As nothing that concerns LoadBalancers happens, only the bookmark moves the version.
        fault_proxy.cut_all()
        await watching(fault_proxy, watches("loadbalancers"), count=3)
        _, second, third = made(fault_proxy, watches("loadbalancers"))
        assert int(first.query["resourceVersion"]) < int(second.query["resourceVersion"]) < int(version)
        assert third.query["resourceVersion"] == version
        assert {each.query["allowWatchBookmarks"] for each in made(fault_proxy, all_watches)} == {"true"}
        assert len(follower.changes) == 2
        assert not follower.store.invalid
        assert follower.status("LoadBalancer").lists == 1


async def test_a_bookmark_without_a_version_counts_for_nothing(
    api_server: ApiServer, admin: ApiClient, namespace: str, tmp_path: Path, fault_proxy: FaultProxy
) -> None:
    """An event that names no version leaves the one before: a watch from no version would not tell what was deleted."""
    await admin.apply(loadbalancer(namespace))
    fault_proxy.answer(200, bookmark(""), when=watches("loadbalancers"), times=1)
    async with following(api_server.kubeconfig(tmp_path, server=fault_proxy.url), namespace) as follower:
        await follower.synced()
        await watching(fault_proxy, watches("loadbalancers"), count=2)
        first, second = made(fault_proxy, watches("loadbalancers"))
        assert first.query["resourceVersion"] == second.query["resourceVersion"] != ""
