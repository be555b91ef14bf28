"""How the connection between Envoy and the control plane is kept: it ends when it is old, and never because of pings."""

import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.e2e.sources import TENANT, Files
from tests.e2e.world import LOOPBACK, loadbalancer, world
from tests.support.recording import RecordingObserver
from tests.support.workbench import RunEnvoy, run_envoy
from xds.app.address import HostPort
from xds.app.bootstrap import KEEPALIVE_SECONDS, Api, Bootstrap
from xds.app.demo.backends import Backend
from xds.app.demo.client import Conversation, Traffic
from xds.server import ServerOptions, XdsServer
from xds.snapshot import SnapshotCache
from xds.snapshot.types import CLUSTER, ENDPOINT, LISTENER

__all__ = ["run_envoy"]

pytestmark = pytest.mark.envoy
FreePort = Callable[..., int]


async def test_an_old_connection_is_exchanged(
    tmp_path: Path,
    api: Api,
    free_port: FreePort,
    envoy_binary: Path,  # noqa: ARG001 — fail early
) -> None:
    """Envoy connects anew again and again; every change arrives, the traffic notices nothing, and what Envoy has is not sent again."""
    port = free_port()
    async with (
        world(
            tmp_path, api, free_port(), Files(tmp_path), connection_age=0.5, connection_age_grace=0.2
        ) as played,
        Backend("web") as backend,
    ):
        streams, pushes = played.updates.streams, played.updates.pushes
        since = await played.put("web", loadbalancer("web", port, backend.port))
        await played.served(played.resource_name("web", backend.port), since=since)
        async with Traffic(port, per_second=50) as traffic, Conversation(port) as conversation:
            for number in range(3):
                seen = len(streams)
                since = await played.put(
                    f"lb-{number}", loadbalancer(f"lb-{number}", free_port(), backend.port)
                )
                await played.served(played.resource_name(f"lb-{number}", backend.port), since=since)
                await streams.until(lambda: len(streams) > seen, within=5, what="a new stream")  # noqa: B023
            quiet = time.monotonic()
            seen = len(streams)
            await streams.until(lambda: len(streams) >= seen + 2, within=10, what="two more streams")
            await traffic.since(quiet, count=20)
            assert await conversation.goes_on()
        assert traffic.lost == []
        assert await played.rejected() == {}
        # In state of the world the first request for endpoints is always answered (rule 19).
        again = {push.type_url for moment, push in pushes if moment > quiet and push.changed}
        assert again <= (set() if api == "delta" else {ENDPOINT})
        assert len(await played.envoy.admin.listeners()) == 4


async def test_pings_are_welcome(run_envoy: RunEnvoy) -> None:
    """An Envoy that pings as often as it may stays connected; one that pings more often is hung up on, by gRPC's own rule."""
    cache = SnapshotCache((CLUSTER, ENDPOINT, LISTENER))
    cache.update(TENANT)
    welcome, too_often = RecordingObserver(), RecordingObserver()
    async with AsyncExitStack() as stack:
        for observer, interval in ((welcome, 0.05), (too_often, ServerOptions().ping_interval)):
            options = ServerOptions(ping_interval=interval, drain=0.1)
            server = XdsServer(cache, observer=observer, options=options)
            stack.push_async_callback(server.stop)
            address = HostPort(LOOPBACK, await server.start(f"{LOOPBACK}:0"))
            text = Bootstrap(tenant=TENANT, xds_address=address, node_id="envoy").yaml()
            often = text.replace(f"interval: {KEEPALIVE_SECONDS}s", "interval: 0.1s")
            assert often != text
            await run_envoy(often)
        await too_often.wait_for(lambda heard: heard.what == "opened" and heard.stream.stream == 3, bound=20)
        assert [heard.what for heard in welcome.heard if heard.what in ("opened", "closed")] == ["opened"]
