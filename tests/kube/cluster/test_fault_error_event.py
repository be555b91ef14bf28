"""A watch that says ERROR, for another reason than a version that is too old."""

import json
from pathlib import Path

import pytest

from tests.kube.cluster.following import QUICK, following, loadbalancer, ref_of
from tests.kube.cluster.through import are_paced, made, says, unjittered, watching, whole_lists
from tests.support.fault_proxy import FaultProxy
from tests.support.faults import watches
from tests.support.kube_api import ApiServer
from tests.support.kube_client import ApiClient

ERROR = {
    "type": "ERROR",
    "object": {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": "unable to decode an object in the watch stream",
        "reason": "InternalError",
        "code": 500,
    },
}


async def test_a_list_says_what_is_true(
    api_server: ApiServer,
    admin: ApiClient,
    namespace: str,
    tmp_path: Path,
    fault_proxy: FaultProxy,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A watch that says ERROR each time it begins at some version is replaced by a list, less and less often."""
    unjittered(monkeypatch)
    kept, deleted = loadbalancer(namespace, "kept"), loadbalancer(namespace, "deleted")
    await admin.apply(kept)
    await admin.apply(deleted)
    line = json.dumps(ERROR).encode() + b"\n"
    error = fault_proxy.answer(200, line, when=watches("loadbalancers"))
    async with following(api_server.kubeconfig(tmp_path, server=fault_proxy.url), namespace) as follower:
        await follower.has(kept, deleted)
        await says(follower, "LoadBalancer", lambda it: it.failures.get("http_500", 0) >= 2, what="errors")
        await admin.delete(deleted)
        changed = loadbalancer(namespace, "kept", port=20002)
        await admin.apply(changed)
        await follower.has(changed)
        await follower.lacks(ref_of(deleted))
        await fault_proxy.saw(watches("loadbalancers"), count=5)
        assert are_paced(made(fault_proxy, watches("loadbalancers")), QUICK)
        assert len(made(fault_proxy, whole_lists("loadbalancers"))) <= 2 + error.hits
        error.heal()
        await admin.apply(loadbalancer(namespace, "kept", port=20003))
        await follower.has(loadbalancer(namespace, "kept", port=20003))
        await watching(fault_proxy, count=3)
        assert follower.status("LoadBalancer").failures.keys() == {"http_500"}
