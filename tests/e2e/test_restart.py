"""When the control plane goes and comes back: Envoy serves on, and is sent what it lacks."""

from collections.abc import Callable

import pytest

from tests.e2e.world import World, loadbalancer
from xds.app.bootstrap import Api
from xds.app.demo.backends import Backend
from xds.app.demo.certificates import Authority
from xds.app.demo.client import Traffic
from xds.snapshot.types import CLUSTER, LISTENER

pytestmark = pytest.mark.envoy
FreePort = Callable[..., int]


async def test_envoy_serves_through_a_restart(played: World, api: Api, free_port: FreePort) -> None:
    """No connection is lost while the control plane restarts, and in delta nothing is sent that Envoy has."""
    authority, port = Authority("ca"), free_port()
    async with Backend("web", identity=authority.issue("web")) as backend:
        name = played.resource_name("web", backend.port)
        await played.put_ca("backend-ca", authority.pem)
        since = await played.put(
            "web", loadbalancer("web", port, backend.port, policy="Verify", ca="backend-ca")
        )
        await played.served(name, since=since)
        async with Traffic(port, per_second=100) as traffic:
            await traffic.since(since, count=20)
            await played.stop_control_plane()
            streams = len(played.updates.streams)
            stopped, _ = played.updates.pushes[-1]
            await played.start_control_plane()
            await played.updates.streams.until(
                lambda: len(played.updates.streams) > streams, within=15, what="Envoy's new stream"
            )
            since = await played.put("later", loadbalancer("later", free_port(), backend.port))
            await played.served(played.resource_name("later", backend.port), since=since)
            await traffic.since(since, count=20)
        assert traffic.lost == []
        if api == "delta":
            again = [
                push for moment, push in played.updates.pushes if moment > stopped and name in push.changed
            ]
            assert again == []
        assert await played.rejected() == {}


async def test_what_went_while_nobody_served_is_removed(played: World, free_port: FreePort) -> None:
    """A LoadBalancer deleted while the control plane was away leaves Envoy when it is back."""
    async with Backend("web") as backend:
        name = played.resource_name("web", backend.port)
        since = await played.put("web", loadbalancer("web", free_port(), backend.port))
        await played.served(name, since=since)
        await played.stop_control_plane()
        since = await played.remove("web")
        await played.start_control_plane()
        await played.updates.acked_any(LISTENER, since=since)
        await played.updates.acked_any(CLUSTER, since=since)
        assert name not in await played.envoy.admin.listeners()
        assert name not in await played.envoy.admin.hosts()
