"""How much one client may take: streams in all, streams of one node, names on one stream.

Counting only: who is told, and how a stream ends, is the stream's business. A limit keeps a client that has gone wrong from
taking what the others need; an Envoy that works never meets one.
"""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final, Self

# A delta reconnect lists every resource that the client holds (rule 33).
MAX_REQUEST: Final = 32 * 1024 * 1024
"""Bytes of one request, and of all requests of a stream together that list what the client holds."""

_MAX_TYPES: Final = 100
"""Types on one stream. Envoy 1.40 knows about twenty; one that nobody knows is held open too (rule 4)."""
_LONGEST_NAME: Final = 2048
"""Characters of a resource's name or a type's: a Kubernetes name has 253 at most, an xdstp:// URL some hundreds."""
_TURNED_AWAY_AT_ONCE: Final = 100
_PATIENCE: Final = 1.0


class LimitError(Exception):
    """A client wants more than a limit allows; the text names the limit. It ends the stream with RESOURCE_EXHAUSTED."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits that an operator may set.

    ``max_streams``: open at once on this server, about 30 kB each. ``max_node_streams``: of one node of one tenant. An
    Envoy has one aggregated stream; without it one for clusters, one for listeners and one for the endpoints of *each*
    cluster (measured on 1.40). ``max_names``: subscribed to at once on one stream, and listed in one request.
    """

    max_streams: int = 24_000
    max_node_streams: int = 12_000
    max_names: int = 50_000


class Seat:
    """A stream's place among all that are open; a context manager that frees it.

    ``patience`` is None for a stream that has one, else for how many seconds the stream may still say whose it is before
    it is turned away: the log is to name the Envoy.
    """

    def __init__(self, admission: "Admission", patience: float | None) -> None:
        self.patience = patience
        self._admission = admission
        self._node: tuple[str, str] | None = None

    def take(self, tenant: str, node: str) -> None:
        """Count the stream as this node's. Raises ``LimitError`` where there is no room for it."""
        if self.patience is not None:
            raise self.refusal()
        self._admission.enter_node(tenant, node)
        self._node = (tenant, node)

    def refusal(self) -> LimitError:
        """Return the words for a stream that has no place among all."""
        limit = self._admission.limits.max_streams
        return LimitError(f"too many streams: the server's limit max_streams is {limit}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._admission.leave(self._node)


class Admission:
    """Counts the open streams."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._open = 0
        self._nodes: Counter[tuple[str, str]] = Counter()

    def enter(self) -> Seat:
        """Count a new stream; its seat says whether there was room."""
        over = self._open - self.limits.max_streams
        self._open += 1
        if over < 0:
            return Seat(self, None)
        return Seat(self, _PATIENCE if over < _TURNED_AWAY_AT_ONCE else 0)

    def enter_node(self, tenant: str, node: str) -> None:
        """Count a stream of a node. Raises ``LimitError`` where it has all that it may have."""
        limit = self.limits.max_node_streams
        if self._nodes[tenant, node] >= limit:
            raise LimitError(
                f"too many streams of node {node!r}: the server's limit max_node_streams is {limit}"
            )
        self._nodes[tenant, node] += 1

    def leave(self, node: tuple[str, str] | None) -> None:
        """Count a stream no more."""
        self._open -= 1
        if node is not None:
            self._nodes[node] -= 1
            if not self._nodes[node]:
                del self._nodes[node]


class Measure:
    """What one stream has asked for so far, held against the limits before and after a request is taken in."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        # What the client said that it holds, which each type keeps until it is compared: names, and bytes of requests.
        self._listed = 0
        self._listed_bytes = 0

    def request(self, request: Any, size: int, *, delta: bool) -> None:
        """Check a request of ``size`` bytes before anybody goes through it. Raises ``LimitError``."""
        names: list[Collection[str]] = []
        if delta:
            names = [request.resource_names_subscribe, request.resource_names_unsubscribe]
            self._list(request.initial_resource_versions, size)
        else:
            names = [request.resource_names]
        for each in names:
            self._count(len(each))
        if size > _LONGEST_NAME:
            _measure((request.type_url,), *names)

    def taken(self, *, types: int, names: int) -> None:
        """Check what the stream is subscribed to by all its requests. Raises ``LimitError``."""
        if types > _MAX_TYPES:
            raise LimitError(f"more than {_MAX_TYPES} types on one stream")
        self._count(names)

    def _list(self, held: Collection[str], size: int) -> None:
        if not held:
            return
        self._listed += len(held)
        self._listed_bytes += size
        if self._listed_bytes > MAX_REQUEST:
            raise LimitError(f"initial_resource_versions of more than {MAX_REQUEST} bytes on one stream")
        self._count(self._listed)

    def _count(self, names: int) -> None:
        limit = self._limits.max_names
        if names > limit:
            raise LimitError(f"{names} names on one stream: the server's limit max_names is {limit}")


def _measure(*lists: Collection[str]) -> None:
    longest = max((len(name) for names in lists for name in names), default=0)
    if longest > _LONGEST_NAME:
        raise LimitError(f"a name of {longest} characters: the longest that is kept has {_LONGEST_NAME}")
