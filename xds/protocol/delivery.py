"""Who has what: of every Envoy that is connected what it ACKed, what is on its way, and what it refused.

Nothing is kept twice. What an Envoy holds is read from the state of its streams, when somebody asks; what is kept here is
which streams make up an Envoy, and the words of its NACKs. Status, metrics and conditions ask; whoever waits hears of every
request by ``watch``. Time is passed in; connections are known elsewhere.

An Envoy is an aggregated stream, and with it the streams of single types that come over the same connection from the same
node; where there is no aggregated one, those streams are the Envoy. ``node.id`` is a label that replicas may share: the ACK
of one never hides the NACK of another.
"""

from collections import Counter
from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple, TypeAlias

from xds.protocol.stream import StreamState
from xds.protocol.type_state import Outcome, is_content
from xds.snapshot import Changes, Resource
from xds.snapshot.types import CLUSTER, LISTENER

#: Called with the number of a stream of the tenant that sent a request, heard of a change, or left.
Watcher: TypeAlias = Callable[[int], None]

_LONGEST_TEXT: Final = 2000
"""Characters kept of a NACK's text. Envoy's own name each resource that it refused."""
_WHOLE: Final = ""
"""Instead of a name: a response that was refused as a whole, and brought nothing that is still there."""


class Standing(StrEnum):
    """How an Envoy stands to the newest content of a resource, from good to bad.

    A resource that is gone is ACKed by an Envoy that does not hold it.
    """

    ACKED = "acked"
    #: It does not ask for the resource, or not yet; or nothing is served, as before a snapshot is set.
    UNASKED = "unasked"
    #: It was sent, and not answered yet. An Envoy that warms a cluster answers when that is warm.
    SENT = "sent"
    #: It is to be sent, as soon as what goes before it is done.
    PENDING = "pending"
    REFUSED = "refused"


_WORST_LAST: Final = tuple(Standing)


class Refusal(NamedTuple):
    """One resource that one Envoy refused.

    ``name`` is "" where the whole response was refused, and ``version`` that of the resource, or of the type then. ``at`` is
    the moment of the NACK, ``text`` Envoy's words.
    """

    tenant: str
    node: str
    type_url: str
    name: str
    version: str
    at: datetime
    text: str


class _Nack(NamedTuple):
    at: datetime
    text: str


class _Stream:
    """One stream of an Envoy, and what was refused on it: by type and name, the version and the NACK."""

    __slots__ = ("envoy", "number", "only_type", "refusals", "state")

    def __init__(self, number: int, only_type: str, envoy: "Envoy", state: StreamState) -> None:
        self.number = number
        self.only_type = only_type
        self.envoy = envoy
        self.state = state
        self.refusals: dict[str, dict[str, tuple[str, _Nack]]] = {}

    def standing(self, type_url: str, name: str) -> Standing:
        state, resources = self.state.of_type(type_url), self.state.resources(type_url)
        if state is None or resources is None or not state.subscription.covers(name):
            return Standing.UNASKED
        resource = resources.get(name)
        held = state.confirmed(name)
        owed = name in state.upserts or name in state.removals
        sent = any(name in push.steps for push in state.in_flight.values())
        # Who holds it and is on the way to something else, as when content goes and comes back, has not ACKed it.
        if not owed and not sent and (held is None if resource is None else is_content(held, resource)):
            return Standing.ACKED
        if resource is not None and state.refuses(resource):
            return Standing.REFUSED
        return Standing.SENT if sent and not owed else Standing.PENDING

    def nacked(self, outcome: Outcome, now: datetime) -> None:
        """Keep a NACK for each resource that it is about."""
        if outcome.push is None:
            return
        response = outcome.push.response
        versions = {resource.name: resource.version for resource in response.resources}
        nack = _Nack(now, outcome.error[:_LONGEST_TEXT])
        refusals = self.refusals.setdefault(outcome.type_url, {})
        about = [name for name in outcome.held if self._stands(outcome.type_url, name)]
        for name in about:
            refusals.pop(name, None)  # the newest is last
            refusals[name] = versions.get(name, ""), nack
        if not about:
            refusals[_WHOLE] = response.version, nack

    def review(self, type_url: str) -> None:
        """Forget the NACKs of what has been ACKed since, or is gone."""
        refusals = self.refusals.get(type_url, {})
        for name in [name for name in refusals if name != _WHOLE and not self._stands(type_url, name)]:
            del refusals[name]
        if not refusals:
            self.refusals.pop(type_url, None)

    def _stands(self, type_url: str, name: str) -> bool:
        """Whether the resource is there, is asked for, and is not ACKed as it is now; nothing is known while none is served."""
        state, resources = self.state.of_type(type_url), self.state.resources(type_url)
        if state is None or resources is None:
            return state is not None
        resource = resources.get(name)
        return (
            resource is not None
            and state.subscription.covers(name)
            and not is_content(state.confirmed(name), resource)
        )


