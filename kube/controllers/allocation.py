"""From LoadBalancers to the keys that ports are given to, and from the ports given back to what a LoadBalancer's status says.

Pure. Does not know how ports are chosen (`ports`), nor where they are kept (`ledger`).
"""

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from kube.controllers.ports import POOL, REST, Claims, Key, Listen
from kube.objects import LoadBalancer, ServicePort, StatusPort
from kube.objects.pairing import described, pair
from kube.objects.reasons import Reason

EXHAUSTED: Final = "ListenerPortsExhausted"
"""Reason: every port of the range is held or rests."""

LEDGER_FULL: Final = "PortLedgerFull"
"""Reason: the object that keeps the tenant's ports cannot grow."""


class PortRefusal(NamedTuple):
    """Why an entry of spec.ports gets no listener port.

    `message` names the remedy, `path` the field that it is about. `retry_at` (Unix time): when to
    allocate again though nothing changes, as a port will have rested; None: that would not help.
    """

    reason: Reason
    message: str
    path: str
    retry_at: float | None = None


class Allocation(NamedTuple):
    """One LoadBalancer's listener ports, in the order of spec.ports.

    `ports` lacks what has no listener: entries that were refused, and those that no endpoint port belongs to. These hold
    their port all the same, so that it is there when the endpoint port comes.
    """

    ports: tuple[StatusPort, ...]
    refusals: tuple[PortRefusal, ...] = ()


class Wants(NamedTuple):
    """What one LoadBalancer wants: as `ports.Claims`, which join those of a tenant."""

    recorded: Mapping[Key, int | None]
    mentioned: frozenset[Listen]


def wants_of(lb: LoadBalancer) -> Wants:
    """Return a LoadBalancer's keys with what its status records for them.

    A status entry belongs to the entry of spec.ports of its name and protocol, or else to one without a name that has its number
    and protocol: a Service must name its ports, so whoever made one may have thought of a name.
    """
    keys = {_key(lb, port): port for port in lb.spec.ports}
    recorded: dict[Key, int | None] = dict.fromkeys(keys)
    mentioned: set[Listen] = set()
    for entry in lb.status.service.ports:
        if not isinstance(entry.target_port, int) or entry.target_port == 0:
            continue
        mentioned.add((entry.protocol, entry.target_port))
        named = Key(lb.metadata.name, entry.protocol, entry.name)
        key = named if named in keys else Key(lb.metadata.name, entry.protocol, f":{entry.port}")
        if key in keys and recorded[key] is None:
            recorded[key] = entry.target_port
    return Wants(recorded, frozenset(mentioned))


def join(wants: Iterable[Wants]) -> Claims:
    """Return what all LoadBalancers of a tenant want."""
    recorded: dict[Key, int | None] = {}
    mentioned: set[Listen] = set()
    for want in wants:
        recorded.update(want.recorded)
        mentioned.update(want.mentioned)
    return Claims(recorded, mentioned)


def allocation(
    lb: LoadBalancer,
    held: Mapping[Key, int | None],
    refused: Mapping[Key, float | None],
    *,
    reason: Reason = EXHAUSTED,
) -> Allocation:
    """Return what a LoadBalancer is told: its ports, and for each that was refused the reason."""
    backends = lb.spec.endpoints[0].ports
    backend_of = {service: backends[backend].port for backend, service in pair(lb).service_of.items()}
    ports: list[StatusPort] = []
    refusals: list[PortRefusal] = []
    for index, port in enumerate(lb.spec.ports):
        key = _key(lb, port)
        listener_port = held.get(key)
        if listener_port is None:
            refusals.append(_refusal(index, port, reason, refused.get(key)))
        elif index in backend_of:
            ports.append(
                StatusPort(
                    name=port.name,
                    protocol=port.protocol,
                    port=port.port,
                    target_port=listener_port,
                    upstream_target_port=backend_of[index],
                )
            )
    return Allocation(tuple(ports), tuple(refusals))


def _key(lb: LoadBalancer, port: ServicePort) -> Key:
    return Key(lb.metadata.name, port.protocol, port.name or f":{port.port}")


def _refusal(index: int, port: ServicePort, reason: Reason, retry_at: float | None) -> PortRefusal:
    path = f"spec.ports[{index}]"
    if reason == LEDGER_FULL:
        why = (
            "the ConfigMap that keeps this tenant's listener ports would exceed the 1 MiB that the API server takes; "
            "delete LoadBalancers of this tenant, or give them shorter names"
        )
    else:
        why = (
            f"every {port.protocol} port of {POOL} is taken in this tenant; delete LoadBalancers, "
            f"whose ports are given again after {REST:g} s"
        )
    return PortRefusal(reason, f"{path} ({described(port)}) gets no listener port: {why}", path, retry_at)
