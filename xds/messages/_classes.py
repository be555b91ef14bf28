"""The messages that this project uses, by short names, and what turns a message into something else.

They are made when this module is imported, which takes most of a second.
"""

from typing import Any

from google.protobuf import json_format
from google.protobuf.message import Message

from xds.messages._pool import POOL, message_class

TYPE_URL_PREFIX = "type.googleapis.com/"

# What travels in discovery responses.
Cluster = message_class("envoy.config.cluster.v3.Cluster")
ClusterLoadAssignment = message_class("envoy.config.endpoint.v3.ClusterLoadAssignment")
Listener = message_class("envoy.config.listener.v3.Listener")
RouteConfiguration = message_class("envoy.config.route.v3.RouteConfiguration")
TlsSecret = message_class("envoy.extensions.transport_sockets.tls.v3.Secret")

# What they are made of.
Any_ = message_class("google.protobuf.Any")
AccessLog = message_class("envoy.config.accesslog.v3.AccessLog")
Address = message_class("envoy.config.core.v3.Address")
Bootstrap = message_class("envoy.config.bootstrap.v3.Bootstrap")
CertificateValidationContext = message_class(
    "envoy.extensions.transport_sockets.tls.v3.CertificateValidationContext"
)
ConfigSource = message_class("envoy.config.core.v3.ConfigSource")
HealthCheck = message_class("envoy.config.core.v3.HealthCheck")
LbEndpoint = message_class("envoy.config.endpoint.v3.LbEndpoint")
ProxyProtocolUpstreamTransport = message_class(
    "envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport"
)
RawBuffer = message_class("envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer")
SocketOption = message_class("envoy.config.core.v3.SocketOption")
StdoutAccessLog = message_class("envoy.extensions.access_loggers.stream.v3.StdoutAccessLog")
TcpProxy = message_class("envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy")
TransportSocket = message_class("envoy.config.core.v3.TransportSocket")
UdpProxyConfig = message_class("envoy.extensions.filters.udp.udp_proxy.v3.UdpProxyConfig")
UdpRoute = message_class("envoy.extensions.filters.udp.udp_proxy.v3.Route")
UpstreamTlsContext = message_class("envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext")

# The protocol itself.
ControlPlane = message_class("envoy.config.core.v3.ControlPlane")
DeltaDiscoveryRequest = message_class("envoy.service.discovery.v3.DeltaDiscoveryRequest")
DeltaDiscoveryResponse = message_class("envoy.service.discovery.v3.DeltaDiscoveryResponse")
DiscoveryRequest = message_class("envoy.service.discovery.v3.DiscoveryRequest")
DiscoveryResponse = message_class("envoy.service.discovery.v3.DiscoveryResponse")
Node = message_class("envoy.config.core.v3.Node")
Resource = message_class("envoy.service.discovery.v3.Resource")


def type_url(message: type[Message] | Message) -> str:
    """Return ``type.googleapis.com/<full name>`` of a message or message class."""
    return TYPE_URL_PREFIX + message.DESCRIPTOR.full_name


def pack(message: Message) -> Any:
    """Return the message in a ``google.protobuf.Any`` of this pool, for fields such as ``typed_config``.

    Equal messages give equal bytes, in every process.
    """
    return Any_(type_url=type_url(message), value=message.SerializeToString(deterministic=True))


def to_dict(message: Message) -> dict[str, Any]:
    """Return the message as JSON-able data with Envoy's own field names, what ``Any``s hold included.

    Raises ``TypeError`` where an ``Any`` holds a message that envoy-data-plane does not have.
    """
    fields: dict[str, Any] = json_format.MessageToDict(
        message, preserving_proto_field_name=True, descriptor_pool=POOL
    )
    return fields


def from_dict(cls: type[Any], fields: dict[str, Any]) -> Any:
    """Parse JSON-able data (Envoy's field names or JSON names) into a message of ``cls``.

    What is inside an ``Any`` there is encoded with its maps in any order: where bytes are compared, ``pack`` it instead.
    Raises ``google.protobuf.json_format.ParseError`` where a field, a value or an ``Any``'s type is unknown.
    """
    return json_format.ParseDict(fields, cls(), descriptor_pool=POOL)
