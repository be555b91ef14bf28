"""Make before break: which type may send what, and when, on a stream that carries several.

Clusters and their endpoints go first, listeners and routes once the clusters are ACKed, and what nothing points to any more
is removed last (rules 29 and 30). Additions and removals of listeners share a response, since a listener may take over the
address of one that goes. Every wait is bounded (rule 31): Envoy withholds the ACK of a cluster that warms for many
seconds, and nothing else is to wait for that.
"""

from dataclasses import dataclass
from typing import Final

from xds.protocol.type_state import TypeState
from xds.snapshot.types import CLUSTER, ENDPOINT, LISTENER, ORDER, ROUTE

_POINT_AT_CLUSTERS: Final = (LISTENER, ROUTE)


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
        self._waiting_since: dict[tuple[str, str], float] = {}
        self._wake_at: float | None = None

    @property
    def wake_at(self) -> float | None:
        """When a bound runs out, as found since ``begin``: then it is worth asking again. None: never by itself."""
        return self._wake_at

    def begin(self) -> None:
        """Start a round of questions."""
        self._wake_at = None

    def order(self, states: dict[str, TypeState]) -> list[TypeState]:
        """Return the types of a stream in the order in which they send."""
        known = [states[type_url] for type_url in ORDER if type_url in states]
        return known + [state for type_url, state in states.items() if type_url not in ORDER]

    def allows(self, state: TypeState, states: dict[str, TypeState], now: float) -> tuple[bool, bool]:
        """Return whether a type may send now, and whether its removals may go along."""
        type_url = state.type_url
        # Endpoints never wait: what empties a cluster has to arrive while that cluster still warms.
        if type_url != ENDPOINT and not self._elapsed(state.last_sent_at, self._timing.ack, now):
            return False, False
        if type_url in _POINT_AT_CLUSTERS:
            waits = self._waits("all", state, [states.get(CLUSTER)], self._timing.listeners, now)
            return not waits, not waits
        if not state.removals:
            return True, False
        blockers: list[TypeState | None] = []
        if type_url == CLUSTER:
            blockers = [states.get(other) for other in _POINT_AT_CLUSTERS]
        elif type_url == ENDPOINT:
            blockers = [states.get(CLUSTER)]
        removals = not self._waits("removals", state, blockers, self._timing.removals, now)
        return bool(removals or state.upserts or state.denied or state.must_answer), removals

    def sent(self, state: TypeState) -> None:
        """Take note that a type has sent; whatever it still owes waits from now."""
        self._waiting_since.pop(("all", state.type_url), None)
        if not state.removals:
            self._waiting_since.pop(("removals", state.type_url), None)

    def _waits(
        self, what: str, state: TypeState, blockers: list[TypeState | None], bound: float, now: float
    ) -> bool:
        key = (what, state.type_url)
        if not any(
            blocker is not None
            and (blocker.upserts or blocker.in_flight or self._owes_removals(what, blocker))
            for blocker in blockers
        ):
            self._waiting_since.pop(key, None)
            return False
        return not self._elapsed(self._waiting_since.setdefault(key, now), bound, now)

    @staticmethod
    def _owes_removals(what: str, blocker: TypeState) -> bool:
        """Whether the blocker's own removals have to go first: they do before removals, and not before additions."""
        return what == "removals" and bool(blocker.removals)

    def _elapsed(self, since: float | None, bound: float, now: float) -> bool:
        if since is None or now >= since + bound:
            return True
        self._wake_at = since + bound if self._wake_at is None else min(self._wake_at, since + bound)
        return False
