"""The discovery services on grpc.aio: streams, their owners, and what can be heard of them."""

from xds.server.limits import Limits
from xds.server.observer import End, LoggingObserver, Observer, StreamInfo
from xds.server.options import ServerOptions
from xds.server.server import AddressError, XdsServer
from xds.server.stream import TenantOf, tenant_of_node

__all__ = [
    "AddressError",
    "End",
    "Limits",
    "LoggingObserver",
    "Observer",
    "ServerOptions",
    "StreamInfo",
    "TenantOf",
    "XdsServer",
    "tenant_of_node",
]
