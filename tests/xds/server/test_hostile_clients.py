"""Clients that do what no Envoy would: each costs the others nothing, and the server a bounded amount."""

import asyncio
import gc
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

import grpc
import pytest

from tests.support.complaints import complaints
from tests.support.resources import cluster
from tests.support.xds_client import BOUND, XdsClient, names_of
from tests.xds.server.relay import Relay
from xds.messages import Cluster, DeltaDiscoveryRequest, DiscoveryRequest
from xds.protocol import Outcome, Response, Timing
from xds.server import End, Observer, ServerOptions, StreamInfo, XdsServer, pace, stream
from xds.server.pace import Pace
from xds.snapshot import Resource, SnapshotCache
from xds.snapshot.types import CLUSTER, ENDPOINT

MANY = 10
"""Hostile clients at once in each test, each with a connection of its own."""
UPDATES = 50
"""Changes that a client beside them is served meanwhile."""
WINDOW = 65535
"""Bytes that HTTP/2 lets a server send to a client that reads nothing, unless that says otherwise (RFC 9113, 6.9.2)."""
BALLAST = [
    Resource.of(f"ballast-{number}", Cluster(name=f"ballast-{number}", alt_stat_name="b" * 2 * WINDOW))
    for number in range(2)
]
"""So much that a response with it does not fit into the window nor into gRPC's buffers."""

Act = Callable[[XdsClient], Awaitable[Any]]


class Tally(Observer):
    """An observer that counts, and keeps nothing of what it counts."""

    def __init__(self) -> None:
        self.opened_by: Counter[str] = Counter()
        self.requests: Counter[str] = Counter()
        self.pushes: Counter[str] = Counter()
        self.ends: list[tuple[str, End]] = []
        self._changed = asyncio.Event()

    def opened(self, stream: StreamInfo, *, known: bool) -> None:
        """Count a stream by its node."""
        assert known
        self.opened_by[stream.node] += 1
        self._changed.set()

    def pushed(self, stream: StreamInfo, response: Response, seconds: float) -> None:  # noqa: ARG002
        """Count a push."""
        self.pushes[stream.node] += 1
        self._changed.set()

    def answered(self, stream: StreamInfo, type_url: str, outcome: Outcome, seconds: float) -> None:  # noqa: ARG002
        """Count a request."""
        self.requests[stream.node] += 1
        self._changed.set()

    def closed(self, stream: StreamInfo, end: End) -> None:
        """Keep how a stream ended."""
        self.ends.append((stream.node, end))
        self._changed.set()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until this holds, within the bound."""
        async with asyncio.timeout(BOUND):
            while not holds():
                self._changed.clear()
                await self._changed.wait()

    def of_the_bad(self, counter: Counter[str]) -> list[int]:
        """Return what was counted of each hostile client."""
        return [counter[f"bad-{number}"] for number in range(MANY)]

    async def all_bad(self, counter: Counter[str], least: int = 1) -> None:
        """Wait until so much was counted of each hostile client."""
        await self.until(lambda: min(self.of_the_bad(counter)) >= least)


class World:
    """A server, its cache, a good client, and hostile ones beside it."""

    def __init__(self, cache: SnapshotCache, **options: Any) -> None:
        self.cache = cache
        self.tally = Tally()
        self.server = XdsServer(cache, observer=self.tally, options=ServerOptions(**options))
        self.port = 0
        self._news = 0
        self._good: XdsClient

    @asynccontextmanager
    async def running(self) -> AsyncIterator["World"]:
        """Serve, with a good client connected that has what there is."""
        self.cache.update("tenant-a", [cluster("news", 0), *BALLAST])
        self.port = await self.server.start("127.0.0.1:0")
        node = {"id": "good", "cluster": "tenant-a"}
        try:
            async with XdsClient(self.port, delta=True, node=node) as self._good:
                await self._good.subscribe(CLUSTER)
                await self._good.ack(await self._good.receive())
                yield self
        finally:
            await self.server.stop()

    @property
    def newest(self) -> str:
        """The version of the cluster that changes."""
        snapshot = self.cache.get("tenant-a")
        assert snapshot is not None
        clusters = snapshot.get(CLUSTER)
        assert clusters is not None
        news = clusters.get("news")
        assert news is not None
        return news.version

    async def serves(self, updates: int = UPDATES) -> None:
        """Change the snapshot again and again: each change reaches the good client by itself, within the bound."""
        for _ in range(updates):
            self._news += 1
            news = cluster("news", self._news)
            self.cache.update("tenant-a", [news])
            response = await self._good.receive()
            assert [resource.version for resource in response.resources] == [news.version]
            await self._good.ack(response)

    @asynccontextmanager
    async def hostile(
        self, *, delta: bool, port: int = 0, window: int | None = None, act: Act | None = None
    ) -> AsyncIterator[list[XdsClient]]:
        """Connect hostile clients that are subscribed to clusters, and have each `act` all the while."""
        async with AsyncExitStack() as stack:
            clients = []
            for number in range(MANY):
                node = {"id": f"bad-{number}", "cluster": "tenant-a"}
                client = XdsClient(port or self.port, delta=delta, node=node, window=window)
                clients.append(await stack.enter_async_context(client))
                await client.subscribe(CLUSTER)
            await self.tally.all_bad(self.tally.requests)
            acting = [asyncio.ensure_future(act(client)) for client in clients] if act else []
            try:
                yield clients
            finally:
                for client, task in zip(clients, acting, strict=False):
                    client.call.cancel()
                    task.cancel()
                await asyncio.gather(*acting, return_exceptions=True)

    async def forgets(self, streams: int = MANY) -> None:
        """Wait until so many streams have ended, and see that nothing is left of them: no task, no place, no watch."""
        await self.tally.until(lambda: len(self.tally.ends) == streams)
        server = self.server
        async with asyncio.timeout(BOUND):
            while (  # noqa: ASYNC110 — some turns of the loop, in which cancelled tasks end
                sum(task.get_name().startswith("xDS stream") for task in asyncio.all_tasks()) > 1
                or len(server._streams) > 1
                or server._admission._open > 1
            ):
                await asyncio.sleep(0)
        await self.serves(1)


@pytest.fixture
async def world(cache: SnapshotCache) -> AsyncIterator[World]:
    """Yield a running world."""
    async with World(cache).running() as world:
        yield world


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Nothing that a client does makes gRPC or asyncio complain of us."""
    yield
    assert complaints(caplog) == []


