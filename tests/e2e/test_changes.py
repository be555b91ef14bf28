"""What a change of the objects does to Envoy and to the traffic through it, and what it leaves alone."""

import asyncio
import time
from collections.abc import Callable

import pytest

from tests.e2e.world import World, loadbalancer
from xds.app.demo.backends import Backend, BlackHole
from xds.app.demo.certificates import Authority
from xds.app.demo.client import Outcome, ask
from xds.snapshot.types import CLUSTER, ENDPOINT, LISTENER

pytestmark = pytest.mark.envoy
FreePort = Callable[..., int]


async def test_ten_changes_in_a_second_arrive_as_the_newest_state(played: World, free_port: FreePort) -> None:
    """Of ten states within a second Envoy ends with the last one, and refuses nothing on the way."""
    port = free_port()
    async with Backend("first") as first, Backend("last") as last:
        since = await played.put("web", loadbalancer("web", port, first.port))
        await played.served(played.resource_name("web", first.port), since=since)
        changes = [free_port() for _ in range(9)] + [last.port]
        for backend_port in changes:
            since = await played.put("web", loadbalancer("web", port, backend_port))
            await asyncio.sleep(0.09)  # ten changes spread over a second are what this is about
        await played.served(played.resource_name("web", last.port), since=since)
        assert (await ask(port)).outcome is Outcome.REPLY
        assert last.received
        dump = await played.envoy.admin.config_dump()
        assert set(dump.listeners) == {played.resource_name("web", last.port)}
        assert played.updates.refused == []
        assert await played.rejected() == {}


async def test_a_black_hole_delays_no_rotation(played: World, free_port: FreePort) -> None:
    """A CA rotated while another LoadBalancer's backend lets every connection hang is ACKed within a second."""
    old, new = Authority("old"), Authority("new")
    ports = free_port(), free_port()
    with BlackHole("hole") as hole:
        async with Backend("web", identity=old.issue("web")) as backend:
            name = played.resource_name("web", backend.port)
            await played.put_ca("backend-ca", old.pem)
            since = await played.put(
                "web", loadbalancer("web", ports[0], backend.port, policy="Verify", ca="backend-ca")
            )
            await played.served(name, since=since)
            assert (await ask(ports[0])).outcome is Outcome.REPLY

            # From here on Envoy has a cluster that warms for 5 s, and withholds its ACK of that update.
            since = await played.put("hole", loadbalancer("hole", ports[1], hole.port))
            await played.updates.pushed_since(CLUSTER, played.resource_name("hole", hole.port), since=since)
            backend.present(new.issue("web"))
            since = await played.put_ca("backend-ca", new.pem)
            answer = await played.updates.acked(ENDPOINT, name, since=since)
            assert answer.moment - since < 1
            while (attempt := await ask(ports[0])).outcome is not Outcome.REPLY:
                assert attempt.ended - since < 1
            assert attempt.ended - since < 1


async def test_one_malformed_ca_hides_nobody_else(played: World, free_port: FreePort) -> None:
    """While one LoadBalancer has a CA that Envoy would refuse, the changes of nine others are ACKed and no NACK happens."""
    authority = Authority("ca")
    async with Backend("web", identity=authority.issue("web")) as backend:
        names = [f"web-{number}" for number in range(10)]
        broken, fine = names[0], names[1:]
        ports = {name: free_port() for name in names}
        for name in names:
            await played.put_ca(f"{name}-ca", authority.pem)
            since = await played.put(
                name, loadbalancer(name, ports[name], backend.port, policy="Verify", ca=f"{name}-ca")
            )
        await played.served(*(played.resource_name(name, backend.port) for name in names), since=0)

        since = time.monotonic()
        await played.put_ca(f"{broken}-ca", authority.pem[:-30])
        for name in fine:
            await played.put_ca(f"{name}-ca", authority.pem + Authority(name).pem)
        for name in fine:
            await played.updates.acked(CLUSTER, played.resource_name(name, backend.port), since=since)
        await played.updates.acked(CLUSTER, played.resource_name(broken, backend.port), since=since)
        for name in fine:
            assert (await ask(ports[name])).outcome is Outcome.REPLY
        assert (await ask(ports[broken])).cut
        assert played.updates.refused == []
        assert await played.rejected() == {}


async def test_a_port_that_moves_is_taken_over_at_once(played: World, free_port: FreePort) -> None:
    """A listener port that goes from one LoadBalancer to another is in one update, which Envoy takes."""
    port = free_port()
    async with Backend("old") as old, Backend("new") as new:
        since = await played.put("lbs", loadbalancer("old", port, old.port))
        await played.served(played.resource_name("old", old.port), since=since)
        since = await played.put("lbs", loadbalancer("new", port, new.port))
        await played.served(played.resource_name("new", new.port), since=since)
        assert (await ask(port)).outcome is Outcome.REPLY
        assert new.received
        assert await played.rejected() == {}


async def test_what_is_deleted_is_gone_from_envoy(played: World, free_port: FreePort) -> None:
    """When the LoadBalancer goes, so do listener, cluster and assignment, in that order."""
    port = free_port()
    async with Backend("web") as backend:
        name = played.resource_name("web", backend.port)
        since = await played.put("web", loadbalancer("web", port, backend.port))
        await played.served(name, since=since)
        since = await played.remove("web")
        await played.updates.acked_removal(CLUSTER, name, since=since)
        removed = [
            answer.type_url
            for answer in played.updates.answers
            if answer.moment >= since and name in answer.removed
        ]
        assert removed[:2] == [LISTENER, CLUSTER]
        dump = await played.envoy.admin.config_dump()
        assert name not in dump.listeners
        assert name not in dump.clusters
        assert (await ask(port)).outcome is Outcome.REFUSED
