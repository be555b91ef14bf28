"""What a real gRPC client sees of a stream, from its first request to its end."""

import asyncio

import grpc
import pytest

from tests.support.recording import RecordingObserver
from tests.support.xds_client import XdsClient, names_of
from xds.messages import Cluster, ClusterLoadAssignment
from xds.server import AddressError, End, XdsServer
from xds.server.stream import Stream
from xds.snapshot import Resource, SnapshotCache
from xds.snapshot.types import CLUSTER, ENDPOINT, LISTENER, ROUTE


def _cluster(name: str, seconds: int = 5) -> Resource:
    return Resource.of(name, Cluster(name=name, type="EDS", connect_timeout={"seconds": seconds}))


def _endpoints(name: str) -> Resource:
    return Resource.of(name, ClusterLoadAssignment(cluster_name=name))


async def test_sotw_sends_every_cluster_with_version_nonce_and_identifier(
    port: int, cache: SnapshotCache
) -> None:
    """A wildcard request for clusters is answered with all of them, a version, a nonce and the server's name."""
    cache.update("tenant-a", [_cluster("a"), _cluster("b")])
    async with XdsClient(port, delta=False) as client:
        await client.subscribe(CLUSTER)
        response = await client.receive()
    assert response.type_url == CLUSTER
    assert [Cluster.FromString(packed.value).name for packed in response.resources] == ["a", "b"]
    assert {packed.type_url for packed in response.resources} == {CLUSTER}
    assert response.version_info
    assert response.nonce
    assert response.control_plane.identifier == "under-test"


async def test_delta_sends_what_changed_and_nothing_else(port: int, cache: SnapshotCache) -> None:
    """After the first response a delta stream carries only what is new and the names of what is gone."""
    cache.update("tenant-a", [_cluster("a"), _cluster("b")])
    async with XdsClient(port, delta=True) as client:
        await client.subscribe(CLUSTER)
        first = await client.receive()
        assert names_of(first) == ["a", "b"]
        assert first.control_plane.identifier == "under-test"
        await client.ack(first)
        cache.update("tenant-a", [_cluster("b", seconds=6)], [(CLUSTER, "a")])
        second = await client.receive()
    assert names_of(second) == ["b"]
    assert list(second.removed_resources) == ["a"]


@pytest.mark.parametrize("delta", [False, True], ids=["sotw", "delta"])
async def test_every_service_answers_with_its_type(port: int, cache: SnapshotCache, delta: bool) -> None:
    """A per-type service takes an empty type URL for its own type."""
    cache.update("tenant-a", [_cluster("a"), _endpoints("a")])
    variant = "Delta" if delta else "Stream"
    for service, suffix, type_url, names in (
        ("cluster.v3.ClusterDiscoveryService", "Clusters", CLUSTER, []),
        ("endpoint.v3.EndpointDiscoveryService", "Endpoints", ENDPOINT, ["a"]),
        ("listener.v3.ListenerDiscoveryService", "Listeners", LISTENER, []),
    ):
        method = f"/envoy.service.{service}/{variant}{suffix}"
        async with XdsClient(port, delta=delta, method=method) as client:
            await client.subscribe("", names)
            assert (await client.receive()).type_url == type_url


async def test_a_tenant_sees_its_own_resources_only(port: int, cache: SnapshotCache) -> None:
    """What is sent depends on the node's cluster."""
    cache.update("tenant-a", [_cluster("a")])
    cache.update("tenant-b", [_cluster("b")])
    async with XdsClient(port, delta=True, node={"id": "x", "cluster": "tenant-b"}) as client:
        await client.subscribe(CLUSTER)
        assert names_of(await client.receive()) == ["b"]


async def test_a_node_without_cluster_is_a_tenant_by_its_id(port: int, cache: SnapshotCache) -> None:
    """Where node.cluster is empty, node.id names the tenant."""
    cache.update("tenant-a", [_cluster("a")])
    async with XdsClient(port, delta=True, node={"id": "tenant-a"}) as client:
        await client.subscribe(CLUSTER)
        assert names_of(await client.receive()) == ["a"]


async def test_a_tenant_that_comes_later_is_served_then(
    port: int, cache: SnapshotCache, observer: RecordingObserver
) -> None:
    """A stream of a tenant without a snapshot waits in silence, and is answered when there is one."""
    async with XdsClient(port, delta=True) as client:
        await client.subscribe(CLUSTER)
        opened = await observer.wait_for(lambda heard: heard.what == "opened")
        assert opened.detail is False
        cache.update("tenant-a", [_cluster("a")])
        assert names_of(await client.receive()) == ["a"]


async def test_unknown_types_are_held_open(port: int, cache: SnapshotCache) -> None:
    """A type that the snapshot does not know gets no answer, and ends nothing."""
    cache.update("tenant-a", [_cluster("a")])
    async with XdsClient(port, delta=True) as client:
        await client.subscribe(ROUTE)
        await client.subscribe("type.googleapis.com/example.Nothing")
        await client.subscribe(CLUSTER)
        assert (await client.receive()).type_url == CLUSTER


