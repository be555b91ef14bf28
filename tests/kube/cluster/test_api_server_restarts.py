"""The API server goes and comes again, on the same etcd: nothing is lost, and nothing goes that is there."""

import asyncio
from dataclasses import replace
from pathlib import Path

from tests.kube.cluster.following import QUICK, addresses, following, loadbalancer, ref_of, secret
from tests.kube.cluster.waits import all_failing, all_well, told
from tests.support.kube_api import ApiServer

_SHORT_SILENCE = replace(QUICK, silence=2.0)


async def test_an_api_server_that_is_killed_or_paused(own_api_server: ApiServer, tmp_path: Path) -> None:
    """After a kill and a pause the store has what was changed right before and after, and nothing went in between but what was deleted."""
    async with own_api_server.client() as admin:
        tenant = await own_api_server.namespace()
        stays = [loadbalancer(tenant, ca="ca"), secret(tenant), addresses(tenant)]
        goes = [loadbalancer(tenant, "before"), loadbalancer(tenant, "after")]
        for document in (*stays, *goes):
            await admin.apply(document)
        async with following(own_api_server.kubeconfig(tmp_path), tenant, timing=_SHORT_SILENCE) as follower:
            await follower.synced()

            before = [secret(tenant, content="two"), addresses(tenant, ip="10.0.0.2")]
            for document in before:
                await admin.apply(document)
            await admin.delete(goes[0])
            await own_api_server.kill()
            await all_failing(follower)
            assert follower.store.synced
            await own_api_server.start_again()
            await admin.delete(goes[1])
            after = loadbalancer(tenant, ca="ca", port=20002)
            await admin.apply(after)
            await follower.has(*before, after)
            await follower.lacks(*map(ref_of, goes))

            last = [loadbalancer(tenant, ca="ca", port=20003), secret(tenant, content="three")]
            own_api_server.pause()
            applied = [asyncio.create_task(admin.apply(document)) for document in last]
            await told(follower, lambda: any(status.error for status in follower.source.informers), "silence")
            own_api_server.resume()
            await asyncio.gather(*applied)
            await follower.has(*last)
            await all_well(follower)
            gone = {change.ref for change in follower.changes if change.new is None}
            assert gone == set(map(ref_of, goes))
