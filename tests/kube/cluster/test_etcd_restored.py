"""etcd is put back to an older state: its versions go back, and the store goes with it."""

from pathlib import Path

import pytest

from tests.kube.cluster.following import (
    API_VERSION,
    BOUND,
    addresses,
    following,
    loadbalancer,
    ref_of,
    secret,
)
from tests.support.fault_proxy import FaultProxy
from tests.support.kube_api import ApiServer
from tests.support.kube_client import ApiClient, RefusedError
from xds.app.demo.waiting import poll

_NOISE = 400
"""Writes that take the versions past those that were seen before the restore."""


async def _remembers(admin: ApiClient, kind: str) -> None:
    """Have the API server begin its watch cache of a kind: later versions are not too old for a watch."""

    async def listed() -> bool:
        try:
            return bool(await admin.list(API_VERSION, kind))
        except RefusedError:  # 429: storage is (re)initializing
            return False

    await poll(listed, bool, within=BOUND, what=f"a list of {kind}")


@pytest.mark.parametrize("noise", [0, _NOISE], ids=["few writes", "many writes"])
async def test_the_store_follows_to_the_older_state(
    own_api_server: ApiServer, tmp_path: Path, noise: int
) -> None:
    """What came after the snapshot goes, what was deleted comes back, what changed is as it was, and changes after that arrive.

    It makes no difference whether the versions have overtaken by then what was seen before.
    """
    async with (
        own_api_server.client() as admin,
        FaultProxy(own_api_server.url, own_api_server.authority) as proxy,
    ):
        tenant, other = await own_api_server.namespace(), await own_api_server.namespace()
        deleted, again = loadbalancer(tenant, "deleted"), loadbalancer(tenant, "again", ca="again")
        then = [
            *(loadbalancer(tenant, ca="ca"), secret(tenant), addresses(tenant), deleted),
            *(again, secret(tenant, "again")),
        ]
        for document in then:
            await admin.apply(document)
        snapshot = await own_api_server.snapshot()
        async with following(own_api_server.kubeconfig(tmp_path, server=proxy.url), tenant) as follower:
            await follower.synced()
            created = [loadbalancer(tenant, "created", ca="created"), secret(tenant, "created")]
            changed = [
                *(loadbalancer(tenant, ca="ca", port=20002), secret(tenant, content="two")),
                *(addresses(tenant, ip="10.0.0.2"), secret(tenant, "again", "two")),
            ]
            for document in (*created, *changed):
                await admin.apply(document)
            await admin.delete(deleted)
            # A Secret that is named once more is fetched: all versions up to a high one are known of it.
            await admin.apply(loadbalancer(tenant, "again"))
            await follower.lacks(ref_of(secret(tenant, "again")))
            await admin.apply(again)
            await follower.has(*created, *changed)
            await follower.lacks(ref_of(deleted))
            seen, before = int(await admin.resource_version()), len(follower.changes)

            if noise:
                proxy.refuse()
            else:
                proxy.hang()  # no attempt fails: only the versions tell
            await own_api_server.restore(snapshot)
            for kind in ("LoadBalancer", "Addresses"):
                await _remembers(admin, kind)
            await admin.create_all([secret(other, f"noise-{number}") for number in range(noise)])
            assert (int(await admin.resource_version()) > seen) == bool(noise)
            if noise:
                await proxy.accept()
            else:
                proxy.heal()
            await follower.has(*then)
            await follower.lacks(*map(ref_of, created))
            went_back = [status.failures.get("went_back", 0) for status in follower.source.informers]
            assert went_back == [0 if noise else 1] * 3

            await admin.apply(loadbalancer(tenant, ca="ca", port=20003))
            await admin.apply(secret(tenant, content="three"))
            await follower.has(loadbalancer(tenant, ca="ca", port=20003), secret(tenant, content="three"))
            gone = {change.ref for change in follower.changes[before:] if change.new is None}
            assert gone == set(map(ref_of, created))
