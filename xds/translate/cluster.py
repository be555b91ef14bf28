"""Envoy's Cluster for one port of one endpoint group: kubelb.md's layer-4 table as a message.

It decides nothing: which transport socket, which addresses, whether by DNS is handed in. Building one is a
copy of a template and what differs from cluster to cluster.
"""

from functools import lru_cache
from typing import Any, Final

from xds.messages import Cluster, from_dict, message_class, pack
from xds.translate.model import Options
from xds.translate.naming import stat_name

_DNS_CLUSTER: Final = pack(
    # The fields of Cluster that say the same are deprecated in Envoy 1.40. Every address that a name has is
    # an endpoint of its own: this is STRICT_DNS, the default of DnsCluster.
    from_dict(
        message_class("envoy.extensions.clusters.dns.v3.DnsCluster"),
        {"dns_refresh_rate": "30s", "respect_dns_ttl": True, "dns_lookup_family": "AUTO"},
    )
)

_COMMON: Final = {
    "connect_timeout": "5s",
    # No host is better than one that is known to be down.
    "common_lb_config": {"healthy_panic_threshold": {"value": 0}},
    # Without it a cluster with health checks that loses its endpoints goes on serving them (envoy-tls.md).
    "ignore_health_on_host_removal": True,
}

_TCP: Final = {
    "health_checks": [
        {
            "timeout": "5s",
            "interval": "5s",
            "unhealthy_threshold": 3,
            "healthy_threshold": 2,
            "no_traffic_interval": "5s",
            "tcp_health_check": {},
        }
    ],
    "upstream_connection_options": {
        "tcp_keepalive": {"keepalive_time": 180, "keepalive_interval": 30, "keepalive_probes": 3}
    },
}


def cluster(
    name: str,
    *,
    protocol: str,
    by_source_ip: bool,
    socket: Any | None,
    dns_assignment: Any | None,
    options: Options,
) -> Any:
    """Return a Cluster. `socket`: the upstream transport socket, None for plain.

    With `dns_assignment`, a ClusterLoadAssignment, Envoy resolves the hostnames in it; without it Envoy asks
    for the assignment of the cluster's name over EDS. `by_source_ip`: one client stays with one backend.
    """
    message = Cluster()
    message.CopyFrom(_template(protocol, by_source_ip, dns_assignment is not None, options))
    message.name = name
    stats = stat_name(name)
    if stats != name:
        message.alt_stat_name = stats
    if socket is not None:
        message.transport_socket.CopyFrom(socket)
    if dns_assignment is not None:
        message.load_assignment.CopyFrom(dns_assignment)
    return message


@lru_cache(maxsize=64)
def _template(protocol: str, by_source_ip: bool, by_dns: bool, options: Options) -> Any:  # noqa: FBT001 — a cache's key
    fields: dict[str, Any] = dict(_COMMON)
    if protocol == "TCP":  # Envoy has neither health checks nor keepalives for UDP
        fields |= _TCP
    if by_source_ip:
        fields["lb_policy"] = "MAGLEV"
    if not by_dns:
        fields["type"] = "EDS"
        fields["eds_cluster_config"] = {"eds_config": _eds_config(options)}
    message = from_dict(Cluster, fields)
    if by_dns:
        message.cluster_type.name = "envoy.cluster.dns"
        message.cluster_type.typed_config.CopyFrom(_DNS_CLUSTER)
    return message


def _eds_config(options: Options) -> dict[str, Any]:
    if options.eds == "ads":
        return {"resource_api_version": "V3", "ads": {}}
    return {
        "resource_api_version": "V3",
        "api_config_source": {
            "api_type": options.eds_api,
            "transport_api_version": "V3",
            "set_node_on_first_message_only": True,
            "grpc_services": [{"envoy_grpc": {"cluster_name": options.xds_cluster}}],
        },
    }
