"""A resource that the API server does not know, because its CRD is missing."""

from pathlib import Path

import pytest

from tests.kube.cluster.following import QUICK, addresses, following, loadbalancer
from tests.kube.cluster.through import are_paced, made, says, unjittered, watching
from tests.support.fault_proxy import FaultProxy
from tests.support.faults import lists
from tests.support.kube_api import ApiServer
from tests.support.kube_client import ApiClient


async def test_at_the_start_the_remedy_names_the_crd(
    api_server: ApiServer,
    admin: ApiClient,
    namespace: str,
    tmp_path: Path,
    fault_proxy: FaultProxy,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """While a list is answered with 404 the status names the CRD, requests become few, and nothing is served."""
    unjittered(monkeypatch)
    await admin.apply(addresses(namespace))
    await admin.apply(loadbalancer(namespace))
    missing = fault_proxy.answer(404, b"404 page not found\n", when=lists("addresses"))
    async with following(api_server.kubeconfig(tmp_path, server=fault_proxy.url), namespace) as follower:
        await watching(fault_proxy, count=2)
        await fault_proxy.saw(lists("addresses"), count=5)
        status = await says(follower, "Addresses", lambda it: it.error, what="an error")
        assert "addresses.kubelb.k8c.io" in status.error
        assert "kubectl apply" in status.error
        assert follower.store.unsynced == {f"Addresses in {namespace}"}
        assert not follower.changes
        assert are_paced(made(fault_proxy, lists("addresses")), QUICK)
        missing.heal()
        await follower.has(addresses(namespace), loadbalancer(namespace))
