"""Which LoadBalancer of a tenant holds which listener port.

What a LoadBalancer asks for is said by one of two functions: `spec_ports` takes the ports of its own spec, for
manifests, where nobody allocates any; `recorded_ports` takes what the leader, or KubeLB, wrote into its status. Two
LoadBalancers may ask for the same port all the same. The table keeps who asks for what and answers who gets it:
the lowest name, whatever came first, so that every replica and every restart decides alike. An update costs
what changed, not what exists. It knows one tenant, and allocates nothing.
"""

from bisect import bisect_left, insort
from collections.abc import Callable
from typing import Final, NamedTuple, TypeAlias

from kube.objects import EndpointPort, LoadBalancer, ServicePort
from kube.objects.pairing import described, pair
from xds.translate.model import ListenerPorts, PortRefusal

ENVOYS_OWN: Final = range(19000, 20000)
"""Ports that no listener may have: Envoy's admin interface and the like (kubelb.md, "listener port")."""

_HIGHEST: Final = 65535

PORT_NOT_ALLOCATED: Final = "PortNotAllocated"
"""Reason: no listener port is recorded yet."""

_Listen: TypeAlias = tuple[str, int]
"""Protocol and port: what two listeners of one Envoy cannot share. TCP 53 and UDP 53 are two things."""


class Claim(NamedTuple):
    """What an endpoint port asks for, and the field of the LoadBalancer that says so."""

    listen: _Listen
    path: str


Wants: TypeAlias = dict[tuple[int, int], Claim | PortRefusal]
"""By endpoint group and port in it: what is asked for, or why nothing is to be had whatever others have."""


class PortTable:
    """The listener ports of one tenant's LoadBalancers; `wants` says what one of them asks for."""

    def __init__(self, wants: Callable[[LoadBalancer], Wants] | None = None) -> None:
        self._wants_of = wants or spec_ports
        self._wants: dict[str, Wants] = {}
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
            self._wants[name] = self._wants_of(lb)
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

    def _outcome(self, name: str, want: Claim | PortRefusal) -> int | PortRefusal:
        if isinstance(want, PortRefusal):
            return want
        protocol, port = want.listen
        holder = self._claimants[want.listen][0]
        if holder == name:
            return port
        return PortRefusal(
            reason="PortConflict",
            message=f"{want.path} {port} ({protocol}) is held by LoadBalancer {holder} of the same tenant, whose name "
            "is lower; choose another port for one of them",
            path=want.path,
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


def spec_ports(lb: LoadBalancer) -> Wants:
    """Return the ports that a LoadBalancer's spec names: its listeners are to have the numbers that clients use."""
    return _wants(lb, lambda index, port, _: Claim((port.protocol, port.port), f"spec.ports[{index}].port"))


def recorded_ports(lb: LoadBalancer) -> Wants:
    """Return the ports that its status records, by name and protocol; where none is, there is no listener yet."""
    numbers = {(port.name, port.protocol): index for index, port in enumerate(lb.status.service.ports)}

    def claim(index: int, port: ServicePort, backend: EndpointPort) -> Claim | PortRefusal:
        # A port without a name is recorded under that of the endpoint port, or under one made of number and protocol.
        numbered = (f"{number}-{port.protocol.lower()}" for number in (port.port, backend.port))
        names = (port.name, backend.name, *numbered)
        found = next(
            (numbers[name, port.protocol] for name in names if (name, port.protocol) in numbers), None
        )
        target = lb.status.service.ports[found].target_port if found is not None else 0
        if found is None or not isinstance(target, int) or not 0 < target <= _HIGHEST:
            return PortRefusal(
                reason=PORT_NOT_ALLOCATED,
                message=f"spec.ports[{index}] ({described(port)}) has no listener port in status.service.ports yet; the"
                " leader records one, or KubeLB's own manager where this one only reads",
                path="status.service.ports",
            )
        return Claim((port.protocol, target), f"status.service.ports[{found}].targetPort")

    return _wants(lb, claim)


def _listens(wants: Wants) -> frozenset[_Listen]:
    return frozenset(want.listen for want in wants.values() if isinstance(want, Claim))


def _wants(lb: LoadBalancer, claim: Callable[[int, ServicePort, EndpointPort], Claim | PortRefusal]) -> Wants:
    service_of = pair(lb).service_of
    wants: Wants = {}
    for group, endpoint in enumerate(lb.spec.endpoints):
        for index, port in enumerate(endpoint.ports):
            if group == 0 and index in service_of:
                service_port = service_of[index]
                wants[group, index] = _allowed(claim(service_port, lb.spec.ports[service_port], port))
            else:
                wants[group, index] = _not_listed(group, index, port)
    return wants


def _allowed(want: Claim | PortRefusal) -> Claim | PortRefusal:
    if isinstance(want, PortRefusal) or want.listen[1] not in ENVOYS_OWN:
        return want
    return PortRefusal(
        reason="ReservedPort",
        message=f"{want.path} {want.listen[1]} is one of Envoy's own ports ({ENVOYS_OWN[0]}-{ENVOYS_OWN[-1]}); choose"
        " another",
        path=want.path,
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
