from pathlib import Path

import pytest

from kube.controllers.allocation import wants_of
from kube.controllers.ports import candidates
from tests.kube.controllers.allocating import allocator, configmap, publish, reference, stored
from tests.kube.controllers.port_things import document
from tests.support.kube_api import ApiServer
from tests.support.kube_client import ApiClient

NAMES = [f"web-{number}" for number in range(40)]


@pytest.mark.parametrize("lost", ["nothing", "ledger", "statuses", "ledger and statuses"])
async def test_ports_survive_what_is_lost(
    api_server: ApiServer, admin: ApiClient, namespace: str, tmp_path: Path, lost: str
) -> None:
    """A program that starts anew gives the same ports, whatever the cluster has lost: without any record, but for collisions.

    With nothing lost it writes nothing.
    """
    kubeconfig = api_server.kubeconfig(tmp_path)
    await admin.create_all([document(name, "https:443", "dns:53/UDP", tenant=namespace) for name in NAMES])
    async with allocator(kubeconfig) as before:
        told = await before.controller.allocate(namespace, await stored(admin, namespace))
        await publish(admin, namespace, told)
    if "ledger" in lost:
        await admin.delete(configmap(namespace))
    if "statuses" in lost:
        for name in NAMES:
            await admin.patch(reference(namespace, name), {"status": None}, subresource="status")
    version = await admin.resource_version("v1", "ConfigMap", namespace)
    lbs = await stored(admin, namespace)
    async with allocator(kubeconfig) as after:
        again = await after.controller.allocate(namespace, lbs)
    if lost == "nothing":
        assert await admin.resource_version("v1", "ConfigMap", namespace) == version
    first = [next(candidates(namespace, key)) for lb in lbs.values() for key in wants_of(lb).recorded]
    if lost != "ledger and statuses" or len({*first}) == len(first):
        assert again == told


async def test_kubelbs_records_are_kept(
    api_server: ApiServer, admin: ApiClient, namespace: str, tmp_path: Path
) -> None:
    """What KubeLB's own manager recorded is taken over, also by who starts beside new LoadBalancers; of two with one port the lower name keeps it."""
    recorded = {"kubelb-a": 20001, "kubelb-b": 20002, "kubelb-c": 20001}
    await admin.create_all(
        [document(name, "https:443", tenant=namespace) for name in [*recorded, "a-new-one"]]
    )
    for name, port in recorded.items():
        ports = [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": port, "nodePort": 30001}]
        change = {"status": {"service": {"ports": ports}}}
        await admin.patch(reference(namespace, name), change, subresource="status")
    async with allocator(api_server.kubeconfig(tmp_path)) as leader:
        told = await leader.ports(namespace, *(await stored(admin, namespace)).values())
    assert told["kubelb-a"] == [20001]
    assert told["kubelb-b"] == [20002]
    assert len({*told["kubelb-c"], *told["a-new-one"], 20001, 20002}) == 4
