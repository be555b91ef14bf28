"""Which entry of spec.ports belongs to which endpoint port.

A Service lists the ports that clients use, an endpoint group those of the backends. The manifests mode and
Kubernetes pair them by the same rule, and it stands here once. This module knows no listener ports and no
other LoadBalancer.
"""

from typing import NamedTuple

from kube.objects.loadbalancer import EndpointPort, LoadBalancer, ServicePort


class Pairing(NamedTuple):
    """Both kinds of ports by their indexes: endpoint port of the first group → spec.ports, and the rest of these."""

    service_of: dict[int, int]
    unpaired: tuple[int, ...]


def pair(lb: LoadBalancer) -> Pairing:
    """Pair spec.ports with the ports of the first endpoint group.

    An entry with a name goes with the endpoint port of the same name and protocol. Where one of the two has
    no name, the entry goes with the endpoint port at the same position, if the protocols agree.
    """
    backends = lb.spec.endpoints[0].ports
    named = {(port.name, port.protocol): index for index, port in enumerate(backends) if port.name}
    service_of: dict[int, int] = {}
    rest: list[int] = []
    for index, port in enumerate(lb.spec.ports):
        backend = named.get((port.name, port.protocol))
        if backend is None:
            rest.append(index)
        else:
            service_of[backend] = index
    unpaired: list[int] = []
    for index in rest:
        free = index < len(backends) and index not in service_of
        if free and _match_by_position(lb.spec.ports[index], backends[index]):
            service_of[index] = index
        else:
            unpaired.append(index)
    return Pairing(service_of, tuple(unpaired))


def _match_by_position(port: ServicePort, backend: EndpointPort) -> bool:
    return not (port.name and backend.name) and port.protocol == backend.protocol


def described(port: EndpointPort | ServicePort) -> str:
    """Return a port for a message: `"https", TCP 443`, or `TCP 443` when it has no name."""
    return f'"{port.name}", {port.protocol} {port.port}' if port.name else f"{port.protocol} {port.port}"
