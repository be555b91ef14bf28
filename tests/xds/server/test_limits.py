"""What happens to a client that wants more than it may have: a status with the limit's name, and nothing to the others."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any

import grpc
import pytest
import structlog

from tests.support.recording import Heard, RecordingObserver
from tests.support.resources import cluster
from tests.support.xds_client import XdsClient, names_of
from tests.xds.server.conftest import Serve
from xds.server import Limits, XdsServer, limits
from xds.snapshot import SnapshotCache
from xds.snapshot.types import CLUSTER, ENDPOINT, LISTENER

MEBIBYTE = 1024 * 1024


def _node(node: str = "test-envoy", tenant: str = "tenant-a") -> dict[str, str]:
    return {"id": node, "cluster": tenant}


@pytest.fixture(autouse=True)
def _one_cluster(cache: SnapshotCache) -> None:
    cache.update("tenant-a", [cluster("a")])
    cache.update("tenant-b", [cluster("b")])


async def _is_served(client: XdsClient) -> bool:
    await client.subscribe(CLUSTER)
    response = await client.receive()
    await client.ack(response)
    return bool(response.type_url == CLUSTER)


async def _is_refused(client: XdsClient, *words: str) -> None:
    code, details = await client.status()
    assert code == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert all(word in details for word in words), details


async def _ended(observer: RecordingObserver) -> Heard:
    return await observer.wait_for(
        lambda heard: heard.what == "closed" and heard.detail.status == "RESOURCE_EXHAUSTED"
    )


async def test_streams_in_all(serve: Serve, observer: RecordingObserver, *, delta: bool) -> None:
    """One stream more than the server takes is refused, the log knows whose it was, and the others are served."""
    port = await serve(limits=Limits(max_streams=2))
    async with XdsClient(port, delta=delta) as first, XdsClient(port, delta=delta) as second:
        assert await _is_served(first)
        assert await _is_served(second)
        async with XdsClient(port, delta=delta, node=_node("envoy-3", "tenant-b")) as third:
            await third.subscribe(CLUSTER)
            await _is_refused(third, "max_streams is 2")
        ended = await _ended(observer)
        assert (ended.stream.node, ended.stream.tenant) == ("envoy-3", "tenant-b")
        assert ended.detail.type_url == CLUSTER
        await first.subscribe(LISTENER)
        assert (await first.receive()).type_url == LISTENER


async def test_a_stream_that_ends_makes_room(serve: Serve, observer: RecordingObserver) -> None:
    """The limit is of streams that are open: after one is closed another is served."""
    port = await serve(limits=Limits(max_streams=1, max_node_streams=1))
    for number in range(3):
        async with XdsClient(port, delta=True) as client:
            assert await _is_served(client)
        await observer.wait_for(lambda heard: heard.what == "closed" and heard.stream.stream == number + 1)  # noqa: B023


async def test_silent_streams_over_the_limit_are_turned_away(
    serve: Serve, observer: RecordingObserver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stream without a place has a moment to say whose it is; and when many have it already, no time at all."""
    monkeypatch.setattr(limits, "_TURNED_AWAY_AT_ONCE", 1)
    monkeypatch.setattr(limits, "_PATIENCE", 0.3)
    port = await serve(limits=Limits(max_streams=1))
    async with XdsClient(port, delta=True) as seated:
        assert await _is_served(seated)
        async with XdsClient(port, delta=True) as silent:
            await silent.call.initial_metadata()  # the server knows the stream
            async with XdsClient(port, delta=True) as one_too_many:
                await _is_refused(one_too_many, "max_streams is 1")
            await _is_refused(silent, "max_streams is 1")
        ends = [heard.stream.stream for heard in observer.heard if heard.what == "closed"]
        assert ends == [3, 2]


async def test_streams_of_a_node(serve: Serve, observer: RecordingObserver, *, delta: bool) -> None:
    """A node has so many streams and no more; its namesake of another tenant and other nodes have their own."""
    port = await serve(limits=Limits(max_node_streams=2))
    async with AsyncExitStack() as stack:

        async def connected(node: dict[str, str]) -> XdsClient:
            return await stack.enter_async_context(XdsClient(port, delta=delta, node=node))

        for node in (_node(), _node(), _node("other"), _node(tenant="tenant-b")):
            assert await _is_served(await connected(node))
        third = await connected(_node())
        await third.subscribe(ENDPOINT, ["a"])
        await _is_refused(third, "node 'test-envoy'", "max_node_streams is 2")
        ended = await _ended(observer)
        assert (ended.stream.node, ended.stream.tenant) == ("test-envoy", "tenant-a")
        assert ended.detail.type_url == ENDPOINT


async def test_names_of_a_request(serve: Serve, *, delta: bool) -> None:
    """A request that names more than one stream may is refused before it is looked through."""
    port = await serve(limits=Limits(max_names=3))
    async with XdsClient(port, delta=delta) as client:
        await client.subscribe(ENDPOINT, ["a", "b", "c"])
        await client.subscribe(ENDPOINT, ["a", "b", "c", "d"])
        await _is_refused(client, "4 names", "max_names is 3")


async def test_names_of_a_delta_stream(serve: Serve, cache: SnapshotCache) -> None:
    """Names add up over requests and types, and those that are unsubscribed from count no more."""
    port = await serve(limits=Limits(max_names=3))
    async with XdsClient(port, delta=True) as client:
        await client.subscribe(ENDPOINT, ["a", "b"])
        await client.subscribe(CLUSTER, ["a"])
        await client.send(type_url=ENDPOINT, resource_names_subscribe=["c"], resource_names_unsubscribe=["a"])
        cache.update("tenant-a", [cluster("a", 2)])
        while (response := await client.receive()).type_url != CLUSTER:
            pass
        assert names_of(response) == ["a"]
        await client.send(type_url=CLUSTER, resource_names_subscribe=["b"])
        await _is_refused(client, "4 names", "max_names is 3")


