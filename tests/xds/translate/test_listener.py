"""The Listener of one port: its proxy, its address, its access log."""

from typing import Any

import pytest

from tests.xds.translate.make import group, load_balancer, messages, translated
from xds.messages import Listener, StdoutAccessLog, TcpProxy, UdpProxyConfig, UdpRoute, to_dict
from xds.translate import Options

UDP = load_balancer(group("8053/UDP"), ports=["53/UDP"])
TCP = load_balancer()


def listener(translation: Any) -> Any:
    """Return the only listener."""
    (message,) = messages(translation, Listener)
    return message


def tcp_proxy(message: Any) -> Any:
    """Return the only filter of the only filter chain."""
    (chain,) = message.filter_chains
    (proxy,) = chain.filters
    return TcpProxy.FromString(proxy.typed_config.value)


def udp_proxy(message: Any) -> Any:
    """Return the only listener filter."""
    (proxy,) = message.listener_filters
    return UdpProxyConfig.FromString(proxy.typed_config.value)


def test_tcp_goes_to_the_cluster_of_its_name() -> None:
    """A TCP listener has one filter chain, which proxies to the cluster of the listener's own name."""
    message = listener(translated(TCP))

    proxy = tcp_proxy(message)
    assert message.name == proxy.cluster == proxy.stat_prefix == "tenant-a-web-ep-0-port-8080-TCP"
    assert not message.listener_filters


def test_udp_goes_to_the_cluster_of_its_name() -> None:
    """A UDP listener shares its port among Envoy's workers, and proxies to the cluster of its own name."""
    message = listener(translated(UDP))

    proxy = udp_proxy(message)
    route = UdpRoute.FromString(proxy.matcher.on_no_match.action.typed_config.value)
    assert message.name == route.cluster == proxy.stat_prefix == "tenant-a-web-ep-0-port-8053-UDP"
    assert message.enable_reuse_port.value
    assert not message.filter_chains


@pytest.mark.parametrize("by_source_ip", [True, False])
def test_source_ip_is_hashed_only_if_asked_for(*, by_source_ip: bool) -> None:
    """SourceIP persistence hashes the client's address, for TCP and UDP."""
    lb = load_balancer(group("a:1", "b:2/UDP"), ports=["a:80", "b:53/UDP"], by_source_ip=by_source_ip)

    tcp, udp = messages(translated(lb), Listener)

    assert [policy.HasField("source_ip") for policy in tcp_proxy(tcp).hash_policy] == [True] * by_source_ip
    assert [policy.source_ip for policy in udp_proxy(udp).hash_policies] == [True] * by_source_ip


@pytest.mark.parametrize(("address", "both_families"), [("0.0.0.0", False), ("::", True), ("::1", False)])
@pytest.mark.parametrize("lb", [TCP, UDP], ids=["TCP", "UDP"])
def test_address(lb: Any, address: str, *, both_families: bool) -> None:
    """A listener binds the address of the settings; the IPv6 wildcard takes IPv4 as well."""
    socket = listener(translated(lb, options=Options(listener_address=address))).address.socket_address

    assert (socket.address, socket.ipv4_compat) == (address, both_families)
    assert socket.port_value == lb.spec.ports[0].port
    assert socket.protocol == (1 if lb is UDP else 0)


@pytest.mark.parametrize("address", ["localhost", "", "fe80::1%eth0", "10.0.0.0/8"])
def test_address_that_envoy_rejects(address: str) -> None:
    """Settings with a listener address that Envoy would reject cannot be made."""
    with pytest.raises(ValueError, match=f"^listener address '{address}' (is no IP address|has a zone)"):
        Options(listener_address=address)


def test_access_log_tells_why_tls_failed() -> None:
    """Both proxies log to stdout, with Envoy's flags and the reason of a failed handshake."""
    proxies = [tcp_proxy(listener(translated(TCP))), udp_proxy(listener(translated(UDP)))]

    for proxy in proxies:
        (log,) = proxy.access_log
        fields = to_dict(StdoutAccessLog.FromString(log.typed_config.value))["log_format"]["json_format"]
        assert fields["response_flags"] == "%RESPONSE_FLAGS%"
        assert fields["upstream_transport_failure_reason"] == "%UPSTREAM_TRANSPORT_FAILURE_REASON%"


def test_keepalive_towards_clients() -> None:
    """Connections from clients are probed after 180 s, three times, 30 s apart; datagrams are not."""
    keepalive = listener(translated(TCP)).tcp_keepalive

    times = (keepalive.keepalive_time, keepalive.keepalive_interval, keepalive.keepalive_probes)
    assert tuple(time.value for time in times) == (180, 30, 3)
    assert not listener(translated(UDP)).HasField("tcp_keepalive")
