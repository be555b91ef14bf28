"""The discovery services on grpc.aio: streams, their owners, and what can be heard of them."""

from xds.server.observer import LoggingObserver, Observer, StreamInfo
from xds.server.server import AddressError, ServerOptions, XdsServer
from xds.server.stream import TenantOf, tenant_of_node

__all__ = [
    "AddressError",
    "LoggingObserver",
    "Observer",
    "ServerOptions",
    "StreamInfo",
    "TenantOf",
    "XdsServer",
    "tenant_of_node",
]
