"""Make before break: which type may send what, and when, on a stream that carries several.

Clusters and their endpoints go first, listeners and routes once both are ACKed, and what nothing points to any more is removed
last (rules 29 and 30). The clusters' ACK alone is not enough: one that was on its way out, and comes back, is active and
may have lost its endpoints. Additions and removals of listeners share a response, since a listener may take over the
address of one that goes. Endpoints that left the snapshot are kept for whoever asks, as long as a cluster may wait for them: without
them it would become active and empty, and were they back a moment later, it would not warm again. Every wait is bounded (rule 31): Envoy withholds the ACK of a cluster that warms for many
seconds, and nothing else is to wait for that.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Final

from xds.protocol.type_state import TypeState
from xds.snapshot.types import CLUSTER, ENDPOINT, LISTENER, ORDER, ROUTE

# What a type's responses wait for, and what its removals wait for besides: the types that have to be done first.
_AFTER: Final[Mapping[str, tuple[str, ...]]] = {LISTENER: (CLUSTER, ENDPOINT), ROUTE: (CLUSTER, ENDPOINT)}
_REMOVALS_AFTER: Final[Mapping[str, tuple[str, ...]]] = {
    ROUTE: (LISTENER,),
    CLUSTER: (LISTENER, ROUTE),
    ENDPOINT: (CLUSTER, LISTENER, ROUTE),
}
# Instead of a type: endpoints that left the snapshot.
_LEAVING: Final = "leaving"


@dataclass(frozen=True, slots=True)
class Timing:
    """How long one thing waits for another, in seconds.

    ``ack``: the next response of a type for the ACK of the last. Envoy 1.40 applies a second CDS response within 0.15 s
    while it withholds the first one's ACK. ``listeners``: listeners and routes for the ACK of clusters and endpoints. ``removals``:
    removals for the ACK of what stopped pointing there.
    """

    ack: float = 0.2
    listeners: float = 1.0
    removals: float = 5.0


class Sequencer:
    """The order of one stream. It remembers since when each type waits, and nothing else."""

    def __init__(self, timing: Timing) -> None:
        self._timing = timing
        # Since when a type's responses wait for other types, and its removals by turn, oldest first.
        self._waiting: dict[str, float] = {}
        self._removing: dict[str, dict[int, float]] = {}
        self._wake_at: float | None = None

    @property
    def wake_at(self) -> float | None:
        """When a bound runs out, as found since ``begin``: then it is worth asking again. None: never by itself."""
        return self._wake_at

    def begin(self) -> None:
        """Start a round of questions."""
        self._wake_at = None

    def order(self, states: Mapping[str, TypeState]) -> list[TypeState]:
        """Return the types of a stream in the order in which they send."""
        known = [states[type_url] for type_url in ORDER if type_url in states]
        return known + [state for type_url, state in states.items() if type_url not in ORDER]

    def outlived(self, oldest: int, newest: int, states: Mapping[str, TypeState], now: float) -> int:
        """Return the turn before which endpoints that left the snapshot are over: no cluster of then waits for them.

        ``oldest`` and ``newest`` are the turns of those that are kept.
        """
        before = _open(_REMOVALS_AFTER, ENDPOINT, states, removals=True)
        return self._bounded(_LEAVING, oldest, newest, before, now)

    def allows(self, state: TypeState, states: Mapping[str, TypeState], now: float) -> int | None:
        """Return None where a type is not to send now; else it does, with its removals that are older than this turn."""
        if not state.pending:
            self._waiting.pop(state.type_url, None)
            self._removing.pop(state.type_url, None)
            return None
        waits = self._waits(state, states, now)
        before = self._removals_before(state, states, now)
        owes = state.adds or any(turn < before for turn in islice(state.removals.values(), 1))
        paced = state.urgent or self._elapsed(state.last_sent_at, self._timing.ack, now)
        if waits or not owes or not paced:
            return None
        self._waiting.pop(state.type_url, None)
        return before

    def _waits(self, state: TypeState, states: Mapping[str, TypeState], now: float) -> bool:
        """Whether a type waits for what came before its newest change, or with it. The bound counts from when it began to."""
        if state.type_url not in _AFTER:
            return False
        if _open(_AFTER, state.type_url, states, removals=False) > state.newest:
            self._waiting.pop(state.type_url, None)
            return False
        since = self._waiting.setdefault(state.type_url, now)
        return not self._elapsed(since, self._timing.listeners, now)

    def _removals_before(self, state: TypeState, states: Mapping[str, TypeState], now: float) -> int:
        """Return the turn before which removals may go: what is older than all that is open elsewhere, or waits for too long."""
        if not state.removals:
            self._removing.pop(state.type_url, None)
            return sys.maxsize
        before = _open(_REMOVALS_AFTER, state.type_url, states, removals=True)
        oldest, newest = next(iter(state.removals.values())), next(reversed(state.removals.values()))
        return self._bounded(state.type_url, oldest, newest, before, now)

    def _bounded(self, key: str, oldest: int, newest: int, before: int, now: float) -> int:
        """Return the turn before which what waits under a key may go, later than ``before`` where it waits for too long."""
        if newest < before:
            self._removing.pop(key, None)
            return before
        waiting = {turn: at for turn, at in self._removing.get(key, {}).items() if turn >= oldest}
        waiting.setdefault(newest, now)
        self._removing[key] = waiting
        for turn, since in waiting.items():
            if turn >= before:
                if not self._elapsed(since, self._timing.removals, now):
                    break
                before = turn + 1
        return before

    def _elapsed(self, since: float | None, bound: float, now: float) -> bool:
        if since is None or now >= since + bound:
            return True
        self._wake_at = since + bound if self._wake_at is None else min(self._wake_at, since + bound)
        return False


def _open(
    table: Mapping[str, tuple[str, ...]],
    type_url: str,
    states: Mapping[str, TypeState],
    *,
    removals: bool,
) -> int:
    """Return the oldest turn that is open for those that go first, or one that never comes."""
    others = (states[other] for other in table.get(type_url, ()) if other in states)
    turns = (other.open_since(removals=removals) for other in others)
    return min((turn for turn in turns if turn is not None), default=sys.maxsize)
