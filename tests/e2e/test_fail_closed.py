"""When the CA goes away under traffic: nothing passes any more, and no byte ever leaves in the clear."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.sources import Source
from tests.e2e.world import World, loadbalancer, world
from xds.app.bootstrap import Api
from xds.app.demo.backends import Backend
from xds.app.demo.certificates import Authority
from xds.app.demo.client import Outcome, Traffic, ask
from xds.app.demo.recorder import Recorder
from xds.snapshot.types import CLUSTER, ENDPOINT

pytestmark = pytest.mark.envoy
FreePort = Callable[..., int]


async def test_a_secret_deleted_under_traffic_lets_nothing_pass(played: World, free_port: FreePort) -> None:
    """From the push on no new connection passes, the wire never sees anything but TLS, and the Secret's return heals it."""
    authority, port = Authority("ca"), free_port()
    async with (
        Backend("web", identity=authority.issue("web")) as backend,
        Recorder("web", backend.port) as recorder,
    ):
        name = played.resource_name("web", recorder.port)
        await played.put_ca("backend-ca", authority.pem)
        since = await played.put(
            "web", loadbalancer("web", port, recorder.port, policy="Verify", ca="backend-ca")
        )
        await played.served(name, since=since)
        assert (await ask(port)).outcome is Outcome.REPLY
        async with Traffic(port, per_second=100) as traffic:
            await traffic.since(since, count=20)
            removed = await played.remove("backend-ca")
            # The endpoints' ACK comes second, and the cluster without them is then in force.
            await played.updates.acked(CLUSTER, name, since=removed)
            closed = (await played.updates.acked(ENDPOINT, name, since=removed)).moment
            refused = await traffic.since(closed, count=50)
            assert {attempt.outcome for attempt in refused} <= {Outcome.RESET, Outcome.CLOSED}

            since = await played.put_ca("backend-ca", authority.pem)
            await played.updates.acked(CLUSTER, name, since=since)
            healed = (await played.updates.acked(ENDPOINT, name, since=since)).moment
            while (await ask(port)).outcome is not Outcome.REPLY:
                assert asyncio.get_running_loop().time() - healed < 5
        assert recorder.in_the_clear == []
        assert all(
            one.to_backend.content_types[0] == 0x16 for one in recorder.recordings if one.to_backend.size
        )
        assert await played.rejected() == {}


async def test_a_secret_replaced_at_once_disturbs_nothing(
    tmp_path: Path, source: Source, api: Api, free_port: FreePort
) -> None:
    """A Secret deleted and created again 100 ms later costs the traffic nothing, and Envoy hears of nothing."""
    authority, port = Authority("ca"), free_port()
    # The linger time is ten times the default: a busy machine may make more than half a second of the 100 ms.
    async with (
        source(tmp_path) as objects,
        world(tmp_path, api, free_port(), objects, linger=5) as played,
        Backend("web", identity=authority.issue("web")) as backend,
    ):
        name = played.resource_name("web", backend.port)
        await played.put_ca("backend-ca", authority.pem)
        since = await played.put(
            "web", loadbalancer("web", port, backend.port, policy="Verify", ca="backend-ca")
        )
        await played.served(name, since=since)
        async with Traffic(port, per_second=100) as traffic:
            await traffic.since(since, count=20)
            removed = await played.remove("backend-ca")
            await played.lingering(something=True)
            await traffic.since(removed, count=10)  # a hundred a second: 100 ms
            await played.put_ca("backend-ca", authority.pem)
            await played.lingering(something=False)
            # A change that follows shows that the control plane has pushed whatever it was to push.
            marker = await played.put("marker", loadbalancer("marker", free_port(), backend.port))
            await played.served(played.resource_name("marker", backend.port), since=marker)
            await traffic.since(marker, count=10)
        assert traffic.lost == []
        heard = [each for each in played.updates.answers if each.moment >= removed and name in each.changed]
        assert heard == []