@pytest.mark.parametrize("delta", [False, True], ids=["sotw", "delta"])
async def test_acks_and_nacks_are_heard(
    port: int,
    cache: SnapshotCache,
    observer: RecordingObserver,
    delta: bool,
) -> None:
    """An observer hears each push, its ACK, and a NACK with the client's words."""
    cache.update("tenant-a", [_cluster("a")])
    async with XdsClient(port, delta=delta) as client:
        await client.subscribe(CLUSTER)
        await client.ack(await client.receive())
        ack = await observer.wait_for(
            lambda heard: heard.what == "answered" and heard.detail[1].kind == "ack"
        )
        assert ack.stream.node == "test-envoy"
        assert ack.detail[1].push.response.changed == ("a",)
        cache.update("tenant-a", [_cluster("a", seconds=6)])
        await client.nack(await client.receive(), "Error adding/updating cluster(s) a: no")
        nack = await observer.wait_for(
            lambda heard: heard.what == "answered" and heard.detail[1].kind == "nack"
        )
    assert nack.detail[1].error == "Error adding/updating cluster(s) a: no"
    assert nack.detail[1].held == ("a",)


async def test_a_request_that_is_no_message_ends_its_own_stream(port: int, cache: SnapshotCache) -> None:
    """Bytes that do not parse are INVALID_ARGUMENT with a reason, and another stream goes on."""
    cache.update("tenant-a", [_cluster("a")])
    async with XdsClient(port, delta=True) as good, XdsClient(port, delta=True) as bad:
        await bad.send_bytes(b"\xff\xff\xff")
        code, details = await bad.status()
        assert code == grpc.StatusCode.INVALID_ARGUMENT
        assert "3 bytes that are no DeltaDiscoveryRequest" in details
        await good.subscribe(CLUSTER)
        assert names_of(await good.receive()) == ["a"]


async def test_a_first_request_without_a_node_is_refused(port: int) -> None:
    """Without a node nobody knows whose configuration it is: INVALID_ARGUMENT says so."""
    async with XdsClient(port, delta=False, node={}) as client:
        await client.subscribe(CLUSTER)
        code, details = await client.status()
    assert code == grpc.StatusCode.INVALID_ARGUMENT
    assert "node" in details


async def test_an_aggregated_stream_needs_a_type(port: int, cache: SnapshotCache) -> None:
    """An empty type URL on ADS is INVALID_ARGUMENT."""
    cache.update("tenant-a", [_cluster("a")])
    async with XdsClient(port, delta=False) as client:
        await client.subscribe("")
        code, details = await client.status()
    assert code == grpc.StatusCode.INVALID_ARGUMENT
    assert "type_url" in details


async def test_stop_ends_idle_streams_at_once(
    server: XdsServer, port: int, cache: SnapshotCache, observer: RecordingObserver
) -> None:
    """Stopping tells the streams first, so that an idle one does not use up the drain time."""
    cache.update("tenant-a", [_cluster("a")])
    async with XdsClient(port, delta=True) as client:
        await client.subscribe(CLUSTER)
        await client.receive()
        async with asyncio.timeout(1.5):  # less than the drain time of 2 s
            await server.stop()
        code, _ = await client.status()
    assert code == grpc.StatusCode.OK
    closed = await observer.wait_for(lambda heard: heard.what == "closed")
    assert closed.detail == End("OK", "server stops")


async def test_a_port_in_use_is_named(port: int, cache: SnapshotCache) -> None:
    """A second server on the same port is refused, with the address and the system's reason."""
    with pytest.raises(AddressError, match=rf"cannot listen on 127\.0\.0\.1:{port}: Address already in use"):
        await XdsServer(cache).start(f"127.0.0.1:{port}")


async def test_a_client_that_leaves_is_forgotten(
    port: int, cache: SnapshotCache, observer: RecordingObserver
) -> None:
    """A stream ends when its client vanishes, and nobody watches the tenant for it any more."""
    cache.update("tenant-a", [_cluster("a")])
    async with XdsClient(port, delta=True) as client:
        await client.subscribe(CLUSTER)
        await client.receive()
    await observer.wait_for(lambda heard: heard.what == "closed")
    assert not cache.watched("tenant-a")


async def test_an_idle_stream_has_no_timer(
    port: int, cache: SnapshotCache, monkeypatch: pytest.MonkeyPatch, *, delta: bool
) -> None:
    """A stream that is served to the end, and one whose client owes an ACK while nothing is due, wait for events alone."""
    sleeps: list[float | None] = []
    sleep = Stream._sleep

    async def watched(self: Stream, until: float | None) -> None:
        sleeps.append(until)
        await sleep(self, until)

    monkeypatch.setattr(Stream, "_sleep", watched)
    cache.update("tenant-a", [_cluster("a"), _endpoints("a")])
    async with XdsClient(port, delta=delta) as client:
        for type_url, names in ((CLUSTER, []), (ENDPOINT, ["a"]), (LISTENER, [])):
            await client.subscribe(type_url, names)
            await client.ack(await client.receive(), names)
        cache.update("tenant-a", [_cluster("b")])
        await client.receive()
    assert len(sleeps) >= 4
    assert set(sleeps) == {None}
