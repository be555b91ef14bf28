"""A watch that says ERROR in a stream that began well: its version is too old (410 in the object, 200 as the status), or anything else."""

import json
from pathlib import Path

import pytest

from tests.kube.cluster.following import QUICK, following, loadbalancer, ref_of
from tests.kube.cluster.through import are_paced, made, says, unjittered, watching, whole_lists
from tests.support.fault_proxy import FaultProxy
from tests.support.faults import watches
from tests.support.kube_api import ApiServer
from tests.support.kube_client import ApiClient

# As kube-apiserver 1.36 words it after a restart, when its watch cache begins later than the version asked for.
GONE = (410, "Expired", "too old resource version: 1000 (6422)")
UNDECODABLE = (500, "InternalError", "unable to decode an object in the watch stream")


def event(code: int, reason: str, message: str) -> bytes:
    """Return the line of a watch that says so."""
    status = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": reason,
        "code": code,
    }
    return json.dumps({"type": "ERROR", "object": status}).encode() + b"\n"


@pytest.mark.parametrize(
    ("said", "failure"), [(GONE, "expired"), (UNDECODABLE, "http_500")], ids=["expired", "undecodable"]
)
async def test_each_of_them_is_followed_by_a_list(
    api_server: ApiServer,
    admin: ApiClient,
    namespace: str,
    tmp_path: Path,
    fault_proxy: FaultProxy,
    monkeypatch: pytest.MonkeyPatch,
    said: tuple[int, str, str],
    failure: str,
) -> None:
    """What happened meanwhile, deletions too, is known by a list after each such event, less and less often; the same version is never watched again."""
    unjittered(monkeypatch)
    kept, deleted = loadbalancer(namespace, "kept"), loadbalancer(namespace, "deleted")
    await admin.apply(kept)
    await admin.apply(deleted)
    error = fault_proxy.answer(200, event(*said), when=watches("loadbalancers"))
    async with following(api_server.kubeconfig(tmp_path, server=fault_proxy.url), namespace) as follower:
        await follower.has(kept, deleted)
        await says(follower, "LoadBalancer", lambda it: it.failures.get(failure, 0) >= 2, what="errors")
        await admin.delete(deleted)
        changed = loadbalancer(namespace, "kept", port=20002)
        await admin.apply(changed)
        await follower.has(changed)
        await follower.lacks(ref_of(deleted))
        await fault_proxy.saw(watches("loadbalancers"), count=5)
        assert are_paced(made(fault_proxy, watches("loadbalancers")), QUICK)
        assert error.hits <= len(made(fault_proxy, whole_lists("loadbalancers"))) <= 2 + error.hits
        error.heal()
        await admin.apply(loadbalancer(namespace, "kept", port=20003))
        await follower.has(loadbalancer(namespace, "kept", port=20003))
        await watching(fault_proxy, count=3)
        assert follower.status("LoadBalancer").failures.keys() == {failure}
