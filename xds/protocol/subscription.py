"""Which names a stream wants of one type: the wildcard rules of the discovery protocol, and nothing else.

Source: Envoy's "xDS REST and gRPC protocol", "How the client specifies what resources to return". Rules by number:
``docs/xds-protocol.md``.
"""

from collections.abc import Iterable, KeysView
from typing import Final, NamedTuple

WILDCARD: Final = "*"


class Change(NamedTuple):
    """What a request changed: names that are new, names that went, and whether the wildcard came or went."""

    added: list[str]
    dropped: list[str]
    gained_wildcard: bool
    lost_wildcard: bool


class Subscription:
    """The names one stream is subscribed to. Starts with none; each request changes it."""

    __slots__ = ("_named", "_names", "_wildcard")

    def __init__(self) -> None:
        self._names: dict[str, None] = {}  # in the order in which they were asked for
        self._wildcard = False
        # Whether any request named something: from then on an empty list means nothing, not everything.
        self._named = False

    @property
    def wildcard(self) -> bool:
        """Whether every resource is wanted."""
        return self._wildcard

    @property
    def names(self) -> KeysView[str]:
        """The names asked for one by one, as a live view."""
        return self._names.keys()

    def covers(self, name: str) -> bool:
        """Whether a resource of this name is wanted."""
        return self._wildcard or name in self._names

    def replace(self, names: Iterable[str]) -> Change:
        """State of the world: a request's names take the place of the earlier ones.

        A first request without names is a wildcard; once any name or ``*`` was sent, no names means none (rule 17).
        ``["*", "A"]`` and then ``["A"]`` drops the wildcard only (rule 18).
        """
        wanted, wildcard = self._stated(names)
        had, self._names = self._names, wanted
        added = [name for name in wanted if name not in had]
        dropped = [name for name in had if name not in wanted]
        return self._changed(added, dropped, wildcard=wildcard)

    def narrow(self, names: Iterable[str]) -> Change:
        """State of the world: a stale request adds nothing, but what it no longer names the client has let go of."""
        wanted, wildcard = self._stated(names)
        dropped = [name for name in self._names if name not in wanted]
        for name in dropped:
            del self._names[name]
        return self._changed([], dropped, wildcard=self._wildcard and wildcard)

    def change(self, subscribe: Iterable[str], unsubscribe: Iterable[str], *, first: bool) -> Change:
        """Delta: a request adds and drops names, and costs what it names.

        A first request that subscribes to nothing is a wildcard, which names that are added later leave as it is and only
        unsubscribing ``*`` ends (rule 27). Unsubscribing what was never subscribed is ignored (rule 26).
        """
        asked, left = dict.fromkeys(subscribe), dict.fromkeys(unsubscribe)
        wildcard = (self._wildcard or WILDCARD in asked or (first and not asked)) and WILDCARD not in left
        asked.pop(WILDCARD, None)
        added = [name for name in asked if name not in left and name not in self._names]
        dropped = [name for name in left if name in self._names]
        self._names.update(dict.fromkeys(added))
        for name in dropped:
            del self._names[name]
        return self._changed(added, dropped, wildcard=wildcard)

    def _stated(self, names: Iterable[str]) -> tuple[dict[str, None], bool]:
        """Return the names that a state-of-the-world request states, and whether it states the wildcard."""
        stated = dict.fromkeys(names)
        self._named = self._named or bool(stated)
        wildcard = WILDCARD in stated or not self._named
        stated.pop(WILDCARD, None)
        return stated, wildcard

    def _changed(self, added: list[str], dropped: list[str], *, wildcard: bool) -> Change:
        had, self._wildcard = self._wildcard, wildcard
        return Change(added, dropped, wildcard and not had, had and not wildcard)

    def __repr__(self) -> str:
        return f"Subscription({'* ' if self._wildcard else ''}{sorted(self._names)})"
