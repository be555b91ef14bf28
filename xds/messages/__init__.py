"""Envoy's message classes at C speed.

The classes here are protobuf's own (upb), made from the schema that envoy-data-plane carries (``_schema``), in a
descriptor pool of their own: they clash with nobody's ``envoy`` or ``xds`` packages, and a program may use other generated
classes for the same messages beside them. The names below are those that this project uses; ``message_class`` makes any
other message of Envoy's API.

The first use of one of the names below takes most of a second once, where nothing is kept (``_kept``), and a tenth of one from then
on: whoever only prints a help text, or asks a control plane how it stands, does not pay that either.
"""

from typing import TYPE_CHECKING

from xds.lazy import names_of

if TYPE_CHECKING:
    from xds.messages._classes import (
        TYPE_URL_PREFIX,
        AccessLog,
        Address,
        Any_,
        Bootstrap,
        CertificateValidationContext,
        Cluster,
        ClusterLoadAssignment,
        ConfigSource,
        ControlPlane,
        DeltaDiscoveryRequest,
        DeltaDiscoveryResponse,
        DiscoveryRequest,
        DiscoveryResponse,
        HealthCheck,
        LbEndpoint,
        Listener,
        Node,
        ProxyProtocolUpstreamTransport,
        RawBuffer,
        Resource,
        RouteConfiguration,
        SocketOption,
        StdoutAccessLog,
        TcpProxy,
        TlsSecret,
        TransportSocket,
        UdpProxyConfig,
        UdpRoute,
        UpstreamTlsContext,
        from_dict,
        pack,
        to_dict,
        type_url,
    )
    from xds.messages._pool import POOL, UnknownMessageError, message_class

__all__ = [
    "POOL",
    "TYPE_URL_PREFIX",
    "AccessLog",
    "Address",
    "Any_",
    "Bootstrap",
    "CertificateValidationContext",
    "Cluster",
    "ClusterLoadAssignment",
    "ConfigSource",
    "ControlPlane",
    "DeltaDiscoveryRequest",
    "DeltaDiscoveryResponse",
    "DiscoveryRequest",
    "DiscoveryResponse",
    "HealthCheck",
    "LbEndpoint",
    "Listener",
    "Node",
    "ProxyProtocolUpstreamTransport",
    "RawBuffer",
    "Resource",
    "RouteConfiguration",
    "SocketOption",
    "StdoutAccessLog",
    "TcpProxy",
    "TlsSecret",
    "TransportSocket",
    "UdpProxyConfig",
    "UdpRoute",
    "UnknownMessageError",
    "UpstreamTlsContext",
    "from_dict",
    "message_class",
    "pack",
    "to_dict",
    "type_url",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = names_of(globals(), __all__, ("xds.messages._pool", "xds.messages._classes"))
