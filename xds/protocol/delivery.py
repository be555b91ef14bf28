"""Who has what: of every Envoy that is connected what it ACKed, what is on its way, and what it refused.

Nothing is kept twice. What an Envoy holds is read from the state of its streams, when somebody asks; what is kept here is
which streams make up an Envoy. Status, metrics and conditions ask; whoever waits hears of every
request by ``watch``. Time is passed in; connections are known elsewhere.

An Envoy is an aggregated stream, and with it the streams of single types that come over the same connection from the same
node; where there is no aggregated one, those streams are the Envoy. ``node.id`` is a label that replicas may share: the ACK
of one never hides the NACK of another.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, TypeAlias

from xds.protocol.standing import WHOLE, WORST_LAST, Refusal, ResourceState, Standing, StreamRecord
from xds.protocol.stream import StreamState
from xds.protocol.type_state import Outcome
from xds.snapshot import Changes, Resource
from xds.snapshot.types import CLUSTER, LISTENER

#: Called with the number of a stream of the tenant that sent a request, heard of a change, or left.
Watcher: TypeAlias = Callable[[int], None]


class Envoy:
    """One Envoy that is connected: a live view, until it leaves.

    ``peer`` is its address as gRPC writes it, ``streams`` the numbers of its streams, ``about`` the ``Node`` that it came
    with, as far as that was kept, and ``since`` when it came.
    """

    __slots__ = ("_only_types", "_streams", "about", "node", "peer", "since", "tenant")

    def __init__(self, tenant: str, node: str, peer: str, *, about: Any, since: datetime) -> None:
        self.tenant = tenant
        self.node = node
        self.peer = peer
        self.about = about
        self.since = since
        self._streams: dict[int, StreamRecord] = {}
        # How many streams of a single type there are: without an aggregated one Envoy opens one for each cluster's endpoints.
        self._only_types: Counter[str] = Counter()

    @property
    def streams(self) -> tuple[int, ...]:
        """The numbers of its streams, in the order in which they came."""
        return tuple(self._streams)

    @property
    def types(self) -> tuple[str, ...]:
        """The type URLs that it asked for."""
        types = dict.fromkeys(self._only_types)
        for stream in self._streams.values() if self.aggregated else ():
            types.update(dict.fromkeys(stream.state.types))
        return tuple(types)

    @property
    def aggregated(self) -> bool:
        """Whether one of its streams carries several types."""
        return len(self._streams) > self._only_types.total()

    @property
    def wants_listeners(self) -> bool:
        """Whether it is to ask for listeners yet, as an Envoy does that asked for all clusters: once those are warm."""
        types = self.types
        return LISTENER not in types and CLUSTER in types and any(map(_all_clusters, self._streams.values()))

    def standing(self, type_url: str, name: str) -> Standing:
        """Return how it stands to a resource; where several streams asked for it, the worst of them counts."""
        standings = (stream.standing(type_url, name) for stream in self._streams.values())
        return max(standings, key=_badness, default=Standing.UNASKED)

    def acked(self, type_url: str) -> dict[str, str]:
        """Return name and version of every resource that it holds: what it ACKed, or came with."""
        versions: dict[str, str] = {}
        for stream in self._streams.values():
            state = stream.state.of_type(type_url)
            for name, held in state.holdings.items() if state else ():
                versions[name] = held.version if isinstance(held, Resource) else held
        return versions

    def in_flight(self, type_url: str) -> dict[str, str]:
        """Return what it was sent and has not answered: the version that it was sent last by name, "" for a removal."""
        versions: dict[str, str] = {}
        for stream in self._streams.values():
            state = stream.state.of_type(type_url)
            for push in state.in_flight.values() if state else ():
                versions |= {
                    name: step.after.version if step.after else "" for name, step in push.steps.items()
                }
        return versions

    def resources(self, type_url: str) -> Iterator[ResourceState]:
        """Yield every resource of a type that it asked for or holds, each once; those that do not exist among them.

        It costs what there is. Whoever lets the streams go on meanwhile hears of each resource as it is when it is yielded.
        """
        yield from self._states(type_url, StreamRecord.names)

    def resource(self, type_url: str, name: str) -> ResourceState:
        """Return how it stands to one resource."""
        states = list(
            self._states(type_url, lambda stream, _: iter((name,) if stream.asks(type_url, name) else ()))
        )
        return states[0] if states else ResourceState(name, Standing.UNASKED, "", None)

    def open(self, type_url: str) -> Iterator[ResourceState]:
        """Yield the resources of a type that it is to have and has not ACKed as they are now; it costs what is open."""
        for state in self._states(type_url, StreamRecord.open):
            if state.standing not in {Standing.ACKED, Standing.UNASKED}:
                yield state

    def size(self, type_url: str) -> int:
        """Return how many resources of a type it is to have."""
        return sum(stream.size(type_url) for stream in self._streams.values())

    def last_ack(self, type_url: str) -> tuple[datetime, str] | None:
        """Return when it ACKed a response of a type last, and the type's version then."""
        acks = filter(None, (stream.acks.get(type_url) for stream in self._streams.values()))
        return max(((each.at, each.version) for each in acks if each.at is not None), default=None)

    def waits_since(self, type_url: str) -> float | None:
        """Return when the oldest response of a type that it has not answered was sent, by the streams' clock."""
        states = filter(None, (stream.state.of_type(type_url) for stream in self._streams.values()))
        moments = (state.waits_since for state in states)
        return min((moment for moment in moments if moment is not None), default=None)

    def _states(
        self, type_url: str, names: Callable[[StreamRecord, str], Iterator[str]]
    ) -> Iterator[ResourceState]:
        if len(self._streams) == 1:
            (stream,) = self._streams.values()
            for name in dict.fromkeys(names(stream, type_url)):
                yield stream.resource_state(type_url, name, stream.standing(type_url, name))
            return
        by_name: dict[str, list[StreamRecord]] = {}
        for stream in self._streams.values():
            for name in dict.fromkeys(names(stream, type_url)):
                by_name.setdefault(name, []).append(stream)
        for name, streams in by_name.items():
            # Where several streams asked for it, the worst of them counts.
            standing, stream = max(
                ((stream.standing(type_url, name), stream) for stream in streams),
                key=lambda pair: _badness(pair[0]),
            )
            yield stream.resource_state(type_url, name, standing)

    @property
    def delta(self) -> bool:
        """Whether it speaks the incremental variant of the protocol, on any of its streams."""
        return any(stream.state.delta for stream in self._streams.values())

    @property
    def refusals(self) -> tuple[Refusal, ...]:
        """What it refused and has neither ACKed since, in other words, nor seen go; one for each resource."""
        return tuple(
            Refusal(self.tenant, self.node, type_url, name, version, nack.at, nack.text)
            for stream in self._streams.values()
            for type_url, refusals in stream.refusals.items()
            for name, (version, nack) in refusals.items()
        )

    def __repr__(self) -> str:
        return f"Envoy({self.node!r} of {self.tenant!r} at {self.peer}, streams {list(self._streams)})"


