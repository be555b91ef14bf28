"""Who may hold a lease, and for how long: client-go's rules of leader election, by one candidate's own clock. No I/O.

No other machine's clock is trusted: a holder is gone once its record has not changed for the lease's duration while we
looked. A holder counts its own time from before it asked for a renewal, and for less than that duration, so that it has
stopped before anybody else begins.
"""

from dataclasses import dataclass
from math import ceil, inf
from typing import Final

from msgspec import Struct

LONGEST_PATIENCE: Final = 10
"""Durations of ours that a foreign record may ask to be left alone for: nonsense is not to stop us for years."""

_RELEASED: Final = 1
"""leaseDurationSeconds of a lease that was given up, as client-go marks it."""

_MAX_TRANSITIONS: Final = 2**31 - 1
"""leaseTransitions is an int32."""


@dataclass(frozen=True, slots=True)
class LeaseTiming:
    """How long a lease lives, in seconds; the defaults are client-go's.

    ``duration``: after which others take a lease that is not renewed. ``renew``: for which a holder leads after a renewal, at
    most. ``retry``: between two attempts, at most.
    """

    duration: float = 15.0
    renew: float = 10.0
    retry: float = 2.0

    def __post_init__(self) -> None:
        if not 0 < 2 * self.retry <= self.renew < self.duration:
            raise ValueError(
                f"a lease needs retry <= renew / 2 and renew < duration: got retry={self.retry:g} renew={self.renew:g} "
                f"duration={self.duration:g}"
            )


class Record(Struct, frozen=True, rename="camel"):
    """The spec of a coordination.k8s.io/v1 Lease, as far as it is ours."""

    holder_identity: str | None = None
    lease_duration_seconds: int | None = None
    acquire_time: str | None = None
    renew_time: str | None = None
    lease_transitions: int | None = None

    @property
    def released(self) -> bool:
        """Whether its holder gave it up, rather than that somebody emptied it while it may be held."""
        return not self.holder_identity and self.lease_duration_seconds == _RELEASED


class LeaseMeta(Struct, frozen=True, rename="camel"):
    """Of a Lease's metadata what decides who wrote last."""

    resource_version: str


class Lease(Struct, frozen=True):
    """A coordination.k8s.io/v1 Lease."""

    metadata: LeaseMeta
    spec: Record | None = None


class Claim:
    """What one candidate knows of a lease and may do about it. Times are seconds of its own clock, texts are only shown.

    A record is known as its own by name and acquireTime together: by the name alone, another process of that name would be
    mistaken for this one, and so would this one's own past after etcd was restored.
    """

    def __init__(self, identity: str, timing: LeaseTiming) -> None:
        self._identity = identity
        self._timing = timing
        self._seen: Record | None = None
        self._seen_at = -inf
        self._acquired = ""
        self._until = -inf

    @property
    def until(self) -> float:
        """Up to when it leads, unless it renews the lease before."""
        return self._until

    @property
    def holder(self) -> str:
        """Whom the lease named last."""
        return (self._seen and self._seen.holder_identity) or ""

    @property
    def at_stake(self) -> bool:
        """Whether the lease may be held by this candidate, as far as it knows: also after a write that nobody answered."""
        return bool(self._acquired)

    def leads(self, now: float) -> bool:
        """Return whether this candidate surely holds the lease."""
        return now < self._until

    def found(self, record: Record | None, now: float) -> None:
        """Take note of what the server has now; None: there is no Lease."""
        seen = self._seen
        if record is None and seen is not None and self.owns(seen) and self.leads(now):
            return  # it was deleted, and is still ours to create: nobody else can have held it since
        record = record or Record()
        if not self.owns(record):
            if record == seen:
                return
            self._acquired = ""
            self._until = -inf
            # A lease that nobody held when we came is free, as for client-go: else each installation would begin with a wait.
            # One that loses its holder later was tampered with, and that one may believe in it still.
            self._seen_at = now if seen is not None or record.holder_identity else -inf
        self._seen = record

    def is_free(self, now: float) -> bool:
        """Return whether this candidate may write itself into the lease, or renew it."""
        seen = self._seen
        if seen is None:
            return False
        return self.owns(seen) or seen.released or now >= self._seen_at + self._patience(seen)

    def proposal(self, time: str) -> Record:
        """Return what to write. `time` is the present as the API server writes it; no two may be alike."""
        seen = self._seen or Record()
        transitions = seen.lease_transitions or 0
        if not self.owns(seen):
            self._acquired = self._acquired or time
            if seen != Record():
                transitions = transitions + 1 if transitions < _MAX_TRANSITIONS else 0
        return Record(
            self._identity, max(1, ceil(self._timing.duration)), self._acquired, time, max(0, transitions)
        )

    def written(self, record: Record, started: float) -> None:
        """Take note that the server took a proposal, and of when the request began."""
        self._seen = record
        self._until = started + self._timing.renew

    def stop(self) -> None:
        """Lead no more, whatever the lease says."""
        self._until = -inf

    def farewell(self, time: str) -> Record:
        """Return what gives the lease up."""
        seen = self._seen or Record()
        return Record(None, _RELEASED, time, time, max(0, seen.lease_transitions or 0))

    def owns(self, record: Record) -> bool:
        """Return whether this candidate wrote a record, and nobody else has since."""
        return (
            bool(self._acquired)
            and record.holder_identity == self._identity
            and record.acquire_time == self._acquired
        )

    def _patience(self, record: Record) -> float:
        ours = self._timing.duration
        return min(max(ours, record.lease_duration_seconds or 0), LONGEST_PATIENCE * ours)