async def test_names_that_a_client_says_it_holds(serve: Serve) -> None:
    """What a delta client lists as held counts over all types of its stream."""
    port = await serve(limits=Limits(max_names=3))
    async with XdsClient(port, delta=True) as client:
        await client.subscribe(CLUSTER, have={"a": "1", "b": "1"})
        assert names_of(await client.receive()) == ["a"]
        await client.subscribe(LISTENER, have={"a": "1", "b": "1"})
        await _is_refused(client, "4 names", "max_names is 3")


async def test_types_of_a_stream(serve: Serve, *, delta: bool) -> None:
    """A stream carries a hundred types, known or not, and no more."""
    port = await serve()
    async with XdsClient(port, delta=delta) as client:
        for number in range(101):
            await client.subscribe(f"type.googleapis.com/example.Type{number}")
        await _is_refused(client, "more than 100 types")


@pytest.mark.parametrize(
    "fields",
    [{"names": ["a", "b" * 2049]}, {"type_url": "b" * 2049}],
    ids=lambda fields: next(iter(fields)),
)
async def test_length_of_a_name(serve: Serve, fields: dict[str, Any], *, delta: bool) -> None:
    """A name that is longer than any real one is refused, and its text is not repeated."""
    port = await serve()
    async with XdsClient(port, delta=delta) as client:
        await client.subscribe(**{"type_url": ENDPOINT} | fields)
        await _is_refused(client, "a name of 2049 characters")
        assert "bbb" not in (await client.status())[1]


def _held(size: int) -> dict[str, str]:
    """Return initial resource versions that take about this many bytes, with names of a length that is allowed."""
    return {f"{number:05}{'n' * 1995}": "1" for number in range(size // 2016)}


async def test_a_request_of_31_mebibytes(serve: Serve, cache: SnapshotCache) -> None:
    """A reconnect that lists all but 32 MiB of resources is answered (rule 33): what is gone is removed."""
    port = await serve()
    cache.update("tenant-a", [], [(CLUSTER, "a")])
    held = _held(31 * MEBIBYTE)
    async with XdsClient(port, delta=True) as client:
        await client.subscribe(CLUSTER, have=held)
        assert len((await client.receive()).removed_resources) == len(held)
        await client.subscribe(LISTENER, have=_held(2 * MEBIBYTE))
        await _is_refused(client, "initial_resource_versions of more than 33554432 bytes")


async def test_a_request_of_33_mebibytes(serve: Serve, observer: RecordingObserver) -> None:
    """A request over 32 MiB ends its own stream, by gRPC itself, and no other."""
    port = await serve()
    async with XdsClient(port, delta=True) as good, XdsClient(port, delta=True) as bad:
        assert await _is_served(good)
        await bad.subscribe(CLUSTER, have=_held(33 * MEBIBYTE))
        await _is_refused(bad, "larger than max")
        await observer.wait_for(lambda heard: heard.what == "closed")
        await good.subscribe(LISTENER)
        assert (await good.receive()).type_url == LISTENER


async def test_a_refusal_is_one_line_of_log(cache: SnapshotCache) -> None:
    """The log says which node's stream ended, of which type it asked, with which status, and why."""
    with structlog.testing.capture_logs() as lines:
        server = XdsServer(cache)
        port = await server.start("127.0.0.1:0")
        async with XdsClient(port, delta=True, node=_node("envoy-1")) as client:
            await client.subscribe(ENDPOINT, ["a" * 3000])
            await _is_refused(client)
        await server.stop()
    (line,) = [line for line in lines if line["log_level"] == "warning"]
    assert line.pop("peer").startswith("ipv4:127.0.0.1:")
    assert line == {
        "event": "stream ended",
        "log_level": "warning",
        "node": "envoy-1",
        "tenant": "tenant-a",
        "type": "EDS",
        "status": "RESOURCE_EXHAUSTED",
        "reason": "a name of 3000 characters: the longest that is kept has 2048",
    }


async def test_a_long_refusal_is_a_line_of_log_that_can_be_read(cache: SnapshotCache) -> None:
    """A NACK may say anything at any length; the log has the beginning of it."""
    with structlog.testing.capture_logs() as lines:
        server = XdsServer(cache)
        port = await server.start("127.0.0.1:0")
        async with XdsClient(port, delta=True) as client:
            await client.subscribe(CLUSTER)
            await client.nack(await client.receive(), "no " * 1_000_000)
            await client.call.done_writing()
            await client.status()
        await server.stop()
    (line,) = [line for line in lines if line["event"] == "NACK"]
    assert line["error"] == ("no " * 1_000_000)[:8192]
    assert line["held"] == ("a",)


@pytest.mark.parametrize(
    ("node", "words"),
    [
        (_node("a\nb"), ["node.id", r"'a\nb'"]),
        (_node("a", "b\x1b[31m"), ["node.cluster", "printable"]),
        (_node("a" * 1025), ["node.id", "1024"]),
    ],
    ids=["line end", "escape", "long"],
)
async def test_a_node_that_would_spoil_the_log(
    serve: Serve, node: dict[str, str], words: Sequence[str], *, delta: bool
) -> None:
    """A node's names are short and printable, or the stream ends with INVALID_ARGUMENT."""
    port = await serve()
    async with XdsClient(port, delta=delta, node=node) as client:
        await client.subscribe(CLUSTER)
        code, details = await client.status()
    assert code == grpc.StatusCode.INVALID_ARGUMENT
    assert all(word in details for word in words)
