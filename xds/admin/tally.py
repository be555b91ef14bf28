"""What happens on the streams, counted by tenant and type for whoever measures: an addition or two an event, and nothing a resource.

Numbers only; what they are called elsewhere is not known here. What a client says of itself makes no new numbers: a tenant has
some of its own as long as there is something to serve to it, and all others share one.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from typing import Final

from xds.protocol import Outcome, Response
from xds.server import Observer, StreamInfo
from xds.snapshot.types import ORDER, short

OTHER: Final = "other"
"""The type of all that have no well-known name."""
UNKNOWN: Final = "(unknown)"
"""Instead of a tenant that has nothing; no namespace can have this name."""

_TYPES: Final = {type_url: short(type_url) for type_url in ORDER}
_FEW: Final = 100
"""Tenants that may be counted before anybody looks which of them are gone."""


def type_label(type_url: str) -> str:
    """Return ``CDS``, ``EDS``, … for a well-known type, else ``other``: there are six of them, whatever is served."""
    return _TYPES.get(type_url, OTHER)


class Counts:
    """What happened to one tenant's responses of one type."""

    __slots__ = ("acks", "nacks", "pushes")

    def __init__(self) -> None:
        self.pushes = 0
        self.acks = 0
        self.nacks = 0


class Histogram:
    """How many durations there were up to each of some bounds, in seconds, as Prometheus counts them."""

    __slots__ = ("_bounds", "_counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        """Take the bounds in rising order; what is above the last is counted as well."""
        self._bounds = tuple(bounds)
        self._counts = [0] * (len(bounds) + 1)
        #: The sum of all, in seconds.
        self.total = 0.0

    def observe(self, seconds: float) -> None:
        """Count a duration."""
        self._counts[bisect_left(self._bounds, seconds)] += 1
        self.total += seconds

    @property
    def buckets(self) -> list[tuple[str, int]]:
        """Each bound as a label has it, and how many durations were not above it; +Inf is last."""
        return list(zip((*map(str, self._bounds), "+Inf"), accumulate(self._counts), strict=True))


class Tally(Observer):
    """Counts pushes, ACKs and NACKs, and how long ACKs took. Belongs to one event loop."""

    def __init__(self, known: Callable[[str], bool], bounds: Sequence[float]) -> None:
        """``known`` says whether a tenant has something to serve, ``bounds`` are those of ``push_to_ack``, in seconds."""
        self._known = known
        self._bounds = bounds
        self._tenants: dict[str, dict[str, Counts]] = {}
        self._unknown: dict[str, Counts] = {}
        self._look_at = _FEW
        #: How long Envoys took to ACK, by type.
        self.push_to_ack: dict[str, Histogram] = {}

    def pushed(self, stream: StreamInfo, response: Response, seconds: float) -> None:  # noqa: ARG002
        """Count a push."""
        self._of(stream.tenant, type_label(response.type_url)).pushes += 1

    def answered(self, stream: StreamInfo, type_url: str, outcome: Outcome, seconds: float) -> None:
        """Count an ACK or a NACK; any other request is none."""
        if outcome.push is None:
            return
        of_type = type_label(type_url)
        counts = self._of(stream.tenant, of_type)
        if outcome.kind == "nack":
            counts.nacks += 1
            return
        counts.acks += 1
        histogram = self.push_to_ack.get(of_type)
        if histogram is None:
            histogram = self.push_to_ack[of_type] = Histogram(self._bounds)
        histogram.observe(seconds)

    def forget(self) -> None:
        """Forget the tenants that have nothing any more: theirs begin at 0 when they come back."""
        self._tenants = {tenant: counts for tenant, counts in self._tenants.items() if self._known(tenant)}
        self._look_at = 2 * len(self._tenants) + _FEW

    def counts(self) -> Iterator[tuple[str, str, Counts]]:
        """Yield tenant, type and counts of all that had a push or an answer; all unknown tenants are one."""
        for tenant, of_types in (*self._tenants.items(), (UNKNOWN, self._unknown)):
            for of_type, counts in of_types.items():
                yield tenant, of_type, counts

    def _of(self, tenant: str, of_type: str) -> Counts:
        of_types = self._tenants.get(tenant)
        if of_types is None:
            of_types = self._begin(tenant)
        counts = of_types.get(of_type)
        if counts is None:
            counts = of_types[of_type] = Counts()
        return counts

    def _begin(self, tenant: str) -> dict[str, Counts]:
        if not self._known(tenant):
            return self._unknown
        if len(self._tenants) >= self._look_at:
            self.forget()  # where nobody asks for the counts
        of_types = self._tenants[tenant] = {}
        return of_types
