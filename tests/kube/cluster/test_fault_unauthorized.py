"""Credentials that the API server refuses."""

from pathlib import Path

import pytest

from kube.client.api import RELOAD_PAUSE
from tests.kube.cluster.following import QUICK, following, loadbalancer
from tests.kube.cluster.through import are_paced, made, says, unjittered, watching
from tests.support.fault_proxy import FaultProxy
from tests.support.faults import Request, lists
from tests.support.kube_api import ApiServer
from tests.support.kube_client import ApiClient

EVERYTHING = [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["list", "watch"]}]


async def test_credentials_are_loaded_anew(
    api_server: ApiServer, admin: ApiClient, namespace: str, tmp_path: Path, fault_proxy: FaultProxy
) -> None:
    """A token that is refused from some moment on is exchanged for the one that the file holds by then."""
    someone = api_server.identity()
    await api_server.allow(someone, EVERYTHING, namespace)
    path = api_server.kubeconfig(tmp_path, server=fault_proxy.url)
    async with following(path, namespace) as follower:
        await follower.synced()
        await watching(fault_proxy)
        old = fault_proxy.requests[0].headers["Authorization"]

        def is_old(request: Request) -> bool:
            return request.headers["Authorization"] == old

        begun = len(fault_proxy.requests)
        refused = fault_proxy.answer(401, when=is_old)
        api_server.kubeconfig(tmp_path, someone, server=fault_proxy.url)
        fault_proxy.cut_all()
        await admin.apply(loadbalancer(namespace))
        await follower.has(loadbalancer(namespace))
        await watching(fault_proxy, count=6)
        assert 1 <= refused.hits <= 3
        assert len(made(fault_proxy, lambda each: not is_old(each), begun)) == 6
        assert all(sum(status.failures.values()) <= 1 for status in follower.source.informers)


async def test_credentials_that_stay_refused(
    api_server: ApiServer,
    admin: ApiClient,
    namespace: str,
    tmp_path: Path,
    fault_proxy: FaultProxy,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """While the token is refused the status says what to check, requests become few, and what is known stays."""
    unjittered(monkeypatch)
    await admin.apply(loadbalancer(namespace))
    async with following(api_server.kubeconfig(tmp_path, server=fault_proxy.url), namespace) as follower:
        await follower.synced()
        await watching(fault_proxy)
        begun = len(fault_proxy.requests)
        refused = fault_proxy.answer(401)
        fault_proxy.cut_all()
        status = await says(
            follower, "LoadBalancer", lambda it: it.failures.get("http_401", 0) >= 4, what="refusals"
        )
        assert "check the token or the certificate" in status.error
        requests = made(fault_proxy, lists("loadbalancers"), begun)
        elapsed = requests[-1].moment - requests[0].moment
        assert are_paced(requests, QUICK, repeated=1 + int(elapsed / RELOAD_PAUSE))
        assert follower.is_stored(loadbalancer(namespace))
        await admin.apply(loadbalancer(namespace, port=20002))
        refused.heal()
        await follower.has(loadbalancer(namespace, port=20002))
