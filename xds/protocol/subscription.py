"""Which names a stream wants of one type: the wildcard rules of the discovery protocol, and nothing else.

Source: Envoy's "xDS REST and gRPC protocol", "How the client specifies what resources to return".
"""

from collections.abc import Iterable

WILDCARD = "*"


class Subscription:
    """The names one stream is subscribed to. Starts with none; each request changes it."""

    __slots__ = ("_named", "_names", "_wildcard")

    def __init__(self) -> None:
        self._names: set[str] = set()
        self._wildcard = False
        # Whether any request named something: from then on an empty list means nothing, not everything.
        self._named = False

    @property
    def wildcard(self) -> bool:
        """Whether every resource is wanted."""
        return self._wildcard

    @property
    def names(self) -> frozenset[str]:
        """The names asked for one by one."""
        return frozenset(self._names)

    def covers(self, name: str) -> bool:
        """Whether a resource of this name is wanted."""
        return self._wildcard or name in self._names

    def replace(self, names: Iterable[str]) -> set[str]:
        """State of the world: a request's names replace the earlier ones. Returns the names that are new.

        A first request without names is a wildcard; once any name or ``*`` was sent, no names means none (rule 17).
        ``["*", "A"]`` and then ``["A"]`` drops the wildcard only (rule 18).
        """
        wanted = set(names)
        if not wanted and not self._named:
            self._wildcard = True
            return set()
        self._named = True
        self._wildcard = WILDCARD in wanted
        wanted.discard(WILDCARD)
        added = wanted - self._names
        self._names = wanted
        return added

    def change(self, subscribe: Iterable[str], unsubscribe: Iterable[str], *, first: bool) -> set[str]:
        """Delta: a request adds and drops names. Returns the dropped ones that were subscribed.

        A first request that subscribes to nothing is a wildcard, which names that are added later leave as it is and only
        unsubscribing ``*`` ends (rule 27). Unsubscribing what was never subscribed is ignored (rule 26).
        """
        wanted = set(subscribe)
        if first and not wanted:
            self._wildcard = True
        if WILDCARD in wanted:
            self._wildcard = True
            wanted.discard(WILDCARD)
        self._names |= wanted
        dropped: set[str] = set()
        for name in unsubscribe:
            if name == WILDCARD:
                self._wildcard = False
            elif name in self._names:
                self._names.discard(name)
                dropped.add(name)
        return dropped

    def __repr__(self) -> str:
        return f"Subscription({'* ' if self._wildcard else ''}{sorted(self._names)})"
