"""The program's own end, while a list is missing."""

from pathlib import Path

from tests.kube.cluster.following import addresses, following, loadbalancer, ref_of
from tests.kube.cluster.through import BRISK, checks, says, watching, whole_lists
from tests.support.fault_proxy import FaultProxy
from tests.support.faults import lists
from tests.support.kube_api import ApiServer
from tests.support.kube_client import ApiClient


async def test_nothing_goes_because_the_program_ends(
    api_server: ApiServer, admin: ApiClient, namespace: str, tmp_path: Path, fault_proxy: FaultProxy
) -> None:
    """What a list lacks and another list could not confirm is still there when the source is cancelled: nothing is told at the end."""
    await admin.apply(addresses(namespace))
    await admin.apply(loadbalancer(namespace))
    path = api_server.kubeconfig(tmp_path, server=fault_proxy.url)
    async with following(path, namespace, timing=BRISK) as follower:
        await follower.synced()
        await watching(fault_proxy)
        fault_proxy.refuse()
        fault_proxy.cut_all()
        # The lists of Secrets and Addresses agree that one is gone; only that of LoadBalancers is missing.
        fault_proxy.answer(503, when=lists("loadbalancers"))
        waiting = fault_proxy.hang(checks("secrets"))
        fault_proxy.answer(410, when=lambda each: checks("secrets")(each) or checks("addresses")(each))
        fault_proxy.delay(whole_lists("addresses"), 0.4)
        await admin.delete(addresses(namespace))
        await fault_proxy.accept()
        await fault_proxy.saw(whole_lists("addresses"), count=2)
        waiting.heal()
        for kind in ("Secret", "Addresses"):
            await says(follower, kind, lambda it: it.lists >= 2, what="a second list")
        before = len(follower.changes)
    assert len(follower.changes) == before
    assert follower.store.get(ref_of(addresses(namespace))) is not None
