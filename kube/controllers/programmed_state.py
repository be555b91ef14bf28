"""What `programmed` knows of a tenant: its content by number, its LoadBalancers in the order of change, and every replica's view."""

from typing import Final

from kube.controllers.standing import Standing
from kube.objects import Condition

_HISTORY: Final = 256
"""Contents of a tenant of which it is known what changed since: more than any replica lags behind."""


class View:
    """One tenant on one replica; ``seq`` is the number of the content that it speaks of, None where that is not known."""

    __slots__ = ("seq", "standing")

    def __init__(self, standing: Standing, seq: int | None) -> None:
        self.standing = standing
        self.seq = seq


class Progress:
    """One LoadBalancer.

    ``changed`` and ``changed_at`` are number and moment of the content that changed it last; ``empty``: it has none. While not all
    have ACKed it, ``since`` says since when (None: they have, or it is refused), ``since_seq`` by which content, ``reason`` what for.
    """

    __slots__ = ("changed", "changed_at", "empty", "generation", "reason", "since", "since_seq", "verdict")

    def __init__(self) -> None:
        self.changed = 0
        self.changed_at = 0.0
        self.empty = False
        self.generation = 0
        self.since: float | None = None
        self.since_seq = 0
        self.reason = ""
        self.verdict: Condition | None = None


class TenantState:
    """One tenant: its content's version and number, its LoadBalancers in the order of change, and a view for each replica.

    ``open`` are the LoadBalancers that are not known to be ACKed by all. ``unsure_since``: since when there is no Envoy, or
    a replica speaks of a content that is not known.
    """

    __slots__ = ("history", "loadbalancers", "name", "open", "seq", "unsure_since", "version", "views")

    def __init__(self, name: str) -> None:
        self.name = name
        self.version = ""
        self.seq = 0
        self.history: dict[str, int] = {}
        self.loadbalancers: dict[str, Progress] = {}
        self.views: dict[str, View] = {}
        self.open: set[str] = set()
        self.unsure_since: float | None = None

    @property
    def connected(self) -> list[View]:
        """The views of replicas that have an Envoy."""
        return [view for view in self.views.values() if view.standing.envoys]

    def seq_of(self, standing: Standing) -> int | None:
        """Return the number of the content that a standing speaks of."""
        return None if standing.unnamed else self.history.get(standing.version)

    def changed_since(self, seq: int) -> list[str]:
        """Return the LoadBalancers that changed after this content; proportional to how many these are."""
        names = []
        for name, loadbalancer in reversed(self.loadbalancers.items()):
            if loadbalancer.changed <= seq:
                break
            names.append(name)
        return names

    def turned(self, version: str) -> bool:
        """Take a version; return whether it is another one."""
        if version == self.version:
            return False
        self.version = version
        self.seq += 1
        self.history.pop(version, None)
        self.history[version] = self.seq
        while len(self.history) > _HISTORY:
            del self.history[next(iter(self.history))]
        return True