def _alive() -> int:
    """Return how many states of the cluster that changes are kept in memory."""
    return len(
        {each.version for each in gc.get_objects() if isinstance(each, Resource) and each.name == "news"}
    )


async def test_one_that_never_reads(world: World, *, delta: bool) -> None:
    """It blocks its own writer; nothing is queued for it, and when it reads at last it gets the newest state."""
    async with world.hostile(delta=delta, window=WINDOW) as clients:
        await world.serves()
        assert world.tally.of_the_bad(world.tally.pushes) == [0] * MANY
        assert _alive() <= UPDATES / 5  # what the stuck responses hold, the newest, and what is on its way
        for client in clients:
            assert len((await client.receive()).resources) == 1 + len(BALLAST)
            newest = await client.receive()
            if delta:
                assert names_of(newest) == ["news"]
                assert newest.resources[0].version == world.newest
            else:
                assert len(newest.resources) == 1 + len(BALLAST)
        await world.tally.all_bad(world.tally.pushes, least=2)
        assert world.tally.of_the_bad(world.tally.pushes) == [2] * MANY
    await world.forgets()


async def test_a_stuck_stream_ends_with_the_server(cache: SnapshotCache, *, delta: bool) -> None:
    """A client that does not read keeps the server from stopping for the drain time, and no longer."""
    async with (
        World(cache, drain=0.2).running() as world,
        world.hostile(delta=delta, window=WINDOW) as clients,
    ):
        for client in clients[::2]:
            await client.send_bytes(b"\xff")
        await world.tally.until(lambda: len(world.tally.ends) == MANY / 2)
        async with asyncio.timeout(BOUND):
            await world.server.stop()
        await world.tally.until(lambda: len(world.tally.ends) == MANY + 1)
        assert {end for _, end in world.tally.ends[MANY // 2 :]} == {End("OK", "server stops")}
        assert not world.cache.watched("tenant-a")


async def test_a_stuck_stream_ends_when_its_client_breaks_the_protocol(world: World, *, delta: bool) -> None:
    """It is served no more at once, and told why when it has read what was written before."""
    async with world.hostile(delta=delta, window=WINDOW) as clients:
        for client in clients:
            await client.send_bytes(b"\xff")
        await world.tally.until(lambda: len(world.tally.ends) == MANY)
        assert {end.status for _, end in world.tally.ends} == {"INVALID_ARGUMENT"}
        await world.serves()
        for client in clients[::2]:  # the others leave without having read anything
            code, details = await client.status()
            assert (code, details[:19]) == (grpc.StatusCode.INVALID_ARGUMENT, "1 bytes that are no")
        assert world.tally.of_the_bad(world.tally.pushes) == [0] * MANY
    await world.forgets()


async def test_one_that_never_acks(cache: SnapshotCache, *, delta: bool) -> None:
    """It is sent what changes, and only so much is remembered of what it might still answer."""

    async def read(client: XdsClient) -> None:
        while True:
            await client.receive()

    async with World(cache, timing=Timing(ack=0)).running() as world:
        async with world.hostile(delta=delta, act=read):
            await world.serves(150)
            assert _alive() <= 110  # a hundred responses, and what is under way
        await world.forgets()


async def test_one_that_nacks_for_ever(world: World, *, delta: bool) -> None:
    """What it refused is not sent again until it changes: no response leads to another."""

    async def refuse(client: XdsClient) -> None:
        while True:
            await client.nack(await client.receive(), "no")

    async with world.hostile(delta=delta, act=refuse):
        await world.serves()
        # The last refusals are in, and nothing but what changed since the first response was sent.
        await world.tally.until(
            lambda: all(
                world.tally.requests[node] == 1 + world.tally.pushes[node]
                for node in world.tally.pushes
                if node != "good"
            )
        )
        assert max(world.tally.of_the_bad(world.tally.pushes)) <= 1 + UPDATES
    await world.forgets()


async def test_one_that_says_nothing(world: World, *, delta: bool) -> None:
    """A stream without a request waits, and ends with its connection."""
    async with AsyncExitStack() as stack:
        for _ in range(MANY):
            client = await stack.enter_async_context(XdsClient(world.port, delta=delta))
            await client.call.initial_metadata()  # the server knows the stream
        await world.serves()
        assert world.tally.ends == []
    await world.forgets()


async def test_one_that_resets_its_connection(world: World, *, delta: bool) -> None:
    """A RST ends the streams of its connection."""
    async with Relay(world.port) as relay, world.hostile(delta=delta, port=relay.port, window=WINDOW):
        await world.serves()
        relay.reset()
        await world.forgets()


async def test_one_that_goes_without_a_word(cache: SnapshotCache, *, delta: bool) -> None:
    """A client that is unplugged answers no ping, and is let go after the keepalive's time."""
    async with (
        # The good client, too, has to answer its pings within this time, on a machine that is busy.
        World(cache, keepalive=0.2, keepalive_timeout=1.0).running() as world,
        Relay(world.port) as relay,
        world.hostile(delta=delta, port=relay.port),
    ):
        await world.tally.all_bad(world.tally.pushes)
        relay.go_silent()
        await world.serves()
        await world.forgets()


async def test_one_that_half_closes(world: World, *, delta: bool) -> None:
    """A client that says that it has no more to say is sent what it asked for, and its stream ends well."""
    async with world.hostile(delta=delta) as clients:
        for client in clients:
            await client.receive()
            await client.call.done_writing()
        await world.serves()
        for client in clients:
            assert (await client.status())[0] == grpc.StatusCode.OK
    await world.forgets()


async def test_one_that_half_closes_and_never_reads(world: World, *, delta: bool) -> None:
    """It keeps its place as long as a response is held for it, and its stream ends well when it has read that."""
    async with world.hostile(delta=delta, window=WINDOW) as clients:
        for client in clients:
            await client.call.done_writing()
        await world.serves()
        assert world.server._admission._open == 1 + MANY
        for client in clients:
            assert len((await client.receive()).resources) == 1 + len(BALLAST)
            assert (await client.status())[0] == grpc.StatusCode.OK
    await world.forgets()


BURST = 0.003
"""Seconds of work that flooding streams may cause; after that they are read from again when the tests are over."""


@pytest.fixture
def strict(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """Return a world in which the good client is treated as always, and those that come from now on are held short."""
    monkeypatch.setattr(stream, "Pace", partial(Pace, share=1e-6, burst=BURST))
    return world


async def test_one_that_floods(strict: World, *, delta: bool) -> None:
    """It is not read from for longer than its share of the work allows, and waits by itself."""
    message = (DeltaDiscoveryRequest if delta else DiscoveryRequest)(
        type_url=ENDPOINT, response_nonce="stale"
    )
    flood = message.SerializeToString()

    async def write(client: XdsClient) -> None:
        while True:
            await client.call.write(flood)

    async with strict.hostile(delta=delta, act=write):
        await strict.serves()
        assert 5 <= max(strict.tally.of_the_bad(strict.tally.requests)) <= 1 + BURST / pace._REQUEST
    await strict.forgets()


async def test_one_that_asks_for_everything_again_and_again(strict: World) -> None:
    """What is written counts as well: who makes the server send much waits sooner."""

    async def ask_again(client: XdsClient) -> None:
        while True:
            nonce = (await client.receive()).nonce
            await client.send(type_url=CLUSTER, response_nonce=nonce, resource_names_subscribe=["*"])

    async with strict.hostile(delta=True, act=ask_again):
        await strict.serves()
        written = len(BALLAST) * 2 * WINDOW * pace._RESPONSE_BYTE
        requests = max(strict.tally.of_the_bad(strict.tally.requests))
        assert 3 <= requests <= 2 + BURST / (pace._REQUEST + written) < BURST / pace._REQUEST
    await strict.forgets()


async def test_one_that_opens_many_streams(world: World, *, delta: bool) -> None:
    """Hundreds of streams on one connection are served beside the others, and all are gone with it."""
    streams = 300
    async with XdsClient(world.port, delta=delta) as client:
        method = f"/envoy.service.cluster.v3.ClusterDiscoveryService/{'Delta' if delta else 'Stream'}Clusters"
        request = (DeltaDiscoveryRequest if delta else DiscoveryRequest)(node={"cluster": "tenant-a"})
        calls = [client._channel.stream_stream(method)() for _ in range(streams)]
        for call in calls:
            await call.write(request.SerializeToString())
        await world.tally.until(lambda: world.tally.opened_by[""] == streams)
        await world.serves()
        await world.tally.until(lambda: world.tally.pushes[""] >= streams)
    await world.forgets(streams + 1)
