"""Replacing everything under traffic: what a LoadBalancer serves before and after an update, it serves all the while.

The snapshot is changed directly, with what the translation makes of LoadBalancers, so that a hundred updates of two hundred fit into
a test; Envoy is what takes the time. Both variants of the protocol are played at once, each with a server and an Envoy of its own.
"""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from ssl import TLSVersion
from typing import Final, NamedTuple

import pytest

from kube.objects import LoadBalancer, Secret
from tests.support import objects
from tests.support.updates import Updates
from tests.xds.translate.make import TENANT, translated
from xds.app.address import HostPort
from xds.app.bootstrap import Api, Bootstrap
from xds.app.demo.backends import BlackHole
from xds.app.demo.certificates import Authority
from xds.app.demo.channel import server_context
from xds.app.demo.client import Attempt, Conversation, Outcome, ask
from xds.app.demo.envoy import Envoy
from xds.app.demo.waiting import Journal, poll
from xds.protocol import Timing
from xds.server import ServerOptions, XdsServer
from xds.snapshot import Resource, SnapshotCache
from xds.snapshot.types import CLUSTER, ENDPOINT, LISTENER
from xds.translate import Options

pytestmark = pytest.mark.envoy
FreePort = Callable[..., int]
State = Mapping[tuple[str, str], Resource]

LOOPBACK: Final = "127.0.0.1"
RENAMED, MODIFIED, STAYING = 190, 10, 5
"""LoadBalancers whose backend's port changes, and with it the names of all their resources; whose CA changes, and with it their
cluster alone; and that nobody touches."""
FEW_STATISTICS: Final = """
stats_config:
  stats_matcher: { inclusion_list: { patterns: [{ prefix: cluster_manager }, { prefix: listener_manager }] } }
"""
"""Envoy spends half of its time on the statistics of each cluster and listener, which nobody looks at here."""
APIS: Final[tuple[Api, ...]] = ("sotw", "delta")
WITHIN = 20.0
"""Seconds in which Envoy takes an update of everything: a quarter of one on an idle machine."""


class Ports(NamedTuple):
    """The listener ports of the LoadBalancers."""

    renamed: Sequence[int]
    modified: Sequence[int]
    staying: Sequence[int]

    @classmethod
    def choose(cls, free_port: FreePort) -> "Ports":
        """Choose free ones."""
        return cls(*([free_port() for _ in range(count)] for count in (RENAMED, MODIFIED, STAYING)))


class Echo(asyncio.Protocol):
    """A backend's connection. Health checks make forty thousand of them, which is why it is no more than that."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer."""
        self._transport.write(data)


class Backends(NamedTuple):
    """The ports of two backends that speak plain TCP, and of one with a certificate of `authority`."""

    one: int
    other: int
    tls: int
    authority: Authority


@pytest.fixture
async def backends() -> AsyncIterator[Backends]:
    """Yield running backends."""
    loop = asyncio.get_running_loop()
    authority = Authority("ca")
    context = server_context(authority.issue("tls"), TLSVersion.TLSv1_2, TLSVersion.TLSv1_3)
    servers = [
        await loop.create_server(Echo, LOOPBACK, 0, ssl=tls, backlog=1024) for tls in (None, None, context)
    ]
    one, other, tls = (server.sockets[0].getsockname()[1] for server in servers)
    try:
        yield Backends(one, other, tls, authority)
    finally:
        for server in servers:
            server.close()


