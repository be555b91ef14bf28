"""Whom to dial and how, read from the very clusters and assignments that Envoy gets: nothing is derived a second time.

Pure: names are resolved, and connections made, elsewhere.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from xds.messages import (
    Cluster,
    ClusterLoadAssignment,
    ProxyProtocolUpstreamTransport,
    UpstreamTlsContext,
)
from xds.messages import type_url as type_url_of
from xds.snapshot.types import CLUSTER, ENDPOINT

Policy: TypeAlias = Literal["plain", "insecure", "verify", "fail-closed"]

_TLS: Final = type_url_of(UpstreamTlsContext)
_PROXY: Final = type_url_of(ProxyProtocolUpstreamTransport)


@dataclass(frozen=True, slots=True)
class Target:
    """One endpoint of one cluster. ``ca`` is the PEM that it is verified against, CRLs included, b"" where it is not.

    ``proxy_header``: whether the PROXY header goes out first.
    """

    cluster: str
    host: str
    port: int
    policy: Policy
    ca: bytes
    proxy_header: bool


def targets_of(resources: Iterable[tuple[str, str, bytes]]) -> tuple[list[Target], list[str]]:
    """Return what to dial, and the clusters that have no endpoints.

    ``resources`` are (type URL, name, encoded message); what is neither cluster nor assignment is left alone. Clusters of UDP,
    which their names tell, are left out: Envoy has no TLS for them.
    """
    found: dict[str, dict[str, bytes]] = {CLUSTER: {}, ENDPOINT: {}}
    for type_url, name, value in resources:
        if type_url in found:
            found[type_url][name] = value
    targets: list[Target] = []
    empty: list[str] = []
    for name, value in sorted(found[CLUSTER].items()):
        cluster = Cluster.FromString(value)
        if name.endswith("-UDP"):
            continue
        endpoints = list(_endpoints(cluster, found[ENDPOINT]))
        policy, ca, proxy = _socket(cluster.transport_socket)
        targets += [Target(name, host, port, policy, ca, proxy) for host, port in endpoints]
        if not endpoints:
            empty.append(name)
    return targets, empty


def _endpoints(cluster: Any, assignments: Mapping[str, bytes]) -> Iterator[tuple[str, int]]:
    assignment = cluster.load_assignment
    if not cluster.HasField("load_assignment"):
        name = cluster.eds_cluster_config.service_name or cluster.name
        assignment = ClusterLoadAssignment.FromString(assignments.get(name, b""))
    for locality in assignment.endpoints:
        for endpoint in locality.lb_endpoints:
            address = endpoint.endpoint.address.socket_address
            yield address.address, address.port_value


def _socket(socket: Any) -> tuple[Policy, bytes, bool]:
    """Return what a transport socket does: the policy, the CA, and whether a PROXY header goes first."""
    config = socket.typed_config
    if config.type_url == _PROXY:
        policy, ca, _ = _socket(ProxyProtocolUpstreamTransport.FromString(config.value).transport_socket)
        return policy, ca, True
    if config.type_url != _TLS:
        return "plain", b"", False
    validation = UpstreamTlsContext.FromString(config.value).common_tls_context.validation_context
    if validation.verify_certificate_hash:
        return "fail-closed", b"", False
    trusted: bytes = validation.trusted_ca.inline_bytes
    return ("verify" if trusted else "insecure"), trusted, False
