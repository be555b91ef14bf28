"""How the Envoys of one tenant on one replica stand to what they are to have: what one replica knows, and tells the others.

Only what is *not* ACKed has a name here, so that a tenant of 10,000 LoadBalancers whose Envoys have them all takes no room.
"""

from collections.abc import Iterable, Mapping

import msgspec


class Standing(msgspec.Struct, omit_defaults=True, kw_only=True):
    """One tenant on one replica.

    ``version`` stands for the tenant's whole content there, ``envoys`` counts those that are connected, ``behind`` names the
    LoadBalancers that one of them has not ACKed as they are now, ``refused`` those that one has refused, with its words.
    ``unnamed`` counts those of both that there was no room to name: as long as there are any, all count as behind.
    """

    version: str = ""
    envoys: int = 0
    behind: set[str] = msgspec.field(default_factory=set)
    refused: dict[str, str] = msgspec.field(default_factory=dict)
    unnamed: int = 0

    def take(self, *, acked: Iterable[str], behind: Iterable[str], refused: Mapping[str, str]) -> set[str]:
        """Take what changed, and return the names of those that stand differently now."""
        changed = set()
        for name in acked:
            if self.forget(name):
                changed.add(name)
        for name in behind:
            if name not in self.behind:
                changed.add(name)
                self.refused.pop(name, None)
                self.behind.add(name)
        for name, text in refused.items():
            if self.refused.get(name) != text:
                changed.add(name)
                self.behind.discard(name)
                self.refused[name] = text
        return changed

    def forget(self, name: str) -> bool:
        """Take a LoadBalancer as one that is ACKed, or gone; return whether that is news."""
        known = name in self.behind or name in self.refused
        self.behind.discard(name)
        self.refused.pop(name, None)
        return known

    def differing(self, other: "Standing") -> set[str]:
        """Return the names that stand differently in another."""
        return (
            self.behind ^ other.behind
            | self.refused.keys() ^ other.refused.keys()
            | {name for name, text in self.refused.items() if other.refused.get(name, text) != text}
        )
