"""A static Envoy bootstrap in the shape of KubeLB's layer 4, to try the workbench without a control plane.

Written by hand after the specification, not by the translation: what it shows about Envoy holds whatever the translation does.
"""

from collections.abc import Sequence
from typing import Any, Literal

import yaml

from xds.app.demo.ports import LOOPBACK

Config = dict[str, Any]

_TLS = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3"
_ACCESS_LOG = {
    "start_time": "%START_TIME%",
    "upstream_cluster": "%UPSTREAM_CLUSTER_RAW%",
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


def bootstrap(*routes: Config) -> str:
    """Return the bootstrap's YAML for routes made by `tcp` and `udp`."""
    listeners, clusters = zip(*((route["listener"], route["cluster"]) for route in routes), strict=True)
    return yaml.safe_dump({"static_resources": {"listeners": list(listeners), "clusters": list(clusters)}})


def tcp(
    name: str,
    listener_port: int,
    backend_port: int,
    *,
    tls: Config | None = None,
    proxy_protocol: bool = False,
    health_check: bool = False,
    discovery: Literal["STATIC", "STRICT_DNS"] = "STATIC",
) -> Config:
    """Return a listener and a cluster of this name; health checks are left out unless asked for, to see the TLS reason itself."""
    cluster = _cluster(name, backend_port) | {"type": discovery, "connect_timeout": "5s"}
    if health_check:
        cluster["health_checks"] = [
            {
                "timeout": "5s",
                "interval": "5s",
                "unhealthy_threshold": 3,
                "healthy_threshold": 2,
                "no_traffic_interval": "5s",
                "tcp_health_check": {},
            }
        ]
        cluster["ignore_health_on_host_removal"] = True
    socket = {"name": "envoy.transport_sockets.tls", "typed_config": tls} if tls else _raw_buffer()
    if proxy_protocol:
        socket = {
            "name": "envoy.transport_sockets.upstream_proxy_protocol",
            "typed_config": {
                "@type": "type.googleapis.com/"
                "envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport",
                "config": {"version": "V2"},
                "transport_socket": socket,
            },
        }
    filters = [
        {
            "name": "envoy.filters.network.tcp_proxy",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
                "stat_prefix": name,
                "cluster": name,
                "access_log": _access_log(),
            },
        }
    ]
    listener = {"name": name, "address": _address(listener_port), "filter_chains": [{"filters": filters}]}
    return {"listener": listener, "cluster": cluster | {"transport_socket": socket}}


def udp(name: str, listener_port: int, backend_port: int) -> Config:
    """Return a UDP listener and its cluster."""
    proxy = {
        "@type": "type.googleapis.com/envoy.extensions.filters.udp.udp_proxy.v3.UdpProxyConfig",
        "stat_prefix": name,
        "matcher": {
            "on_no_match": {
                "action": {
                    "name": "route",
                    "typed_config": {
                        "@type": "type.googleapis.com/envoy.extensions.filters.udp.udp_proxy.v3.Route",
                        "cluster": name,
                    },
                }
            }
        },
    }
    listener = {
        "name": name,
        "address": _address(listener_port, "UDP"),
        "listener_filters": [{"name": "envoy.filters.udp_listener.udp_proxy", "typed_config": proxy}],
        "enable_reuse_port": True,
    }
    return {"listener": listener, "cluster": _cluster(name, backend_port, "UDP") | {"type": "STATIC"}}


def insecure(highest: Literal["TLSv1_2", "TLSv1_3"] | None = "TLSv1_3") -> Config:
    """Return an UpstreamTlsContext without verification; `highest` `None` leaves Envoy's own default."""
    return _tls({"trust_chain_verification": "ACCEPT_UNTRUSTED"}, highest)


def verify(*cas: bytes) -> Config:
    """Return an UpstreamTlsContext that trusts these authorities."""
    return _tls({"trusted_ca": {"inline_string": b"".join(cas).decode()}}, "TLSv1_3")


def _tls(validation: Config, highest: str | None) -> Config:
    common: Config = {"validation_context": validation}
    if highest is not None:
        common["tls_params"] = {"tls_maximum_protocol_version": highest}
    return {"@type": f"{_TLS}.UpstreamTlsContext", "common_tls_context": common}


def _raw_buffer() -> Config:
    return {
        "name": "envoy.transport_sockets.raw_buffer",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer"
        },
    }


def _cluster(name: str, port: int, protocol: str = "TCP") -> Config:
    endpoint = {"endpoint": {"address": _address(port, protocol)}}
    return {
        "name": name,
        "common_lb_config": {"healthy_panic_threshold": {"value": 0}},
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
    }


def _address(port: int, protocol: str = "TCP") -> Config:
    return {"socket_address": {"address": LOOPBACK, "port_value": port, "protocol": protocol}}


def _access_log() -> Sequence[Config]:
    return [
        {
            "name": "envoy.access_loggers.stdout",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog",
                "log_format": {"json_format": _ACCESS_LOG},
            },
        }
    ]
