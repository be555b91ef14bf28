"""The discovery services on grpc.aio: streams, their owners, and what can be heard of them."""

from xds.listening import AddressError
from xds.server.identity import TENANTS_DOMAIN, Admit, CertificateTenants, RefusedError, admit_everybody
from xds.server.limits import Limits
from xds.server.listening import listen
from xds.server.observer import End, LoggingObserver, Observer, StreamInfo
from xds.server.options import ServerOptions
from xds.server.server import XdsServer
from xds.server.stream import TenantOf, tenant_of_node
from xds.server.tls import TlsError, TlsFiles

__all__ = [
    "TENANTS_DOMAIN",
    "AddressError",
    "Admit",
    "CertificateTenants",
    "End",
    "Limits",
    "LoggingObserver",
    "Observer",
    "RefusedError",
    "ServerOptions",
    "StreamInfo",
    "TenantOf",
    "TlsError",
    "TlsFiles",
    "XdsServer",
    "admit_everybody",
    "listen",
    "tenant_of_node",
]