def _badness(standing: Standing) -> int:
    """Return a number that is higher the worse it is; a stream that does not ask is none to count."""
    return -1 if standing is Standing.UNASKED else WORST_LAST.index(standing)


def _all_clusters(stream: StreamRecord) -> bool:
    state = stream.state.of_type(CLUSTER)
    return state is not None and state.subscription.wildcard


class Delivery:
    """Every Envoy that is connected, by tenant. Fed by whoever owns the streams; belongs to one event loop."""

    def __init__(self) -> None:
        self._owners: dict[int, Envoy] = {}
        # Of each tenant the Envoys by peer and node, in the order in which they came.
        self._tenants: dict[str, dict[tuple[str, str], list[Envoy]]] = {}
        self._watchers: dict[str, dict[Watcher, None]] = {}

    def joined(
        self,
        number: int,
        state: StreamState,
        *,
        tenant: str,
        node: str,
        peer: str,
        only_type: str,
        now: datetime,
        about: Any = None,
    ) -> None:
        """Take note of a stream whose node is known now; ``only_type`` is "" for an aggregated one."""
        envoys = self._tenants.setdefault(tenant, {}).setdefault((peer, node), [])
        envoy = next((envoy for envoy in envoys if only_type or not envoy.aggregated), None)
        if envoy is None:
            envoy = Envoy(tenant, node, peer, about=about, since=now)
            envoys.append(envoy)
        envoy._streams[number] = StreamRecord(only_type, state)  # noqa: SLF001 — only here do streams come and go
        self._owners[number] = envoy
        if only_type:
            envoy._only_types[only_type] += 1  # noqa: SLF001

    def answered(self, number: int, outcome: Outcome, now: datetime) -> None:
        """Take note of a request that its stream's state has taken."""
        stream = self._record(number)
        if stream.refusals:
            if outcome.kind == "ack":
                stream.refusals.get(outcome.type_url, {}).pop(WHOLE, None)
            stream.review(outcome.type_url)
        if outcome.kind == "ack":
            stream.acked(outcome, now)
        elif outcome.kind == "nack":
            stream.nacked(outcome, now)
        self._tell(self._owners[number].tenant, number)

    def changed(self, number: int, changes: Changes) -> None:
        """Take note that a stream's state has taken a change of its snapshot."""
        stream = self._record(number)
        for type_url in changes if stream.refusals else ():
            stream.review(type_url)
        self._tell(self._owners[number].tenant, number)

    def left(self, number: int) -> None:
        """Take note of a stream's end. One whose node was never known is none that joined."""
        envoy = self._owners.pop(number, None)
        if envoy is None:
            return
        stream = envoy._streams.pop(number)  # noqa: SLF001
        if stream.only_type:
            envoy._only_types -= Counter((stream.only_type,))  # noqa: SLF001
        if not envoy.streams:
            self._forget(envoy)
        self._tell(envoy.tenant, number)

    def _forget(self, envoy: Envoy) -> None:
        by_origin = self._tenants[envoy.tenant]
        origin = envoy.peer, envoy.node
        by_origin[origin].remove(envoy)
        if not by_origin[origin]:
            del by_origin[origin]
        if not by_origin:
            del self._tenants[envoy.tenant]

    def _tell(self, tenant: str, number: int) -> None:
        for watcher in tuple(self._watchers.get(tenant, ())):
            watcher(number)

    def watch(self, tenant: str, watcher: Watcher) -> Callable[[], None]:
        """Call ``watcher`` at every request, change and end of a tenant's stream, until the returned function is called."""
        self._watchers.setdefault(tenant, {})[watcher] = None

        def unwatch() -> None:
            watchers = self._watchers.get(tenant, {})
            watchers.pop(watcher, None)
            if not watchers:
                self._watchers.pop(tenant, None)

        return unwatch

    @property
    def tenants(self) -> tuple[str, ...]:
        """The tenants that have an Envoy connected."""
        return tuple(self._tenants)

    def envoys(self, tenant: str) -> tuple[Envoy, ...]:
        """Return the Envoys of a tenant that are connected."""
        return tuple(envoy for envoys in self._tenants.get(tenant, {}).values() for envoy in envoys)

    def state(self, number: int) -> StreamState | None:
        """Return the state of a stream, None where that has left."""
        return self._record(number).state if number in self._owners else None

    def _record(self, number: int) -> StreamRecord:
        return self._owners[number]._streams[number]  # noqa: SLF001
