"""A watch whose version is too old, said as an event in a stream that began well (410 in the object, 200 as the status)."""

import json
from pathlib import Path

import pytest

from tests.kube.cluster.following import QUICK, following, loadbalancer, ref_of
from tests.kube.cluster.through import are_paced, made, says, unjittered, watching, whole_lists
from tests.support.fault_proxy import FaultProxy
from tests.support.faults import watches
from tests.support.kube_api import ApiServer
from tests.support.kube_client import ApiClient

GONE = {
    "type": "ERROR",
    "object": {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": "too old resource version: 1000 (6422)",
        "reason": "Expired",
        "code": 410,
    },
}
"""As kube-apiserver 1.36 words it after a restart, when its watch cache begins later than the version asked for."""


async def test_each_of_them_is_followed_by_a_list(
    api_server: ApiServer,
    admin: ApiClient,
    namespace: str,
    tmp_path: Path,
    fault_proxy: FaultProxy,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What happened meanwhile, deletions too, is known by a list after each such event; the same version is never watched again."""
    unjittered(monkeypatch)
    kept, deleted = loadbalancer(namespace, "kept"), loadbalancer(namespace, "deleted")
    await admin.apply(kept)
    await admin.apply(deleted)
    gone = fault_proxy.answer(200, json.dumps(GONE).encode() + b"\n", when=watches("loadbalancers"))
    async with following(api_server.kubeconfig(tmp_path, server=fault_proxy.url), namespace) as follower:
        await follower.has(kept, deleted)
        await says(follower, "LoadBalancer", lambda it: it.failures.get("expired", 0) >= 2, what="410s")
        await admin.delete(deleted)
        changed = loadbalancer(namespace, "kept", port=20002)
        await admin.apply(changed)
        await follower.has(changed)
        await follower.lacks(ref_of(deleted))
        await fault_proxy.saw(watches("loadbalancers"), count=5)
        assert are_paced(made(fault_proxy, watches("loadbalancers")), QUICK)
        assert len(made(fault_proxy, whole_lists("loadbalancers"))) >= gone.hits
        gone.heal()
        await admin.apply(loadbalancer(namespace, "kept", port=20003))
        await follower.has(loadbalancer(namespace, "kept", port=20003))
        await watching(fault_proxy, count=3)
        assert follower.status("LoadBalancer").failures.keys() == {"expired"}