class Stage:
    """A server with one tenant, an Envoy that takes its configuration from it, and clients of Envoy's listeners."""

    def __init__(self, ports: Ports, states: Sequence[State]) -> None:
        self.cache = SnapshotCache((CLUSTER, ENDPOINT, LISTENER))
        self.updates = Updates()
        self.attempts: Journal[tuple[int, Attempt]] = Journal("all attempts")
        self.envoy: Envoy
        self._ports = ports
        self._states = states
        self._state = 0
        self.cache.update(TENANT, self._states[0].values())

    @asynccontextmanager
    async def running(self, api: Api, directory: Path, *, concurrency: int) -> AsyncIterator["Stage"]:
        """Serve the first state to an Envoy with so many workers."""
        directory.mkdir()
        # On a machine that is busy Envoy takes longer than the default bound, and this is about what its ACKs do.
        options = ServerOptions(timing=Timing(listeners=WITHIN, removals=WITHIN))
        server = XdsServer(self.cache, observer=self.updates, options=options)
        port = await server.start(f"{LOOPBACK}:0")
        bootstrap = Bootstrap(tenant=TENANT, xds_address=HostPort(LOOPBACK, port), node_id=api, api=api)
        path = directory / "bootstrap.yaml"
        path.write_text(bootstrap.yaml() + FEW_STATISTICS, encoding="utf-8")
        try:
            async with Envoy(path, directory=directory, concurrency=concurrency) as self.envoy:
                await self.envoy.ready()
                await self.has_listeners()
                yield self
        finally:
            await server.stop()

    @property
    def listeners(self) -> frozenset[str]:
        """The names of the listeners that there are to be."""
        return frozenset(name for type_url, name in self._states[self._state] if type_url == LISTENER)

    def replace(self) -> float:
        """Replace every LoadBalancer but those that stay, in one update; returns the moment."""
        old = self._states[self._state]
        self._state = 1 - self._state
        new = self._states[self._state]
        moment = time.monotonic()
        self.cache.update(TENANT, new.values(), [key for key in old if key not in new])
        return moment

    async def takes(self, since: float) -> None:
        """Wait until Envoy has ACKed all of an update: the clusters, the listeners, and that what is replaced is gone."""
        other = self._states[1 - self._state]
        (gone, *_) = (name for type_url, name in other if type_url == CLUSTER and name not in self.listeners)
        (new, *_) = (name for name in self.listeners if (LISTENER, name) not in other)
        await self.updates.acked(LISTENER, new, since=since, within=WITHIN)
        await self.updates.answers.first(
            lambda answer: (
                answer.type_url == CLUSTER
                and gone in answer.removed
                and answer.moment >= since
                and not answer.error
            ),
            within=WITHIN,
            what=f"an ACK of the removal of {gone}",
        )

    async def has_listeners(self) -> None:
        """Wait until Envoy listens as it is to."""
        await poll(
            self.envoy.admin.listeners,
            lambda listeners: set(listeners) == self.listeners,
            within=WITHIN,
            what="every listener",
        )

    @asynccontextmanager
    async def traffic(self, *, per_second: float) -> AsyncIterator[None]:
        """Connect to one port after the other, and ask."""
        ports = itertools.cycle(itertools.chain(*self._ports))

        async def connect() -> None:
            async with asyncio.TaskGroup() as under_way:
                following = time.monotonic()
                for port in ports:
                    if stop.is_set():
                        return
                    under_way.create_task(attempt(port))
                    following += 1 / per_second
                    await asyncio.sleep(max(0.0, following - time.monotonic()))

        async def attempt(port: int) -> None:
            self.attempts.add((port, await ask(port)))

        stop = asyncio.Event()
        connecting = asyncio.create_task(connect())
        try:
            yield
        finally:
            stop.set()
            await connecting

    @asynccontextmanager
    async def conversations(self) -> AsyncIterator[list[Conversation]]:
        """Open connections that stay open: two of each kind."""
        async with AsyncExitStack() as stack:
            conversations = [Conversation(port, every=0.1) for ports in self._ports for port in ports[:2]]
            for conversation in conversations:
                await stack.enter_async_context(conversation)
            yield conversations

    async def serves_everything(self) -> None:
        """See that nothing was lost, nor refused, and that the clients asked at every port."""
        assert (
            Counter(self._why(*each) for each in self.attempts if each[1].outcome is not Outcome.REPLY) == {}
        )
        assert {port for port, _ in self.attempts} == set(itertools.chain(*self._ports))
        assert self.updates.refused == []
        rejected = await self.envoy.admin.stats("update_rejected|lds.listener_create_failure")
        assert not any(rejected.values())

    def _why(self, port: int, attempt: Attempt) -> str:
        """Say whose attempt was lost, and how Envoy's access log explains it."""
        kind = next(kind for kind, ports in zip(Ports._fields, self._ports, strict=True) if port in ports)
        addresses = attempt.address, f"{LOOPBACK}:{port}"
        entries = [
            entry
            for entry in self.envoy.access_log
            if (entry.downstream_remote_address, entry.downstream_local_address) == addresses
        ]
        reasons = {f"{entry.response_flags} {entry.upstream_transport_failure_reason}" for entry in entries}
        return f"{kind}: {attempt.outcome}, {sorted(reasons) or 'not in the access log'}"


def _state(ports: Ports, backends: Backends, number: int) -> State:
    """Return all resources of the first or the second state."""
    authorities = (backends.authority, Authority("another"))[: 1 + number]
    ca = objects.secret("ca", b"".join(authority.pem for authority in authorities).decode(), namespace=TENANT)
    backend = (backends.one, backends.other)[number]
    resources: list[Resource] = []
    for index, port in enumerate(ports.renamed):
        resources += _resources(objects.loadbalancer(f"renamed-{index}", port=port, backend=backend))
    for index, port in enumerate(ports.modified):
        lb = objects.loadbalancer(
            f"modified-{index}", port=port, backend=backends.tls, policy="Verify", ca="ca"
        )
        resources += _resources(lb, ca)
    for index, port in enumerate(ports.staying):
        resources += _resources(objects.loadbalancer(f"staying-{index}", port=port, backend=backends.one))
    return _by_name(resources)


def _by_name(resources: Iterable[Resource]) -> State:
    return {(resource.type_url, resource.name): resource for resource in resources}


