"""Rules 1, 3, 4, 10, 32 and 33 as a real gRPC client sees them: those that the state machines alone cannot keep."""

import asyncio

import grpc
import pytest

from tests.support.recording import RecordingObserver
from tests.support.resources import cluster, endpoints, listener
from tests.support.xds_client import BOUND, XdsClient, names_of
from xds.messages import Listener
from xds.snapshot import SnapshotCache
from xds.snapshot.types import CLUSTER, ENDPOINT, LISTENER

PER_TYPE = "/envoy.service.cluster.v3.ClusterDiscoveryService/{}Clusters"


@pytest.fixture(autouse=True)
def _resources(cache: SnapshotCache) -> None:
    cache.update("tenant-a", [cluster("a"), endpoints("a"), listener("a")])


async def test_rule_01_the_node_of_the_first_message_is_remembered(
    port: int, observer: RecordingObserver, *, delta: bool
) -> None:
    """A node that stands in the first message only is the stream's node for all that follows."""
    async with XdsClient(port, delta=delta) as client:
        await client.subscribe(CLUSTER)
        await client.ack(await client.receive())
        await client.subscribe(LISTENER)  # without a node
        assert (await client.receive()).type_url == LISTENER
    heard = await observer.wait_for(lambda heard: heard.what == "closed")
    assert (heard.stream.node, heard.stream.tenant) == ("test-envoy", "tenant-a")


async def test_rule_01_another_node_later_on_changes_nothing(
    port: int, cache: SnapshotCache, *, delta: bool
) -> None:
    """A node in a later message does not move the stream to another tenant."""
    cache.update("tenant-b", [listener("b")])
    async with XdsClient(port, delta=delta) as client:
        await client.subscribe(CLUSTER)
        await client.ack(await client.receive())
        await client.send(type_url=LISTENER, node={"id": "test-envoy", "cluster": "tenant-b"})
        response = await client.receive()
        (resource,) = response.resources
        packed = resource.resource if delta else resource
        assert Listener.FromString(packed.value).name == "a"


async def test_rule_01_a_first_message_without_a_node_is_invalid(port: int, *, delta: bool) -> None:
    """Without a node nobody knows whose configuration it is, and the status says so."""
    async with XdsClient(port, delta=delta, node={}) as client:
        await client.subscribe(CLUSTER)
        code, details = await client.status()
    assert code == grpc.StatusCode.INVALID_ARGUMENT
    assert "node" in details


async def test_rule_03_what_breaks_the_rules_of_types_is_invalid(port: int, *, delta: bool) -> None:
    """No type on ADS, and another type than its own on a per-type stream, are INVALID_ARGUMENT with the reason."""
    per_type = PER_TYPE.format("Delta" if delta else "Stream")
    for method, type_url, reason in ((None, "", "type_url is empty"), (per_type, LISTENER, "carries")):
        async with XdsClient(port, delta=delta, method=method) as client:
            await client.subscribe(type_url)
            code, details = await client.status()
        assert code == grpc.StatusCode.INVALID_ARGUMENT
        assert reason in details


async def test_rule_03_what_a_per_type_stream_leaves_out_is_heard_as_its_type(
    port: int, observer: RecordingObserver, *, delta: bool
) -> None:
    """An ACK without a type URL on a stream of clusters is heard as one of clusters."""
    method = PER_TYPE.format("Delta" if delta else "Stream")
    async with XdsClient(port, delta=delta, method=method) as client:
        await client.subscribe("")
        response = await client.receive()
        await client.send(response_nonce=response.nonce)
        heard = await observer.wait_for(
            lambda heard: heard.what == "answered" and heard.detail[1].kind == "ack"
        )
    assert heard.detail[0] == CLUSTER


async def test_rule_10_the_control_plane_names_itself(port: int, *, delta: bool) -> None:
    """Every response of every type carries the server's identifier."""
    async with XdsClient(port, delta=delta) as client:
        for type_url, wanted in ((CLUSTER, ()), (ENDPOINT, ("a",)), (LISTENER, ())):
            await client.subscribe(type_url, wanted)
            response = await client.receive()
            assert (response.type_url, response.control_plane.identifier) == (type_url, "under-test")
            await client.ack(response, wanted)


async def test_rule_32_a_client_that_takes_ttls_gets_neither_ttl_nor_heartbeat(port: int) -> None:
    """Even to a client that advertises support for TTLs no resource has one, and nothing is sent to keep it alive."""
    node = {
        "id": "test-envoy",
        "cluster": "tenant-a",
        "client_features": ["xds.config.supports-resource-ttl"],
    }
    async with XdsClient(port, delta=True, node={}) as client:
        await client.send(type_url=CLUSTER, node=node)
        response = await client.receive()
        await client.ack(response)
        assert not any(resource.HasField("ttl") for resource in response.resources)
        await client.subscribe(LISTENER)
        # Whatever comes besides the listeners would be a heartbeat.
        assert (await client.receive()).type_url == LISTENER


async def test_rule_33_a_reconnect_that_lists_very_much_is_answered(port: int) -> None:
    """A first message of 31 MiB is read, where gRPC's own limit is 4 MiB, and answered with what is gone."""
    held = {f"{number:05}{'n' * 1995}": "1" for number in range(31 * 1024 * 1024 // 2016)}
    async with asyncio.timeout(2 * BOUND), XdsClient(port, delta=True) as client:
        await client.subscribe(CLUSTER, have=held | {"a": cluster("a").version})
        response = await client.receive()
    assert set(response.removed_resources) == set(held)
    assert names_of(response) == []
