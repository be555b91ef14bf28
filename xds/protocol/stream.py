"""One stream as a state machine: requests and changes in, responses out, no I/O and no clock.

Whoever owns the connection feeds it requests, attaches the tenant's snapshot once there is one, passes on its changes, and
asks ``poll`` for what is to be sent whenever any of these happened or the time that ``poll`` named has come.
"""

from collections.abc import Iterable, Mapping
from itertools import takewhile
from typing import Any, NamedTuple

from xds.protocol.delta import DeltaState
from xds.protocol.response import Response
from xds.protocol.sequencer import Sequencer, Timing
from xds.protocol.sotw import SotwState
from xds.protocol.type_state import NOTHING_LEAVES, Leaving, Outcome, TypeState
from xds.snapshot import Changes, Resource, ResourceSet, Snapshot
from xds.snapshot.types import CLUSTER, ENDPOINT


class ProtocolError(Exception):
    """The client broke the protocol; the text says how. It ends this stream with INVALID_ARGUMENT and no other."""


class Due(NamedTuple):
    """What ``poll`` answers: the responses to send in this order, and when to ask again at the latest."""

    responses: list[Response]
    wake_at: float | None


class StreamState:
    """The protocol's state of one stream, aggregated (``only_type`` None) or of a single type.

    ``now`` is in seconds of any steady clock, the same one for every call.
    """

    def __init__(self, *, delta: bool, only_type: str | None = None, timing: Timing | None = None) -> None:
        self._delta = delta
        self._only_type = only_type
        self._states: dict[str, TypeState] = {}
        self._sequencer = Sequencer(timing or Timing())
        # The states in the order in which they send.
        self._ordered: list[TypeState] = []
        self._snapshot: Snapshot | None = None
        # Endpoints that are gone while clusters may wait for them yet, oldest first.
        self._leaving: dict[str, Leaving] = {}
        # Nonces are unique on a stream, across types (rule 2).
        self._nonces = 0
        # Requests and changes so far.
        self._turn = 0

    @property
    def delta(self) -> bool:
        """Whether it is a stream of the incremental variant."""
        return self._delta

    @property
    def attached(self) -> bool:
        """Whether there is a snapshot to serve."""
        return self._snapshot is not None

    @property
    def pending(self) -> bool:
        """Whether anything is owed to the client, or kept for it until an answer comes."""
        return bool(self._leaving) or any(state.pending for state in self._ordered)

    @property
    def types(self) -> tuple[str, ...]:
        """The types that the client subscribed to, in the order of its first requests."""
        return tuple(self._states)

    @property
    def names(self) -> int:
        """How many names the client is subscribed to, of all types together."""
        return sum(len(state.subscription.names) for state in self._states.values())

    @property
    def states(self) -> tuple[TypeState, ...]:
        """The states of these types."""
        return tuple(self._states.values())

    def of_type(self, type_url: str) -> TypeState | None:
        """Return the state of a type, or None where the client never asked for it."""
        return self._states.get(type_url)

    def resources(self, type_url: str) -> ResourceSet | None:
        """Return what there is of a type, or None where that is not known or nothing is served."""
        return self._snapshot.get(type_url) if self._snapshot else None

    def request(self, request: Any) -> Outcome:
        """Take a request. Raises ``ProtocolError`` where its type is none that this stream can carry."""
        type_url = request.type_url or self._only_type
        if not type_url:
            raise ProtocolError("type_url is empty: an aggregated stream needs one in every request")
        if self._only_type and type_url != self._only_type:
            raise ProtocolError(f"type_url is {type_url!r}: this stream carries {self._only_type!r} only")
        state = self._states.get(type_url)
        new = state is None
        if state is None:
            leaving = self._leaving if type_url == ENDPOINT else NOTHING_LEAVES
            state_class = DeltaState if self._delta else SotwState
            state = self._states[type_url] = state_class(type_url, leaving)
            self._ordered = self._sequencer.order(self._states)
        self._begin_turn()
        outcome = state.request(request, self.resources(type_url))
        if new and type_url == ENDPOINT and CLUSTER in self._states:
            # It may hold their endpoints from an earlier stream: clusters that it was sent since then wait for them anew.
            self._resend_endpoints(self._states[CLUSTER].sent)
        return outcome

    def attach(self, snapshot: Snapshot) -> None:
        """Serve this snapshot from now on."""
        self._snapshot = snapshot
        self._leaving.clear()
        self._begin_turn()
        for type_url, state in self._states.items():
            resources = snapshot.get(type_url)
            if resources is not None:
                state.compare(resources)

    def detach(self) -> None:
        """Serve nothing until a snapshot is attached again: the client keeps what it has."""
        self._snapshot = None
        self._leaving.clear()

    def changed(self, changes: Changes) -> None:
        """Take note of a change of the attached snapshot."""
        self._begin_turn()
        if CLUSTER in self._states:
            self._keep(changes.get(ENDPOINT, {}))
        for type_url, names in changes.items():
            state, resources = self._states.get(type_url), self.resources(type_url)
            if state is not None and resources is not None:
                state.settle(names, resources)

    def poll(self, now: float) -> Due:
        """Return what is to be sent now, and count it as sent."""
        responses: list[Response] = []
        sequencer = self._sequencer
        sequencer.begin()
        if self._leaving:
            self._let_leave(now)
        for state in self._ordered:
            resources = self.resources(state.type_url)
            if resources is None:
                continue
            removals_before = sequencer.allows(state, self._states, now)
            if removals_before is None:
                continue
            self._nonces += 1
            response = state.respond(str(self._nonces), now, resources, removals_before=removals_before)
            responses.append(response)
            if state.type_url == CLUSTER:
                self._resend_endpoints(filter(None, map(resources.get, response.changed)))
        return Due(responses, sequencer.wake_at)

    def _begin_turn(self) -> None:
        """Let what changes now be told from what came before: what changes together has one turn, whatever its types."""
        self._turn += 1
        for state in self._states.values():
            state.turn = self._turn

    def _keep(self, before: Mapping[str, Resource | None]) -> None:
        """Keep the endpoints that are gone: a cluster that is on its way to the client will ask for them."""
        resources = self.resources(ENDPOINT)
        for name, resource in before.items():
            self._leaving.pop(name, None)
            if resource is not None and (resources is None or name not in resources):
                self._leaving[name] = Leaving(resource, self._turn)

    def _let_leave(self, now: float) -> None:
        """Forget endpoints that no cluster can wait for any more: who has them is told that they are gone."""
        left = self._leaving.values()
        before = self._sequencer.outlived(next(iter(left)).turn, next(reversed(left)).turn, self._states, now)
        over = list(takewhile(lambda name: self._leaving[name].turn < before, self._leaving))
        for name in over:
            del self._leaving[name]
        state, resources = self._states.get(ENDPOINT), self.resources(ENDPOINT)
        if over and state is not None and resources is not None:
            state.settle(over, resources)

    def _resend_endpoints(self, clusters: Iterable[Resource]) -> None:
        """Owe the endpoints of clusters that were sent: each warms again, and waits for them (rule 30)."""
        endpoints = self._states.get(ENDPOINT)
        if endpoints is None:
            return
        resources = self.resources(ENDPOINT)
        for cluster in clusters:
            if cluster.eds_name is not None:
                endpoints.resend(cluster.eds_name, resources)
