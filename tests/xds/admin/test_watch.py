"""What happens on the streams, live; and that one who watches and does not read costs nobody anything."""

import asyncio
from typing import Any

import grpc
import pytest

from tests.support.admin_client import Admin
from tests.support.resources import cluster, listener
from tests.support.xds_client import BOUND, XdsClient
from xds.admin import watching
from xds.app.demo.waiting import poll
from xds.messages import debug_pb2 as pb
from xds.protocol import Response
from xds.server import End, StreamInfo
from xds.snapshot import Resource
from xds.snapshot.types import CLUSTER, LISTENER

REFUSAL = "Error adding/updating cluster(s) a: no such thing"


def plain(name: str, content: int = 1) -> Resource:
    """Return a cluster that waits for no endpoints."""
    return cluster(name, content, eds=False)


async def watch(admin: Admin, **fields: Any) -> Any:
    """Begin to watch: what happens from now on is told."""
    call = admin.debug.watch(pb.WatchRequest(**fields))
    await asyncio.wait_for(call.initial_metadata(), BOUND)
    return call


async def read(call: Any) -> pb.Event:
    """Return the next event, within the bound."""
    event = await asyncio.wait_for(call.read(), BOUND)
    assert isinstance(event, pb.Event)
    return event


async def pushed_and_answered(call: Any) -> tuple[pb.Event, pb.Event]:
    """Return the next push and its answer: in this order, however quick the client is."""
    return await read(call), await read(call)


async def test_a_watch_hears_of_open_push_ack_nack_and_close(admin: Admin, delta: bool) -> None:
    """Each event has its moment, whose stream it is, and what it is about."""
    call = await watch(admin)
    admin.cache.set("tenant-a", [plain("a")])
    async with XdsClient(admin.xds, delta=delta) as client:
        await client.subscribe(CLUSTER)
        opened = await read(call)
        assert (opened.tenant, opened.node, opened.opened.known) == ("tenant-a", "test-envoy", True)
        assert opened.opened.delta == delta
        assert opened.HasField("at")
        await client.ack(await client.receive())
        push, ack = await pushed_and_answered(call)
        assert (push.type_url, list(push.push.changed)) == (CLUSTER, ["a"])
        assert (ack.ack.version, ack.ack.nonce) == (push.push.version, push.push.nonce)
        admin.cache.update("tenant-a", [plain("a", 2)])
        await client.nack(await client.receive(), REFUSAL)
        _, nack = await pushed_and_answered(call)
        assert (nack.nack.text, list(nack.nack.held)) == (REFUSAL, ["a"])
        assert nack.stream == opened.stream
    while not (closed := await read(call)).HasField("closed"):
        pass
    assert closed.closed.reason
    call.cancel()


async def test_a_watch_hears_what_it_asks_for(admin: Admin) -> None:
    """Of another tenant, another node and another type nothing is told."""
    call = await watch(admin, tenant="tenant-a", node="test-envoy", types=["LDS"])
    admin.cache.set("tenant-a", [plain("a"), listener("l")])
    admin.cache.set("tenant-b", [listener("l")])
    async with (
        XdsClient(admin.xds, delta=True, node={"id": "other", "cluster": "tenant-b"}) as other,
        XdsClient(admin.xds, delta=True) as client,
    ):
        await other.subscribe(LISTENER)
        await other.receive()
        await client.subscribe(CLUSTER)
        await client.ack(await client.receive())
        await client.subscribe(LISTENER)
        await client.receive()
        assert (await read(call)).HasField("opened")
        push = await read(call)
        assert (push.tenant, push.type_url) == ("tenant-a", LISTENER)
    call.cancel()


async def test_a_watch_that_never_reads_costs_nobody_anything(
    admin: Admin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its queue ends at its bound, every Envoy and every other watch goes on, and it is told how much it missed."""
    monkeypatch.setattr(watching, "MOST_EVENTS", 50)
    changes = 2000
    options = [("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 4096)]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{admin.admin}", options=options) as channel:
        asleep = channel.unary_stream(
            "/kubelb.xds.debug.v1.DebugService/Watch",
            request_serializer=pb.WatchRequest.SerializeToString,
            response_deserializer=pb.Event.FromString,
        )(pb.WatchRequest())
        await asyncio.wait_for(asleep.initial_metadata(), BOUND)
        awake = await watch(admin)
        admin.cache.set("tenant-a", [plain("a")])
        heard = 0
        async with XdsClient(admin.xds, delta=True) as client:
            await client.subscribe(CLUSTER)
            for number in range(2, changes):
                await client.ack(await client.receive())
                admin.cache.update("tenant-a", [plain("a" * 500, number)])
                # The other watch reads on, and misses nothing.
                event = await read(awake)
                heard += 1
                assert not event.HasField("missed")
            assert max(len(it._events) for it in admin.watching._watchers) <= 52
            events = [await read(asleep)]
            while not events[-1].HasField("missed"):
                events.append(await read(asleep))
            assert events[-1].missed.events > 0
            assert len(events) < heard
        asleep.cancel()
        awake.cancel()


async def test_who_left_is_forgotten(admin: Admin) -> None:
    """A watch that is cancelled has no queue any more."""
    call = await watch(admin)
    (watcher,) = admin.watching._watchers
    call.cancel()

    async def forgotten() -> bool:
        return watcher not in admin.watching._watchers

    assert await poll(forgotten, bool, within=BOUND, what="the watcher's end")


async def test_there_are_only_so_many_watches(admin: Admin, monkeypatch: pytest.MonkeyPatch) -> None:
    """One more than may be is refused, and told so; the others go on."""
    monkeypatch.setattr(watching, "MOST_WATCHERS", 1)
    first = await watch(admin)
    second = admin.debug.watch(pb.WatchRequest())
    with pytest.raises(grpc.aio.AioRpcError, match="end one of them") as error:
        await read(second)
    assert error.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    first.cancel()


async def test_a_watch_ends_with_the_server(admin: Admin) -> None:
    """A server that stops says so, instead of waiting for who watches."""
    call = await watch(admin)
    admin.watching.close()
    with pytest.raises(grpc.aio.AioRpcError, match="the server stops") as error:
        await read(call)
    assert error.value.code() is grpc.StatusCode.UNAVAILABLE


def test_without_watchers_nothing_is_encoded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody watching is no work but a look."""
    monkeypatch.setattr(watching, "Event", None)
    hub = watching.Watching()
    stream = StreamInfo(1, "ipv4:10.0.0.1:1", delta=True)
    hub.opened(stream, known=True)
    hub.pushed(stream, Response(CLUSTER, "1", "v", (), (), (), delta=True), 0.0)
    hub.closed(stream, End("OK", "client closed the stream"))
