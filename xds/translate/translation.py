"""From one LoadBalancer, what it names and its listener ports to Envoy's resources, and what its owner should know.

Pure: the same inputs give the same bytes, and what is wrong with one LoadBalancer touches no other. This
module joins the others; it knows neither streams nor who chose the listener ports.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from kube.objects import EndpointPort, LoadBalancer
from kube.objects.pairing import described, pair
from kube.objects.reasons import Reason
from xds.snapshot import Resource
from xds.translate.cluster import cluster
from xds.translate.endpoints import NO_ENDPOINTS, Endpoints, assignment, endpoints_of
from xds.translate.findings import ACCEPTED, Finding
from xds.translate.listener import listener
from xds.translate.model import (
    ListenerPorts,
    Lookups,
    Options,
    PortRefusal,
    PortSummary,
    Tls,
    Translation,
    quoted,
)
from xds.translate.naming import resource_name
from xds.translate.transport_socket import with_proxy_header
from xds.translate.upstream_tls import UpstreamTls, upstream_tls

PROXY_PROTOCOL: Final = "kubelb.k8c.io/proxy-protocol"
"""The annotation that asks for the PROXY protocol towards the backends. Its only value is v2."""

_PROXY_V2: Final = "v2"
_PROXY_PROTOCOL_PATH: Final = f"metadata.annotations[{PROXY_PROTOCOL}]"


def translate(
    lb: LoadBalancer, *, lookups: Lookups, ports: ListenerPorts, options: Options, now: datetime
) -> Translation:
    """Translate one LoadBalancer.

    Each port of each endpoint group that has a listener port becomes a cluster, a listener and, unless Envoy
    resolves hostnames itself, an assignment. What the user got wrong is a finding and never an exception;
    `ports` that lack one of the LoadBalancer's are the program's fault, and raise KeyError.
    """
    tls = upstream_tls(lb, lookups=lookups, options=options, now=now)
    work = _Work(lb, tls, options)
    for group, endpoint in enumerate(lb.spec.endpoints):
        endpoints = endpoints_of(lb, group, lookups)
        work.findings += endpoints.findings
        for index, port in enumerate(endpoint.ports):
            work.add(_Place(group, index, port), endpoints, ports[group, index])
    work.findings += _unpaired_ports(lb)
    return Translation(
        tuple(work.resources),
        tuple(work.summaries),
        tuple(work.findings),
        tls.recheck_at,
        tls.ca_expires,
        tls.crl_expires,
    )


@dataclass(frozen=True, slots=True)
class _Place:
    """One port of one endpoint group."""

    group: int
    index: int
    port: EndpointPort

    @property
    def path(self) -> str:
        return f"spec.endpoints[{self.group}].ports[{self.index}]"


class _Work:
    """One translation in the making: what all ports share, and what has come of those so far."""

    def __init__(self, lb: LoadBalancer, tls: UpstreamTls, options: Options) -> None:
        self.resources: list[Resource] = []
        self.summaries: list[PortSummary] = []
        self.findings: list[Finding] = [*_without_effect(lb), *tls.findings]
        self._lb = lb
        self._tls = tls
        self._options = options
        self._by_source_ip = lb.spec.persistence is not None  # SourceIP is its only type
        self._proxy_header = lb.metadata.annotations.get(PROXY_PROTOCOL) == _PROXY_V2
        # The header would go out in the clear: where nothing may pass, it does not either.
        wrap = self._proxy_header and tls.outcome != "fail-closed"
        self._tcp_socket = with_proxy_header(tls.socket) if wrap else tls.socket

    def add(self, place: _Place, endpoints: Endpoints, listener_port: int | PortRefusal) -> None:
        """Add one port: its resources if it has a listener port, its summary and findings in any case."""
        port = place.port
        name = resource_name(
            self._lb.metadata.namespace, self._lb.metadata.name, place.group, port.port, port.protocol
        )
        tls, detail = self._protection(port)
        if tls == "fail-closed":
            endpoints = NO_ENDPOINTS
        listened: int | None = None
        if isinstance(listener_port, PortRefusal):
            detail = listener_port.message
            self.findings.append(_refused(listener_port))
        else:
            listened = listener_port
            if port.protocol == "UDP":
                self.findings += self._not_for_udp(place)
            self._emit(name, port, endpoints, listener_port)
        self.summaries.append(
            PortSummary(
                resource=name,
                group=place.group,
                protocol=port.protocol,
                endpoint_port=port.port,
                listener_port=listened,
                tls=tls,
                detail=detail,
                endpoints=0 if listened is None else len(endpoints.hosts),
                discovery="STRICT_DNS" if endpoints.by_dns else "EDS",
            )
        )

    def _protection(self, port: EndpointPort) -> tuple[Tls, str]:
        """Return a summary's `tls` and `detail`."""
        if port.protocol == "TCP":
            return self._tls.outcome, self._tls.detail
        return "none (UDP)", "" if self._lb.spec.upstream_tls is None else "TLS does not apply to UDP"

    def _emit(self, name: str, port: EndpointPort, endpoints: Endpoints, listener_port: int) -> None:
        hosts = assignment(name, endpoints.hosts, port.port)
        self.resources.append(
            Resource.of(
                name,
                cluster(
                    name,
                    protocol=port.protocol,
                    by_source_ip=self._by_source_ip,
                    socket=self._tcp_socket if port.protocol == "TCP" else None,
                    dns_assignment=hosts if endpoints.by_dns else None,
                    options=self._options,
                ),
            )
        )
        if not endpoints.by_dns:
            self.resources.append(Resource.of(name, hosts))
        self.resources.append(
            Resource.of(
                name,
                listener(
                    name,
                    protocol=port.protocol,
                    address=self._options.listener_address,
                    port=listener_port,
                    by_source_ip=self._by_source_ip,
                ),
            )
        )

    def _not_for_udp(self, place: _Place) -> list[Finding]:
        findings = []
        if self._lb.spec.upstream_tls is not None:
            findings.append(
                _warning(
                    "TLSNotForUDP",
                    f"{place.path} ({described(place.port)}): spec.upstreamTLS does not apply to UDP, so its datagrams "
                    "go to the backends as they are; use TCP where they have to be encrypted",
                    path=f"{place.path}.protocol",
                )
            )
        if self._proxy_header:
            findings.append(
                _warning(
                    "ProxyProtocolNotForUDP",
                    f"{place.path} ({described(place.port)}): {_PROXY_PROTOCOL_PATH} does not apply to UDP, so the backends "
                    "see no PROXY header; use TCP where they need it",
                    path=f"{place.path}.protocol",
                )
            )
        return findings


