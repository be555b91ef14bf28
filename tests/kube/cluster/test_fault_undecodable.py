"""Objects that the API server sends and that fit no structure of ours."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.kube.cluster.following import following, loadbalancer, ref_of, secret
from tests.kube.cluster.through import made, watching
from tests.support.fault_proxy import FaultProxy
from tests.support.faults import lists, watches
from tests.support.kube_api import ApiServer
from tests.support.kube_client import ApiClient

Damage = Callable[[dict[str, Any]], None]


def damaging(name: str, field: str = "spec") -> Callable[[bytes], bytes]:
    """Return what puts text where one object of a list, or of an event, has a structure."""

    def change(data: bytes) -> bytes:
        answer = json.loads(data)
        for found in answer.get("items", [answer.get("object", {})]):
            if found.get("metadata", {}).get("name") == name:
                found[field] = "not what it was"
        return json.dumps(answer).encode() + b"\n"

    return change


def no_utf8(data: bytes) -> bytes:
    """Put bytes that are no UTF-8 into an annotation of the object called broken."""
    return data.replace(b'"name":"broken"', b'"annotations":{"a":"\xff\xfe"},"name":"broken"')


DAMAGES = {
    "structure": (damaging("broken"), "spec: "),
    "text": (no_utf8, "must be JSON that can be read"),
}
"""What is done to an object, and what its fault says: what is wrong with it, and not that the program is at fault."""


@pytest.mark.parametrize(("change", "why"), DAMAGES.values(), ids=DAMAGES)
async def test_in_a_list_it_takes_nothing_else_with_it(
    api_server: ApiServer,
    admin: ApiClient,
    namespace: str,
    tmp_path: Path,
    fault_proxy: FaultProxy,
    change: Callable[[bytes], bytes],
    why: str,
) -> None:
    """A LoadBalancer of the first list that cannot be decoded is quarantined by its name; the others are served; a good version heals it."""
    broken, sound = loadbalancer(namespace, "broken"), loadbalancer(namespace, "sound")
    await admin.apply(broken)
    await admin.apply(sound)
    fault_proxy.rewrite(lists("loadbalancers"), change)
    async with following(api_server.kubeconfig(tmp_path, server=fault_proxy.url), namespace) as follower:
        await follower.synced()
        assert follower.is_stored(sound)
        assert follower.store.get(ref_of(broken)) is None
        assert follower.store.invalid.keys() == {ref_of(broken)}
        assert why in str(follower.store.invalid[ref_of(broken)])
        await admin.apply(loadbalancer(namespace, "broken", port=20002))
        await follower.has(loadbalancer(namespace, "broken", port=20002))
        assert not follower.store.invalid
        assert follower.status("LoadBalancer").failures == {}
        assert len(made(fault_proxy, lambda each: each.path.endswith("/loadbalancers"))) == 2


@pytest.mark.parametrize(("change", "why"), DAMAGES.values(), ids=DAMAGES)
async def test_in_an_event_its_last_good_version_stays(
    api_server: ApiServer,
    admin: ApiClient,
    namespace: str,
    tmp_path: Path,
    fault_proxy: FaultProxy,
    change: Callable[[bytes], bytes],
    why: str,
) -> None:
    """An event that cannot be decoded leaves the version before; the watch goes on, and the next good version heals it."""
    broken, sound = loadbalancer(namespace, "broken"), loadbalancer(namespace, "sound")
    await admin.apply(broken)
    damage = [True]
    fault_proxy.rewrite(watches("loadbalancers"), lambda line: change(line) if damage else line)
    async with following(api_server.kubeconfig(tmp_path, server=fault_proxy.url), namespace) as follower:
        await follower.synced()
        await watching(fault_proxy)
        await admin.apply(loadbalancer(namespace, "broken", port=20002))
        await admin.apply(sound)
        await follower.has(sound, broken)
        assert follower.store.invalid.keys() == {ref_of(broken)}
        assert why in str(follower.store.invalid[ref_of(broken)])
        damage.clear()
        await admin.apply(loadbalancer(namespace, "broken", port=20003))
        await follower.has(loadbalancer(namespace, "broken", port=20003))
        assert not follower.store.invalid
        assert len(fault_proxy.requests) == 6


async def test_a_secret_that_is_fetched(
    api_server: ApiServer, admin: ApiClient, namespace: str, tmp_path: Path, fault_proxy: FaultProxy
) -> None:
    """A fetched Secret that cannot be decoded ends nothing: it is quarantined, and what else there is goes on."""
    await admin.apply(secret(namespace, "broken"))
    broken = fault_proxy.rewrite(lists("secrets"), no_utf8)
    async with following(api_server.kubeconfig(tmp_path, server=fault_proxy.url), namespace) as follower:
        await follower.synced()
        await watching(fault_proxy)
        user = loadbalancer(namespace, ca="broken")
        await admin.apply(user)
        await follower.has(user)
        assert follower.store.invalid.keys() == {ref_of(secret(namespace, "broken"))}
        assert "must be JSON that can be read" in str(
            follower.store.invalid[ref_of(secret(namespace, "broken"))]
        )
        assert follower.store.get(ref_of(secret(namespace, "broken"))) is None
        broken.heal()
        await admin.apply(secret(namespace, "broken", "two"))
        await follower.has(secret(namespace, "broken", "two"))
        assert not follower.store.invalid
        assert len(fault_proxy.requests) == 7
