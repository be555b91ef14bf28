"""Waiting until every Envoy has ACKed, over real streams: who has, who refused, who did not answer."""

import asyncio
from typing import Any

import pytest

from tests.support.recording import RecordingObserver
from tests.support.xds_client import BOUND, XdsClient
from xds import CLUSTER, ENDPOINT, LISTENER, InvalidResourceError, SnapshotCache, Standing, XdsServer
from xds.messages import Cluster, ClusterLoadAssignment, Listener

TENANT = "tenant-a"
LONG = 30.0
"""Seconds that are never waited for where everybody answers."""
SHORT = 0.2
"""Seconds that are waited in vain."""


def cluster(name: str, seconds: int = 1) -> Any:
    """Return a cluster whose content is a number."""
    return Cluster(name=name, connect_timeout={"seconds": seconds})


async def settled(client: XdsClient) -> None:
    """Subscribe to all clusters, and ACK them."""
    await client.subscribe(CLUSTER)
    await client.ack(await client.receive())


async def test_it_returns_when_everybody_has_acked(
    port: int, cache: SnapshotCache, server: XdsServer, delta: bool
) -> None:
    """The wait ends with the last ACK, and the report names everybody."""
    cache.set(TENANT, [cluster("a")])
    async with XdsClient(port, delta=delta) as one, XdsClient(port, delta=delta) as two:
        await settled(one)
        await settled(two)
        assert await server.delivered(TENANT, envoys=2, timeout=LONG)
        cache.update(TENANT, [cluster("a", 2)])
        waiting = asyncio.create_task(server.delivered(TENANT, timeout=LONG))
        await one.ack(await one.receive())
        response = await two.receive()
        assert not waiting.done()
        await two.ack(response)
        async with asyncio.timeout(BOUND):
            report = await waiting
    assert report
    assert [envoy.node for envoy in report.acked] == ["test-envoy", "test-envoy"]


async def test_of_two_envoys_with_one_node_id_the_one_that_refuses_is_heard(
    port: int, cache: SnapshotCache, server: XdsServer, delta: bool
) -> None:
    """The other's ACK does not hide the NACK, which ends the wait with its text."""
    cache.set(TENANT, [cluster("a")])
    async with XdsClient(port, delta=delta) as one, XdsClient(port, delta=delta) as two:
        await settled(one)
        await settled(two)
        cache.update(TENANT, [cluster("a", 2)])
        await one.nack(await one.receive(), "a: out of fashion")
        await two.ack(await two.receive())
        async with asyncio.timeout(BOUND):
            report = await server.delivered(TENANT, envoys=2, timeout=LONG)
        assert not report
        assert [(it.node, it.type_url, it.name, it.text) for it in report.refused] == [
            ("test-envoy", CLUSTER, "a", "a: out of fashion")
        ]
        assert (len(report.acked), report.waiting) == (1, ())
        standings = sorted(envoy.standing(CLUSTER, "a") for envoy in server.delivery.envoys(TENANT))
        assert standings == [Standing.ACKED, Standing.REFUSED]


async def test_who_does_not_answer_in_time_is_told(
    port: int, cache: SnapshotCache, server: XdsServer, delta: bool
) -> None:
    """At the end of the time the report says for what nobody answered."""
    cache.set(TENANT, [cluster("a"), cluster("b")])
    async with XdsClient(port, delta=delta) as client:
        await settled(client)
        cache.update(TENANT, [cluster("b", 2)])
        await client.receive()
        report = await server.delivered(TENANT, timeout=SHORT)
    (waiting,) = report.waiting
    assert (waiting.envoy.node, waiting.unanswered) == ("test-envoy", ((CLUSTER, "b"),))
    assert "test-envoy has not answered for CDS b" in str(report)


async def test_given_resources_are_waited_for_alone(
    port: int, cache: SnapshotCache, server: XdsServer, delta: bool
) -> None:
    """What else is on its way to an Envoy does not count."""
    cache.set(TENANT, [cluster("a"), ClusterLoadAssignment(cluster_name="a")])
    async with XdsClient(port, delta=delta) as client:
        await settled(client)
        await client.subscribe(ENDPOINT, ["a"])
        await client.receive()
        assert await server.delivered(TENANT, [(CLUSTER, "a")], timeout=LONG)
        assert not await server.delivered(TENANT, [(ENDPOINT, "a")], timeout=SHORT)


