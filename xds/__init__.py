"""Envoy's control plane as a library: put any of Envoy's resources for any Envoy into a cache, and serve them.

These names are the public API, and nothing else is; Envoy's messages are in ``xds.messages``. What each does is in its
docstring, how they go together in ``docs/library.md``. Each is loaded when it is used first: ``import xds`` costs nothing,
and none of them loads Kubernetes or the command line.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xds.protocol import Delivery, Envoy, Outcome, Refusal, Report, Response, Standing, Timing, Waiting
    from xds.server import (
        AddressError,
        Admit,
        CertificateTenants,
        End,
        Limits,
        LoggingObserver,
        Observer,
        RefusedError,
        ServerOptions,
        StreamInfo,
        TenantOf,
        TlsError,
        TlsFiles,
        XdsServer,
        tenant_of_node,
    )
    from xds.snapshot import (
        EnvoyMessage,
        InvalidResourceError,
        Resource,
        ResourceSet,
        Snapshot,
        SnapshotCache,
        resource_of,
    )
    from xds.snapshot.types import CLUSTER, ENDPOINT, LISTENER, ROUTE, SECRET

__all__ = [
    "CLUSTER",
    "ENDPOINT",
    "LISTENER",
    "ROUTE",
    "SECRET",
    "AddressError",
    "Admit",
    "CertificateTenants",
    "Delivery",
    "End",
    "Envoy",
    "EnvoyMessage",
    "InvalidResourceError",
    "Limits",
    "LoggingObserver",
    "Observer",
    "Outcome",
    "Refusal",
    "RefusedError",
    "Report",
    "Resource",
    "ResourceSet",
    "Response",
    "ServerOptions",
    "Snapshot",
    "SnapshotCache",
    "Standing",
    "StreamInfo",
    "TenantOf",
    "Timing",
    "TlsError",
    "TlsFiles",
    "Waiting",
    "XdsServer",
    "resource_of",
    "tenant_of_node",
]

# Where the names are: what a name does not need is not loaded for it.
_ROOMS = ("xds.snapshot.types", "xds.snapshot", "xds.protocol", "xds.server")


if not TYPE_CHECKING:  # else a type checker would take every misspelt name for one of these

    def __getattr__(name: str) -> Any:
        for room in _ROOMS if name in __all__ else ():
            module = import_module(room)
            if hasattr(module, name):
                globals()[name] = value = getattr(module, name)  # the next use finds it here
                return value
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