class Envoy:
    """One Envoy that is connected: a live view, until it leaves.

    ``peer`` is its address as gRPC writes it, ``streams`` the numbers of its streams.
    """

    __slots__ = ("_only_types", "_streams", "node", "peer", "tenant")

    def __init__(self, tenant: str, node: str, peer: str) -> None:
        self.tenant = tenant
        self.node = node
        self.peer = peer
        self._streams: dict[int, _Stream] = {}
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
        standings = {stream.standing(type_url, name) for stream in self._streams.values()}
        return max(standings - {Standing.UNASKED}, key=_WORST_LAST.index, default=Standing.UNASKED)

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


def _all_clusters(stream: _Stream) -> bool:
    state = stream.state.of_type(CLUSTER)
    return state is not None and state.subscription.wildcard


class Delivery:
    """Every Envoy that is connected, by tenant. Fed by whoever owns the streams; belongs to one event loop."""

    def __init__(self) -> None:
        self._streams: dict[int, _Stream] = {}
        # Of each tenant the Envoys by peer and node, in the order in which they came.
        self._tenants: dict[str, dict[tuple[str, str], list[Envoy]]] = {}
        self._watchers: dict[str, dict[Watcher, None]] = {}

    def joined(
        self, number: int, state: StreamState, *, tenant: str, node: str, peer: str, only_type: str
    ) -> None:
        """Take note of a stream whose node is known now; ``only_type`` is "" for an aggregated one."""
        envoys = self._tenants.setdefault(tenant, {}).setdefault((peer, node), [])
        envoy = next((envoy for envoy in envoys if only_type or not envoy.aggregated), None)
        if envoy is None:
            envoy = Envoy(tenant, node, peer)
            envoys.append(envoy)
        envoy._streams[number] = self._streams[number] = _Stream(number, only_type, envoy, state)  # noqa: SLF001
        if only_type:
            envoy._only_types[only_type] += 1  # noqa: SLF001 — only here do streams come and go

    def answered(self, number: int, outcome: Outcome, now: datetime) -> None:
        """Take note of a request that its stream's state has taken."""
        stream = self._streams[number]
        if stream.refusals:
            if outcome.kind == "ack":
                stream.refusals.get(outcome.type_url, {}).pop(_WHOLE, None)
            stream.review(outcome.type_url)
        if outcome.kind == "nack":
            stream.nacked(outcome, now)
        self._tell(stream.envoy.tenant, number)

    def changed(self, number: int, changes: Changes) -> None:
        """Take note that a stream's state has taken a change of its snapshot."""
        stream = self._streams[number]
        for type_url in changes if stream.refusals else ():
            stream.review(type_url)
        self._tell(stream.envoy.tenant, number)

    def left(self, number: int) -> None:
        """Take note of a stream's end. One whose node was never known is none that joined."""
        stream = self._streams.pop(number, None)
        if stream is None:
            return
        envoy = stream.envoy
        del envoy._streams[number]  # noqa: SLF001
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
        stream = self._streams.get(number)
        return stream.state if stream else None