async def test_what_goes_ends_the_wait_for_it(port: int, cache: SnapshotCache, server: XdsServer) -> None:
    """State of the world has no way to tell that endpoints are gone: nobody waits for an ACK of that."""
    cache.set(TENANT, [ClusterLoadAssignment(cluster_name="a")])
    async with XdsClient(port, delta=False) as client:
        await client.subscribe(ENDPOINT, ["a"])
        await client.receive()
        waiting = asyncio.create_task(server.delivered(TENANT, [(ENDPOINT, "a")], timeout=LONG))
        await asyncio.wait([waiting], timeout=0)
        assert not waiting.done()
        cache.update(TENANT, removals=[(ENDPOINT, "a")])
        async with asyncio.timeout(BOUND):
            assert await waiting


async def test_separate_streams_are_one_envoy(
    port: int, cache: SnapshotCache, server: XdsServer, delta: bool
) -> None:
    """Clusters on one stream and listeners on another, of one connection: both have to be ACKed."""
    cache.set(TENANT, [cluster("a"), Listener(name="l")])
    variant = "Delta" if delta else "Stream"
    clusters = f"/envoy.service.cluster.v3.ClusterDiscoveryService/{variant}Clusters"
    listeners = f"/envoy.service.listener.v3.ListenerDiscoveryService/{variant}Listeners"
    async with XdsClient(port, delta=delta, method=clusters) as client:
        await client.subscribe(CLUSTER)
        await client.ack(await client.receive())
        waiting = asyncio.create_task(server.delivered(TENANT, envoys=1, timeout=LONG))
        async with client.beside(listeners) as other:
            await other.subscribe(LISTENER)
            response = await other.receive()
            assert not waiting.done()
            await other.ack(response)
            async with asyncio.timeout(BOUND):
                report = await waiting
    (envoy,) = report.acked
    assert (envoy.types, len(envoy.streams)) == ((CLUSTER, LISTENER), 2)


async def test_an_envoy_that_leaves_keeps_nobody_waiting(
    port: int, cache: SnapshotCache, server: XdsServer, delta: bool
) -> None:
    """When the only one that did not answer is gone, the wait is over."""
    cache.set(TENANT, [cluster("a")])
    async with XdsClient(port, delta=delta) as client:
        await client.subscribe(CLUSTER)
        await client.receive()
        waiting = asyncio.create_task(server.delivered(TENANT, timeout=LONG))
        await asyncio.wait([waiting], timeout=0)
        assert not waiting.done()
    async with asyncio.timeout(BOUND):
        report = await waiting
    assert report
    assert report.acked == ()


async def test_a_wait_that_is_cancelled_leaves_nothing_behind(
    port: int, cache: SnapshotCache, server: XdsServer, observer: RecordingObserver
) -> None:
    """Nobody watches the tenant after the one who waited has gone."""
    cache.set(TENANT, [cluster("a")])
    assert port
    waiting = asyncio.create_task(server.delivered(TENANT, envoys=1, timeout=LONG))
    await asyncio.wait([waiting], timeout=0)
    assert cache.watched(TENANT)
    waiting.cancel()
    await asyncio.wait([waiting])
    assert not cache.watched(TENANT)
    assert observer.heard == []


async def test_a_tenant_that_is_not_served_is_no_place_to_wait(
    cache: SnapshotCache, server: XdsServer
) -> None:
    """A tenant that was never set, or is cleared, has nothing that could be ACKed."""
    cache.set(TENANT, [cluster("a")])
    cache.clear(TENANT)
    for tenant in (TENANT, "nobody"):
        with pytest.raises(LookupError, match=f"tenant '{tenant}' has no snapshot"):
            await server.delivered(tenant, timeout=LONG)


async def test_what_is_waited_for_is_named_by_type_and_name(cache: SnapshotCache, server: XdsServer) -> None:
    """A bare name is refused, with what to write instead."""
    cache.set(TENANT, [cluster("a")])
    with pytest.raises(InvalidResourceError, match=r"'a' names no resource: write \(type URL, name\)"):
        await server.delivered(TENANT, ["a"], timeout=LONG)  # type: ignore[list-item]


async def test_each_nack_is_told_with_its_time(
    port: int, cache: SnapshotCache, server: XdsServer, observer: RecordingObserver, delta: bool
) -> None:
    """The moment of a NACK is a time of day in UTC."""
    cache.set(TENANT, [cluster("a")])
    async with XdsClient(port, delta=delta) as client:
        await client.subscribe(CLUSTER)
        await client.nack(await client.receive(), "a: no")
        await observer.wait_for(lambda heard: heard.what == "answered" and heard.detail[1].kind == "nack")
        (envoy,) = server.delivery.envoys(TENANT)
        (refusal,) = envoy.refusals
    offset = refusal.at.utcoffset()
    assert offset is not None
    assert not offset
