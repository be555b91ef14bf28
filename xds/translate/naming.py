"""The names of a LoadBalancer's resources in Envoy, as KubeLB builds them.

A name holds five parts after the LoadBalancer's own that have no hyphen in them, so it can be read from its end:
two ports of one namespace never share a name.
"""


def resource_name(namespace: str, name: str, group: int, port: int, protocol: str) -> str:
    """Return the name that cluster, listener and assignment of one port share, such as `ns-web-ep-0-port-80-TCP`."""
    return f"{namespace}-{name}-ep-{group}-port-{port}-{protocol}"


def stat_name(name: str) -> str:
    """Return the name for Envoy's statistics, where a dot ends the name of a cluster.

    Kubernetes' names may hold dots, and Envoy's Prometheus metrics would show two LoadBalancers web.v1 and
    web.v2 as one cluster "web" (measured). They hold no underscore, so the result is as unique as the name.
    """
    return name.replace(".", "_")