def _resources(lb: LoadBalancer, *secrets: Secret) -> Sequence[Resource]:
    return translated(lb, *secrets, options=Options(listener_address=LOOPBACK)).resources


@asynccontextmanager
async def stages(
    directory: Path, backends: Backends, free_port: FreePort, *, concurrency: int = 1
) -> AsyncIterator[list[Stage]]:
    """Yield a running stage of each variant."""
    async with AsyncExitStack() as stack:
        built = []
        for api in APIS:
            ports = Ports.choose(free_port)
            stage = Stage(ports, [_state(ports, backends, number) for number in (0, 1)])
            running = stage.running(api, directory / api, concurrency=concurrency)
            built.append(await stack.enter_async_context(running))
        yield built


async def test_a_hundred_replacements_of_everything(
    tmp_path: Path,
    backends: Backends,
    free_port: FreePort,
    envoy_binary: Path,  # noqa: ARG001 — fail early
) -> None:
    """No new connection is lost and no open one ends while 200 LoadBalancers are replaced a hundred times, in SotW and delta."""
    rounds = 100

    async def play(stage: Stage) -> None:
        async with stage.conversations() as conversations, stage.traffic(per_second=60):
            for _ in range(rounds):
                await stage.takes(stage.replace())
            assert all([await conversation.goes_on() for conversation in conversations])
        await stage.serves_everything()
        counters = await stage.envoy.admin.stats("^(listener|cluster)_manager")
        listeners, clusters = RENAMED + MODIFIED + STAYING, RENAMED * rounds
        assert counters["listener_manager.listener_added"] == listeners + RENAMED * rounds
        assert counters["listener_manager.listener_removed"] == RENAMED * rounds
        assert counters["listener_manager.listener_modified"] == 0
        assert counters["cluster_manager.cluster_modified"] == MODIFIED * rounds
        assert counters["cluster_manager.cluster_removed"] == clusters

    async with stages(tmp_path, backends, free_port) as built, asyncio.TaskGroup() as both:
        for stage in built:
            both.create_task(play(stage))


async def test_replacements_that_overtake_each_other(
    tmp_path: Path,
    backends: Backends,
    free_port: FreePort,
    envoy_binary: Path,  # noqa: ARG001 — fail early
) -> None:
    """Nothing is lost either where the next update comes before Envoy has taken the last, and it ends with the newest state."""

    async def play(stage: Stage) -> None:
        async with stage.conversations() as conversations, stage.traffic(per_second=60):
            for number in range(20):
                stage.replace()
                # From at once to the time that an update takes: what is under way then is different each time.
                seen = len(stage.attempts)
                await stage.attempts.until(
                    lambda: len(stage.attempts) >= seen + number,  # noqa: B023
                    within=WITHIN,
                    what="more attempts",
                )
            await stage.has_listeners()
            seen = len(stage.attempts)
            await stage.attempts.until(
                lambda: len(stage.attempts) >= seen + RENAMED + MODIFIED + STAYING,
                within=WITHIN,
                what="an attempt at each port",
            )
            assert all([await conversation.goes_on() for conversation in conversations])
        await stage.serves_everything()

    async with stages(tmp_path, backends, free_port, concurrency=2) as built, asyncio.TaskGroup() as both:
        for stage in built:
            both.create_task(play(stage))


async def test_a_cluster_that_warms_for_long(
    tmp_path: Path,
    backends: Backends,
    free_port: FreePort,
    envoy_binary: Path,  # noqa: ARG001 — fail early
) -> None:
    """A LoadBalancer is served as before for the 5 s that its new cluster warms, for one of two endpoints is dead."""

    async def play(api: Api, port: int, states: Sequence[State]) -> None:
        stage = Stage(Ports([port], [], []), states)
        async with stage.running(api, tmp_path / api, concurrency=1):
            async with stage.conversations() as conversations, stage.traffic(per_second=50):
                since = stage.replace()
                await stage.takes(since)
                assert time.monotonic() - since > 4  # else it is another case that was played
                seen = len(stage.attempts)
                await stage.attempts.until(
                    lambda: len(stage.attempts) > seen + 10, within=WITHIN, what="more attempts"
                )
                assert all([await conversation.goes_on() for conversation in conversations])
            await stage.serves_everything()

    with BlackHole("dead") as dead:
        endpoints = {
            "addresses": [{"ip": "127.0.0.2"}, {"ip": LOOPBACK}],
            "ports": [{"name": "main", "port": dead.port}],
        }
        alive = await asyncio.get_running_loop().create_server(Echo, "127.0.0.2", dead.port)
        try:
            async with asyncio.TaskGroup() as both:
                for api in APIS:
                    port = free_port()
                    before = objects.loadbalancer("web", port=port, backend=backends.one)
                    after = objects.loadbalancer("web", port=port, endpoints=[endpoints])
                    both.create_task(play(api, port, [_by_name(_resources(lb)) for lb in (before, after)]))
        finally:
            alive.close()
