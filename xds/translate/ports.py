"""Manifests mode: which LoadBalancer of a tenant holds which listener port.

Without Kubernetes nobody allocates ports, so a listener's port is the LoadBalancer's own spec.ports[].port,
and two LoadBalancers may ask for the same one. The table keeps who asks for what and answers who gets it:
the lowest name, whatever came first, so that every replica and every restart decides alike. An update costs
what changed, not what exists. It knows one tenant; Kubernetes' allocation is none of its concern.
"""

from bisect import bisect_left, insort
from typing import Final, NamedTuple, TypeAlias

from kube.objects import EndpointPort, LoadBalancer, ServicePort
from kube.objects.pairing import described, pair
from xds.translate.model import ListenerPorts, PortRefusal

ENVOYS_OWN: Final = range(19000, 20000)
"""Ports that no listener may have: Envoy's admin interface and the like (kubelb.md, "listener port")."""

_Listen: TypeAlias = tuple[str, int]
"""Protocol and port: what two listeners of one Envoy cannot share. TCP 53 and UDP 53 are two things."""


class _Claim(NamedTuple):
    """What an endpoint port asks for, and the index in spec.ports that says so."""

    listen: _Listen
    service_port: int


_Wants: TypeAlias = dict[tuple[int, int], _Claim | PortRefusal]


class PortTable:
    """The listener ports of one tenant's LoadBalancers."""

    def __init__(self) -> None:
        self._wants: dict[str, _Wants] = {}
        self._claimants: dict[_Listen, list[str]] = {}
        """Who asks for a port, lowest name first: that one has it."""

    def __repr__(self) -> str:
        return f"<PortTable {len(self._wants)} LoadBalancers, {len(self._claimants)} ports>"

    def update(self, name: str, lb: LoadBalancer | None) -> frozenset[str]:
        """Record a LoadBalancer as it is now, or with None that it is gone.

        Returns the names whose `ports_of` is another than before, its own included: who got a port that it
        gave up, who lost one that it took, and who waits for another holder now. Translate all of them into
        one snapshot, so that a port moves in one update.
        """
        before = self.ports_of(name) if name in self._wants else None
        old = _listens(self._wants.pop(name, {}))
        new: frozenset[_Listen] = frozenset()
        if lb is not None:
            self._wants[name] = _wants(lb)
            new = _listens(self._wants[name])
        changed: set[str] = set()
        for listen in old - new:
            changed.update(self._release(listen, name))
        for listen in new - old:
            changed.update(self._claim(listen, name))
        changed.discard(name)
        if before != (None if lb is None else self.ports_of(name)):
            changed.add(name)
        return frozenset(changed)

    def ports_of(self, name: str) -> ListenerPorts:
        """Return the listener ports of a recorded LoadBalancer. Raises KeyError for any other."""
        return {place: self._outcome(name, want) for place, want in self._wants[name].items()}

    def _outcome(self, name: str, want: _Claim | PortRefusal) -> int | PortRefusal:
        if isinstance(want, PortRefusal):
            return want
        protocol, port = want.listen
        holder = self._claimants[want.listen][0]
        if holder == name:
            return port
        field = f"spec.ports[{want.service_port}].port"
        return PortRefusal(
            reason="PortConflict",
            message=f"{field} {port} ({protocol}) is held by LoadBalancer {holder} of the same tenant, whose name "
            "is lower; choose another port for one of them",
            path=field,
        )

    def _release(self, listen: _Listen, name: str) -> list[str]:
        """Return whom it concerns that this LoadBalancer no longer asks for the port."""
        claimants = self._claimants[listen]
        index = bisect_left(claimants, name)
        del claimants[index]
        if not claimants:
            del self._claimants[listen]
        # Who waits names the holder in its refusal: a new holder is news to all of them.
        return claimants if index == 0 else []

    def _claim(self, listen: _Listen, name: str) -> list[str]:
        """Return whom it concerns that this LoadBalancer now asks for the port."""
        claimants = self._claimants.setdefault(listen, [])
        insort(claimants, name)
        return claimants if claimants[0] == name else []


def _listens(wants: _Wants) -> frozenset[_Listen]:
    return frozenset(want.listen for want in wants.values() if isinstance(want, _Claim))


def _wants(lb: LoadBalancer) -> _Wants:
    """Return for each endpoint port what it asks for, or why it gets nothing whatever others have."""
    service_of = pair(lb).service_of
    wants: _Wants = {}
    for group, endpoint in enumerate(lb.spec.endpoints):
        for index, port in enumerate(endpoint.ports):
            if group == 0 and index in service_of:
                service_port = service_of[index]
                wants[group, index] = _want(service_port, lb.spec.ports[service_port])
            else:
                wants[group, index] = _not_listed(group, index, port)
    return wants


def _want(index: int, port: ServicePort) -> _Claim | PortRefusal:
    if port.port not in ENVOYS_OWN:
        return _Claim((port.protocol, port.port), index)
    field = f"spec.ports[{index}].port"
    return PortRefusal(
        reason="ReservedPort",
        message=f"{field} {port.port} is one of Envoy's own ports ({ENVOYS_OWN[0]}-{ENVOYS_OWN[-1]}); choose another",
        path=field,
    )


def _not_listed(group: int, index: int, port: EndpointPort) -> PortRefusal:
    field = f"spec.endpoints[{group}].ports[{index}]"
    if group > 0:
        return PortRefusal(
            reason="NotFirstEndpointGroup",
            message=f"{field} ({described(port)}) gets no listener, as spec.ports belongs to the first endpoint "
            "group; put this group into a LoadBalancer of its own",
            path=field,
        )
    return PortRefusal(
        reason="PortNotListed",
        message=f"{field} ({described(port)}) matches no entry of spec.ports, so nothing listens for it; add an "
        "entry with its name and protocol, or remove the port",
        path=field,
    )
