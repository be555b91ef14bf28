"""What can be told of an informer: for readiness, metrics and whoever looks for the reason that something is missing."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple


class InformerStatus(NamedTuple):
    """One informer at one moment. ``namespace`` is empty where it follows all; counts are since the program's start.

    ``error`` is what went wrong last and still does, empty while all goes well. ``failures`` count by reason.
    ``large_removals`` counts lists that lacked more than half of what was known.
    """

    kind: str
    namespace: str
    synced: bool
    error: str
    objects: int
    lists: int
    watches: int
    events: int
    failures: Mapping[str, int]
    large_removals: int

    @property
    def name(self) -> str:
        """What it is called in the store's `unsynced` and in log lines."""
        return informer_name(self.kind, self.namespace)


def informer_name(kind: str, namespace: str) -> str:
    """Return what an informer is called."""
    return f"{kind} in {namespace}" if namespace else kind


@dataclass(slots=True)
class Tally:
    """What an informer counts."""

    lists: int = 0
    watches: int = 0
    events: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    large_removals: int = 0
