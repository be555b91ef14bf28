"""Make before break: which type may send what, and when, on a stream that carries several.

Clusters and their endpoints go first, listeners and routes once the clusters are ACKed, and what nothing points to any more
is removed last (rules 29 and 30). Additions and removals of listeners share a response, since a listener may take over the
address of one that goes. Every wait is bounded (rule 31): Envoy withholds the ACK of a cluster that warms for many
seconds, and nothing else is to wait for that.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from xds.protocol.type_state import TypeState
from xds.snapshot.types import CLUSTER, ENDPOINT, LISTENER, ORDER, ROUTE

# What a type's responses wait for, and what its removals wait for besides: the types that have to be done first.
_AFTER: Final[Mapping[str, tuple[str, ...]]] = {LISTENER: (CLUSTER,), ROUTE: (CLUSTER,)}
_REMOVALS_AFTER: Final[Mapping[str, tuple[str, ...]]] = {
    ROUTE: (LISTENER,),
    CLUSTER: (LISTENER, ROUTE),
    ENDPOINT: (CLUSTER, LISTENER, ROUTE),
}


@dataclass(frozen=True, slots=True)
class Timing:
    """How long one thing waits for another, in seconds.

    ``ack``: the next response of a type for the ACK of the last. Envoy 1.40 applies a second CDS response within 0.15 s
    while it withholds the first one's ACK. ``listeners``: listeners and routes for the clusters' ACK. ``removals``:
    removals for the ACK of what stopped pointing there.
    """

    ack: float = 0.2
    listeners: float = 1.0
    removals: float = 5.0


class Sequencer:
    """The order of one stream. It remembers since when each type waits, and nothing else."""

    def __init__(self, timing: Timing) -> None:
        self._timing = timing
        # Since when a type's responses wait for other types, and since when its removals do.
        self._waiting: dict[str, float] = {}
        self._waiting_to_remove: dict[str, float] = {}
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

    def allows(self, state: TypeState, states: Mapping[str, TypeState], now: float) -> tuple[bool, bool]:
        """Return whether a type may send now, and whether its removals may go along; then it does."""
        timing, type_url = self._timing, state.type_url
        first = [states[other] for other in _AFTER.get(type_url, ()) if other in states]
        waits = self._waits(
            self._waiting,
            type_url,
            timing.listeners,
            now,
            blocked=state.pending and any(_adds(other) for other in first),
        )
        first = [states[other] for other in _REMOVALS_AFTER.get(type_url, ()) if other in states]
        keeps = self._waits(
            self._waiting_to_remove,
            type_url,
            timing.removals,
            now,
            blocked=bool(state.removals) and any(_adds(other) or other.removals for other in first),
        )
        owes = state.adds or (state.removals and not keeps)
        if waits or not owes or not (state.urgent or self._elapsed(state.last_sent_at, timing.ack, now)):
            return False, False
        self._waiting.pop(type_url, None)
        if not keeps:
            self._waiting_to_remove.pop(type_url, None)
        return True, not keeps

    def _waits(
        self, since: dict[str, float], type_url: str, bound: float, now: float, *, blocked: bool
    ) -> bool:
        """Whether a type waits on. The bound counts from when it began to, and is forgotten with the reason."""
        if not blocked:
            since.pop(type_url, None)
            return False
        return not self._elapsed(since.setdefault(type_url, now), bound, now)

    def _elapsed(self, since: float | None, bound: float, now: float) -> bool:
        if since is None or now >= since + bound:
            return True
        self._wake_at = since + bound if self._wake_at is None else min(self._wake_at, since + bound)
        return False


def _adds(state: TypeState) -> bool:
    """Whether a type has yet to send something, or to hear that it arrived."""
    return bool(state.upserts or state.in_flight)
