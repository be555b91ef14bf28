"""Small resources of each type, whose content is one number, so that a test can say which state it means."""

from xds.messages import Cluster, ClusterLoadAssignment, Listener, RouteConfiguration
from xds.snapshot import Resource


def cluster(name: str, content: int = 1, *, eds: bool = True) -> Resource:
    """Return a cluster whose connect timeout is ``content`` seconds; ``eds``: it waits for endpoints of its own name."""
    kind = "EDS" if eds else "STRICT_DNS"
    return Resource.of(name, Cluster(name=name, type=kind, connect_timeout={"seconds": content}))


def endpoints(name: str, content: int = 1) -> Resource:
    """Return an assignment with one endpoint on port ``content``, or none where that is 0."""
    hosts = [{"endpoint": {"address": {"socket_address": {"address": "10.0.0.1", "port_value": content}}}}]
    localities = [{"lb_endpoints": hosts if content else []}]
    return Resource.of(name, ClusterLoadAssignment(cluster_name=name, endpoints=localities))


def listener(name: str, content: int = 1) -> Resource:
    """Return a listener on port ``content``."""
    address = {"socket_address": {"address": "127.0.0.1", "port_value": content}}
    return Resource.of(name, Listener(name=name, address=address))


def route(name: str, content: int = 1) -> Resource:
    """Return a route configuration that tells its content by a header's name."""
    return Resource.of(name, RouteConfiguration(name=name, internal_only_headers=[f"x-{content}"]))
