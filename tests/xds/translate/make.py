"""LoadBalancers for the tests of the translation, in as few words as a test needs, and lookups over objects.

Addresses and Secrets come from `tests.support.objects`, and from its tenant.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from kube.objects import (
    Addresses,
    EndpointAddress,
    EndpointGroup,
    EndpointPort,
    KubeObject,
    LoadBalancer,
    LoadBalancerSpec,
    ObjectMeta,
    ObjectReference,
    Persistence,
    Secret,
    ServicePort,
    UpstreamTLS,
)
from xds.messages import ProxyProtocolUpstreamTransport, UpstreamTlsContext, type_url
from xds.translate import (
    CaBundle,
    Finding,
    Options,
    PortTable,
    Translation,
    parse_bundle,
    translate,
)

TENANT = "tenant-a"
NOW = datetime(2026, 11, 23, tzinfo=UTC)
"""The time of every translation in these tests."""


def endpoint_ports(*ports: str) -> tuple[EndpointPort, ...]:
    """Make endpoint ports from words like `8080`, `http:8080` or `dns:5353/UDP`."""
    return tuple(
        EndpointPort(name=name, port=port, protocol=protocol) for name, port, protocol in map(_port, ports)
    )


def service_ports(*ports: str) -> tuple[ServicePort, ...]:
    """Make entries of spec.ports from the same words."""
    return tuple(
        ServicePort(name=name, port=port, protocol=protocol) for name, port, protocol in map(_port, ports)
    )


def _port(word: str) -> tuple[str, int, Literal["TCP", "UDP"]]:
    word, _, protocol = word.partition("/")
    name, _, port = word.rpartition(":")
    return name, int(port), "UDP" if protocol == "UDP" else "TCP"


def group(
    *ports: str, addresses: Sequence[str] = ("10.0.0.1",), reference: str | None = None
) -> EndpointGroup:
    """Make an endpoint group; without addresses it needs a reference."""
    return EndpointGroup(
        addresses=tuple(EndpointAddress(ip=address) for address in addresses),
        addresses_reference=None if reference is None else ObjectReference(name=reference),
        ports=endpoint_ports(*ports),
    )


def load_balancer(
    *groups: EndpointGroup,
    name: str = "web",
    ports: Sequence[str] = ("80",),
    policy: str | None = None,
    ca_secret: str | None = None,
    by_source_ip: bool = False,
    hostname: str | None = None,
    annotations: dict[str, str] | None = None,
) -> LoadBalancer:
    """Make a LoadBalancer of TENANT; without groups it has one, at 10.0.0.1:8080."""
    tls = None
    if policy is not None:
        tls = UpstreamTLS(
            policy=policy, ca_secret_ref=None if ca_secret is None else ObjectReference(name=ca_secret)
        )
    return LoadBalancer(
        metadata=ObjectMeta(name=name, namespace=TENANT, annotations=annotations or {}),
        spec=LoadBalancerSpec(
            endpoints=groups or (group("8080"),),
            ports=service_ports(*ports),
            hostname=hostname,
            persistence=Persistence(type="SourceIP") if by_source_ip else None,
            upstream_tls=tls,
        ),
    )


def translated(lb: LoadBalancer, *objects: KubeObject, options: Options | None = None) -> Translation:
    """Translate a LoadBalancer that is alone in its tenant, with these objects to look up."""
    table = PortTable()
    table.update(lb.metadata.name, lb)
    return translate(
        lb,
        lookups=Objects(*objects),
        ports=table.ports_of(lb.metadata.name),
        options=options or Options(),
        now=NOW,
    )


def found(translation: Translation, reason: str) -> Finding:
    """Return the one finding with that reason."""
    (finding,) = (finding for finding in translation.findings if finding.reason == reason)
    return finding


def messages(translation: Translation, cls: type[Any]) -> list[Any]:
    """Return the resources of one type, decoded."""
    return [r.message(cls) for r in translation.resources if r.type_url == type_url(cls)]


def tls_context(cluster: Any) -> Any:
    """Return the TLS context that a cluster's transport socket holds, below a PROXY header if there is one."""
    socket = cluster.transport_socket
    if socket.name == "envoy.transport_sockets.upstream_proxy_protocol":
        socket = ProxyProtocolUpstreamTransport.FromString(socket.typed_config.value).transport_socket
    assert socket.name == "envoy.transport_sockets.tls"
    return UpstreamTlsContext.FromString(socket.typed_config.value).common_tls_context


class Objects:
    """Lookups over a list of objects."""

    def __init__(self, *objects: KubeObject) -> None:
        self._addresses = {_key(object_): object_ for object_ in objects if isinstance(object_, Addresses)}
        self._secrets = {_key(object_): object_ for object_ in objects if isinstance(object_, Secret)}

    def addresses(self, namespace: str, name: str) -> Addresses | None:
        """Return an Addresses object."""
        return self._addresses.get((namespace, name))

    def secret(self, namespace: str, name: str) -> Secret | None:
        """Return a Secret."""
        return self._secrets.get((namespace, name))

    def ca_bundle(self, secret: Secret) -> CaBundle:
        """Parse a Secret's bundle, every time anew."""
        assert secret.ca_crt is not None
        return parse_bundle(secret.ca_crt)


def _key(object_: KubeObject) -> tuple[str, str]:
    return object_.metadata.namespace, object_.metadata.name
