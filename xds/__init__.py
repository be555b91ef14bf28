"""Envoy's control plane as a library: put any of Envoy's resources for any Envoy into a cache, and serve them.

These names are the public API, and nothing else is; Envoy's messages are in ``xds.messages``. What each does is in its
docstring, how they go together in ``docs/library.md``. Each is loaded when it is used first: ``import xds`` costs nothing,
and none of them loads Kubernetes or the command line.
"""

from typing import TYPE_CHECKING

from xds.lazy import names_of

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

if not TYPE_CHECKING:  # else a type checker would take every misspelt name for one of these
    # What a name does not need is not loaded for it.
    _ROOMS = ("xds.snapshot.types", "xds.snapshot", "xds.protocol", "xds.server")
    __getattr__, __dir__ = names_of(globals(), __all__, _ROOMS)
