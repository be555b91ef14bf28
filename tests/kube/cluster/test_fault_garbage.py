"""Answers with status 200 that are none."""

from pathlib import Path

import pytest

from tests.kube.cluster.following import QUICK, following, loadbalancer
from tests.kube.cluster.through import are_paced, made, says, unjittered, watching
from tests.support.fault_proxy import FaultProxy
from tests.support.faults import lists, watches
from tests.support.kube_api import ApiServer
from tests.support.kube_client import ApiClient

GARBAGE = {
    "bytes": b'\x00\xff{"]\n',
    "empty": b"",
    "other JSON": b'{"hello":"world"}\n',
    "no version": b'{"metadata":{"resourceVersion":""},"items":[]}\n',
    "deep": b'{"type":"ADDED","items":' + b"[" * 5000 + b"]" * 5000 + b"}\n",
}


@pytest.mark.parametrize("data", GARBAGE.values(), ids=GARBAGE.keys())
async def test_a_list_of_garbage(
    api_server: ApiServer,
    admin: ApiClient,
    namespace: str,
    tmp_path: Path,
    fault_proxy: FaultProxy,
    data: bytes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A list that cannot be understood is no list: it is asked for again, less and less often, and nothing is served of it."""
    unjittered(monkeypatch)
    await admin.apply(loadbalancer(namespace))
    garbage = fault_proxy.garbage(lists("loadbalancers"), data)
    async with following(api_server.kubeconfig(tmp_path, server=fault_proxy.url), namespace) as follower:
        await fault_proxy.saw(lists("loadbalancers"), count=4)
        status = await says(follower, "LoadBalancer", lambda it: it.error, what="an error")
        assert status.failures.keys() == {"unintelligible"}
        assert not follower.changes
        assert are_paced(made(fault_proxy, lists("loadbalancers")), QUICK)
        garbage.heal()
        await follower.has(loadbalancer(namespace))


@pytest.mark.parametrize(
    "data",
    [GARBAGE["bytes"], GARBAGE["other JSON"], b'{"type":"NEWS","object":{"metadata":{"name":"a"}}}\n', b"\n"],
)
async def test_a_line_of_garbage(
    api_server: ApiServer,
    admin: ApiClient,
    namespace: str,
    tmp_path: Path,
    fault_proxy: FaultProxy,
    data: bytes,
) -> None:
    """A line of a watch that cannot be understood ends it, and a list says what is true."""
    await admin.apply(loadbalancer(namespace))
    fault_proxy.garbage(watches("loadbalancers"), data, times=1)
    async with following(api_server.kubeconfig(tmp_path, server=fault_proxy.url), namespace) as follower:
        await follower.synced()
        # The garbage comes with the first event.
        await admin.apply(loadbalancer(namespace, port=20002))
        await follower.has(loadbalancer(namespace, port=20002))
        await watching(fault_proxy, watches("loadbalancers"), count=2)
        status = follower.status("LoadBalancer")
        assert (status.lists, status.failures) == (2, {"unintelligible": 1})
        assert len(made(fault_proxy, lambda each: each.path.endswith("/loadbalancers"))) == 4


async def test_pages_without_an_end(
    api_server: ApiServer,
    admin: ApiClient,
    namespace: str,
    tmp_path: Path,
    fault_proxy: FaultProxy,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A page that says it is followed by itself, as from a cache that looks at no query, does not lead to requests without end."""
    unjittered(monkeypatch)
    await admin.apply(loadbalancer(namespace))
    page = b'{"metadata":{"resourceVersion":"1","continue":"next"},"items":[]}'
    endless = fault_proxy.answer(200, page, when=lists("loadbalancers"))
    async with following(api_server.kubeconfig(tmp_path, server=fault_proxy.url), namespace) as follower:
        await fault_proxy.saw(lists("loadbalancers"), count=8)
        first = made(fault_proxy, lambda each: lists("loadbalancers")(each) and "continue" not in each.query)
        assert are_paced(first, QUICK)
        assert len(made(fault_proxy, lists("loadbalancers"))) <= 2 * len(first)
        endless.heal()
        await follower.has(loadbalancer(namespace))
