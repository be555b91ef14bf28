"""The resource types of the discovery protocol, by their type URLs.

A resource of any other type travels through the cache and ADS just as well; these are the ones with a place in the order of
updates (xDS protocol, "Eventual consistency considerations") or a service of their own.
"""

from typing import Final

CLUSTER: Final = "type.googleapis.com/envoy.config.cluster.v3.Cluster"
ENDPOINT: Final = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"
LISTENER: Final = "type.googleapis.com/envoy.config.listener.v3.Listener"
ROUTE: Final = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration"
SECRET: Final = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret"  # noqa: S105 — a type URL

# The order in which additions go out on one stream; other types follow.
ORDER: Final = (CLUSTER, ENDPOINT, LISTENER, ROUTE, SECRET)

_SHORT: Final = {CLUSTER: "CDS", ENDPOINT: "EDS", LISTENER: "LDS", ROUTE: "RDS", SECRET: "SDS"}


def short(type_url: str) -> str:
    """Return ``CDS``, ``EDS``, … for a well-known type, else the message's own name."""
    return _SHORT.get(type_url) or type_url.rpartition(".")[2] or type_url
