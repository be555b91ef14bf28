"""When the API server goes away under traffic: what was served last is served on, and what happens when it is back arrives."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import aiohttp

from tests.e2e.sources import api_objects
from tests.e2e.world import LOOPBACK, World, loadbalancer, world
from tests.support.kube_api import ApiServer
from xds.admin.ops import OpsServer
from xds.app.demo.backends import Backend
from xds.app.demo.certificates import Authority
from xds.app.demo.client import Conversation, Traffic
from xds.snapshot.types import CLUSTER

FreePort = Callable[..., int]
OUTAGE = 30
"""Seconds: longer than the pauses between the attempts to reconnect, which end at 10."""
BACK_WITHIN = 30.0
"""Seconds within which everything has connected anew: twice the longest pause, and a machine that is busy."""


class Web(NamedTuple):
    """A world with a LoadBalancer over TLS and traffic through it; ``name`` is its cluster's, ``ca`` what its Secret has."""

    played: World
    name: str
    ca: Authority
    backend: Backend
    traffic: Traffic
    conversation: Conversation

    async def goes_on(self) -> None:
        """Wait until new connections were answered and the old one has gone on."""
        await self.traffic.since(time.monotonic(), count=20)
        assert await self.conversation.goes_on()


@asynccontextmanager
async def web(server: ApiServer, directory: Path, free_port: FreePort) -> AsyncIterator[Web]:
    """Run a control plane and an Envoy in a namespace of their own; no connection may be lost until the end."""
    directory.mkdir()
    ca, port = Authority("ca"), free_port()
    async with (
        api_objects(server, directory) as objects,
        world(directory, "delta", free_port(), objects) as played,
        Backend("web", identity=ca.issue("web")) as backend,
    ):
        name = played.resource_name("web", backend.port)
        await played.put_ca("backend-ca", ca.pem)
        manifest = loadbalancer("web", port, backend.port, policy="Verify", ca="backend-ca")
        since = await played.put("web", manifest)
        await played.served(name, since=since)
        async with Traffic(port, per_second=50) as traffic, Conversation(port) as conversation:
            built = Web(played, name, ca, backend, traffic, conversation)
            await built.goes_on()
            yield built
        assert traffic.lost == []
        assert await played.rejected() == {}


async def readiness(played: World) -> tuple[int, str]:
    """Return what the running control plane's `/readyz` answers."""
    ops = OpsServer(registry=played.control_plane.registry, unready=played.control_plane.unready)
    try:
        url = f"http://{LOOPBACK}:{await ops.start(f'{LOOPBACK}:0')}/readyz"
        async with aiohttp.request("GET", url) as answer:
            return answer.status, await answer.text()
    finally:
        await ops.stop()


async def test_half_a_minute_without_an_api_server(
    own_api_server: ApiServer,
    tmp_path: Path,
    free_port: FreePort,
    envoy_binary: Path,  # noqa: ARG001 — fail early
) -> None:
    """No connection is lost, and none where the control plane is restarted meanwhile; all goes on by itself when it is back.

    Who has synced stays ready; who has not is not, and answers nobody. Both are in one outage, for that takes its time.
    """
    async with (
        web(own_api_server, tmp_path / "stays", free_port) as stays,
        web(own_api_server, tmp_path / "restarts", free_port) as restarts,
    ):
        staying, restarting = stays.played, restarts.played
        await own_api_server.kill()
        killed = time.monotonic()
        pushes = len(staying.updates.pushes), len(restarting.updates.pushes)

        await restarting.stop_control_plane()
        streams = len(restarting.updates.streams)
        await restarting.start_control_plane()
        await restarting.updates.streams.until(
            lambda: len(restarting.updates.streams) > streams, within=15, what="Envoy's new stream"
        )
        while time.monotonic() - killed < OUTAGE:
            await stays.goes_on()
            assert await readiness(staying) == (200, "ready\n")
            await restarts.goes_on()
            status, text = await readiness(restarting)
            assert status == 503
            assert str(own_api_server.port) in text
            missing = [line.partition(":")[0] for line in text.splitlines()]
            assert missing == ["Addresses", "LoadBalancer", "Secret"]
        assert all(informer.error for informer in staying.control_plane.source.informers)
        assert (len(staying.updates.pushes), len(restarting.updates.pushes)) == pushes
        await own_api_server.start_again()

        # Who stayed: a change arrives.
        new = Authority("new")
        since = await staying.put_ca("backend-ca", stays.ca.pem + new.pem)
        await staying.updates.acked(CLUSTER, stays.name, since=since, within=BACK_WITHIN)
        await staying.in_force(stays.name, since=since)
        await stays.goes_on()
        stays.backend.present(new.issue("web"))
        await stays.goes_on()
        told = [each for _, push in staying.updates.pushes[pushes[0] :] for each in push.changed]
        assert told == [stays.name, stays.name]  # its cluster, its endpoints

        # Who was restarted: all is as it was, and Envoy is sent only what is new.
        since = await restarting.put("later", loadbalancer("later", free_port(), restarts.backend.port))
        later = restarting.resource_name("later", restarts.backend.port)
        await restarting.updates.acked(CLUSTER, later, since=since, within=BACK_WITHIN)
        await restarting.served(later, since=since)
        assert await readiness(restarting) == (200, "ready\n")
        await restarts.goes_on()
        told = [each for _, push in restarting.updates.pushes[pushes[1] :] for each in push.changed]
        assert set(told) == {later}