def _without_effect(lb: LoadBalancer) -> list[Finding]:
    """Return findings for what the LoadBalancer asks for and does not get at layer 4."""
    findings = []
    if lb.spec.hostname:
        findings.append(
            _warning(
                "HostnameIgnored",
                f"spec.hostname {quoted(lb.spec.hostname)} has no effect on a layer 4 LoadBalancer; remove it",
                path="spec.hostname",
            )
        )
    version = lb.metadata.annotations.get(PROXY_PROTOCOL, _PROXY_V2)
    if version != _PROXY_V2:
        findings.append(
            Finding(
                level="error",
                condition=ACCEPTED,
                reason="UnknownProxyProtocol",
                message=f"{_PROXY_PROTOCOL_PATH} {quoted(version)} is not v2, so the backends get no PROXY header; "
                "set it to v2, or remove it",
                path=_PROXY_PROTOCOL_PATH,
            )
        )
    return findings


def _refused(refusal: PortRefusal) -> Finding:
    return Finding(
        level="error", condition=ACCEPTED, reason=refusal.reason, message=refusal.message, path=refusal.path
    )


def _warning(reason: Reason, message: str, *, path: str) -> Finding:
    return Finding(level="warning", condition=ACCEPTED, reason=reason, message=message, path=path)


def _unpaired_ports(lb: LoadBalancer) -> list[Finding]:
    """Return a finding for each entry of spec.ports that no endpoint port serves."""
    findings = []
    for index in pair(lb).unpaired:
        port = lb.spec.ports[index]
        wanted = f'the name "{port.name}"' if port.name else f"position {index}"
        findings.append(
            Finding(
                level="error",
                condition=ACCEPTED,
                reason="PortWithoutEndpoint",
                message=f"spec.ports[{index}] ({described(port)}) matches no port of spec.endpoints[0], so nothing "
                f"serves it; give the endpoint port {wanted} and protocol {port.protocol}, or remove the entry",
                path=f"spec.ports[{index}]",
            )
        )
    return findings
