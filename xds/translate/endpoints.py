"""Where the backends of an endpoint group are: its addresses, or those of the Addresses object that it names.

That an address is an IP address or a hostname, and that a group has some, `kube.objects` has seen to. Ports
and clusters are none of this module's concern, but for the assignment's shape.
"""

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, NamedTuple

from kube.objects import EndpointAddress, LoadBalancer
from xds.messages import ClusterLoadAssignment
from xds.translate.findings import ACCEPTED, RESOLVED_REFS, Finding
from xds.translate.model import Lookups, quoted


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The addresses of one endpoint group, each once, and whether a hostname is among them."""

    hosts: tuple[str, ...] = ()
    by_dns: bool = False
    findings: tuple[Finding, ...] = ()


NO_ENDPOINTS: Final = Endpoints()


def endpoints_of(lb: LoadBalancer, group: int, lookups: Lookups) -> Endpoints:
    """Return the addresses of the endpoint group with that index; an addressesReference wins over addresses."""
    endpoint = lb.spec.endpoints[group]
    field = f"spec.endpoints[{group}]"
    ref = endpoint.addresses_reference
    if ref is None:
        return _endpoints(endpoint.addresses, _Source(f"{field}.addresses", ACCEPTED))
    overridden: tuple[Finding, ...] = ()
    if endpoint.addresses:
        overridden = (
            Finding(
                level="warning",
                condition=ACCEPTED,
                reason="AddressesOverridden",
                message=f"{field}.addresses has no effect beside {field}.addressesReference {quoted(ref.name)}; "
                "remove one of the two",
                path=f"{field}.addresses",
            ),
        )
    path = f"{field}.addressesReference.name"
    namespace = lb.metadata.namespace
    addresses = lookups.addresses(namespace, ref.name)
    if addresses is None:
        missing = Finding(
            level="error",
            condition=RESOLVED_REFS,
            reason="AddressesNotFound",
            message=f"failed to get Addresses: {path} names {quoted(ref.name)}, and namespace {namespace} has no valid "
            "Addresses of that name; create it there; until then the group's connections are reset",
            path=path,
        )
        return Endpoints(findings=(*overridden, missing))
    source = _Source(f"Addresses {namespace}/{ref.name} spec.addresses", RESOLVED_REFS, path)
    return _endpoints(addresses.spec.addresses, source, before=overridden)


class _Source(NamedTuple):
    """Where a list of addresses stands, and the condition of findings about it.

    `path` is that of the findings, if the list is not the LoadBalancer's own.
    """

    name: str
    condition: str
    path: str | None = None


def _endpoints(
    addresses: Iterable[EndpointAddress], source: _Source, *, before: tuple[Finding, ...] = ()
) -> Endpoints:
    hosts: dict[str, None] = {}
    by_dns = False
    findings = list(before)
    for index, address in enumerate(addresses):
        host = _host(address.ip or address.hostname)
        if host is not None:
            hosts[host.text] = None
            by_dns = by_dns or host.is_name
            continue
        where = f"{source.name}[{index}]"
        findings.append(
            Finding(
                level="error",
                condition=source.condition,
                reason="UnspecifiedAddress",
                message=f"{where} {address.ip or address.hostname} would lead Envoy to its own machine, so it is left "
                "out; name the backend's address",
                path=source.path or where,
            )
        )
    return Endpoints(tuple(hosts), by_dns, tuple(findings))


class _Host(NamedTuple):
    """An address as Envoy gets it."""

    text: str
    is_name: bool


@lru_cache(maxsize=16384)  # every LoadBalancer of a tenant names the same nodes
def _host(text: str) -> _Host | None:
    """Return a host in the one way of writing it that Envoy shows, too. None: the unspecified address.

    Connecting to that, Linux connects to its own machine (measured with Envoy). An IPv4 address mapped into
    IPv6 becomes IPv4: Envoy's IPv6 sockets do not reach it (measured).
    """
    try:
        ip = ipaddress.ip_address(text)
    except ValueError:
        return _Host(text.lower(), is_name=True)
    if isinstance(ip, ipaddress.IPv6Address):
        ip = ip.ipv4_mapped or ip
    return None if ip.is_unspecified else _Host(str(ip), is_name=False)


def assignment(name: str, hosts: Sequence[str], port: int) -> Any:
    """Return the ClusterLoadAssignment of that name with each host at that port; without hosts it is empty."""
    message = ClusterLoadAssignment(cluster_name=name)
    if hosts:
        locality = message.endpoints.add()
        for host in hosts:
            socket = locality.lb_endpoints.add().endpoint.address.socket_address
            socket.address = host
            socket.port_value = port
    return message
