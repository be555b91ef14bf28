"""Envoy's Listener for one port: a TCP or UDP proxy to the cluster of the same name, and its access log.

It decides nothing: the listener port is handed in. The log says what operators of a layer-4 proxy look for,
above all why TLS failed, which KubeLB's own log hides.
"""

import ipaddress
from functools import lru_cache
from typing import Any, Final

from xds.messages import (
    AccessLog,
    Address,
    Listener,
    StdoutAccessLog,
    TcpProxy,
    UdpProxyConfig,
    UdpRoute,
    from_dict,
    pack,
)
from xds.translate.naming import stat_name

_FIELDS: Final = {
    "start_time": "%START_TIME%",
    "upstream_host": "%UPSTREAM_HOST%",
    "upstream_tls_version": "%UPSTREAM_TLS_VERSION%",
    "downstream_remote_address": "%DOWNSTREAM_REMOTE_ADDRESS%",
    "downstream_local_address": "%DOWNSTREAM_LOCAL_ADDRESS%",
    "bytes_received": "%BYTES_RECEIVED%",
    "bytes_sent": "%BYTES_SENT%",
    "duration_ms": "%DURATION%",
    "response_flags": "%RESPONSE_FLAGS%",
    "upstream_transport_failure_reason": "%UPSTREAM_TRANSPORT_FAILURE_REASON%",
    "connection_termination_details": "%CONNECTION_TERMINATION_DETAILS%",
}


def _access_log(upstream_cluster: str) -> Any:
    # Packed by `pack`, never by JSON: the format is a map, whose bytes must be the same in every process.
    log = from_dict(
        StdoutAccessLog,
        {"log_format": {"json_format": {**_FIELDS, "upstream_cluster": upstream_cluster}}},
    )
    return AccessLog(name="envoy.access_loggers.stdout", typed_config=pack(log))


# Not UPSTREAM_CLUSTER, which is the name for statistics; and of a UDP session neither says anything (measured).
_TCP_ACCESS_LOG: Final = _access_log("%UPSTREAM_CLUSTER_RAW%")
_UDP_ACCESS_LOG: Final = _access_log("%DYNAMIC_METADATA(udp.proxy.session:cluster_name)%")

# tcp_keepalive of a Listener sets the options of the connections that it accepts.
_TCP_LISTENER: Final = from_dict(
    Listener, {"tcp_keepalive": {"keepalive_time": 180, "keepalive_interval": 30, "keepalive_probes": 3}}
)
# Without reuse_port one worker would receive all datagrams.
_UDP_LISTENER: Final = from_dict(Listener, {"enable_reuse_port": True})


def listener(name: str, *, protocol: str, address: str, port: int, by_source_ip: bool) -> Any:
    """Return a Listener that proxies to the cluster of its own name.

    `by_source_ip`: the client's address picks the backend, where the cluster's load balancing asks for a hash.
    """
    message = Listener()
    if protocol == "TCP":
        message.CopyFrom(_TCP_LISTENER)
        chain = message.filter_chains.add()
        proxy = chain.filters.add(name="envoy.filters.network.tcp_proxy")
        proxy.typed_config.CopyFrom(pack(_tcp_proxy(name, by_source_ip=by_source_ip)))
    else:
        message.CopyFrom(_UDP_LISTENER)
        proxy = message.listener_filters.add(name="envoy.filters.udp_listener.udp_proxy")
        proxy.typed_config.CopyFrom(pack(_udp_proxy(name, by_source_ip=by_source_ip)))
    message.name = name
    message.address.CopyFrom(_bind(protocol, address))
    message.address.socket_address.port_value = port
    return message


def _tcp_proxy(name: str, *, by_source_ip: bool) -> Any:
    proxy = TcpProxy(stat_prefix=stat_name(name), cluster=name, access_log=[_TCP_ACCESS_LOG])
    if by_source_ip:
        proxy.hash_policy.add().source_ip.SetInParent()
    return proxy


def _udp_proxy(name: str, *, by_source_ip: bool) -> Any:
    proxy = UdpProxyConfig(stat_prefix=stat_name(name), access_log=[_UDP_ACCESS_LOG])
    if by_source_ip:
        proxy.hash_policies.add(source_ip=True)
    # The field `cluster` is deprecated in Envoy 1.40; a matcher's default action takes its place.
    action = proxy.matcher.on_no_match.action
    action.name = "route"
    action.typed_config.CopyFrom(pack(UdpRoute(cluster=name)))
    return proxy


@lru_cache(maxsize=8)
def _bind(protocol: str, address: str) -> Any:
    fields: dict[str, Any] = {"protocol": protocol, "address": address}
    if ipaddress.ip_address(address) == ipaddress.IPv6Address("::"):
        fields["ipv4_compat"] = True
    return from_dict(Address, {"socket_address": fields})
