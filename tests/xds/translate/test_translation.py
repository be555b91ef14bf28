"""One LoadBalancer as a whole: what is emitted, under which names, and what is left out."""

import subprocess
import sys
from typing import Any

import pytest

from kube.objects import LoadBalancer
from tests.support.objects import secret
from tests.support.pki import ca
from tests.xds.translate.golden import cases
from tests.xds.translate.make import NOW, Objects, found, group, load_balancer, messages, translated
from xds.messages import Cluster, Listener, ProxyProtocolUpstreamTransport
from xds.snapshot.types import CLUSTER, ENDPOINT, LISTENER
from xds.translate import Options, PortRefusal, translate
from xds.translate.cluster import cluster

PROXY = {"kubelb.k8c.io/proxy-protocol": "v2"}


def test_three_resources_of_one_name() -> None:
    """A port becomes a cluster, an assignment and a listener, all named as KubeLB names them."""
    translation = translated(load_balancer())

    assert [(resource.type_url, resource.name) for resource in translation.resources] == [
        (type_url, "tenant-a-web-ep-0-port-8080-TCP") for type_url in (CLUSTER, ENDPOINT, LISTENER)
    ]


def test_refused_port_emits_nothing() -> None:
    """A port without a listener port has no cluster, assignment or listener, and the refusal is a finding."""
    refusal = PortRefusal("PortConflict", "the range is used up; make it wider", "spec.ports[0]")

    translation = translate(
        load_balancer(group("a:1", "b:2"), ports=["a:80", "b:81"]),
        lookups=Objects(),
        ports={(0, 0): refusal, (0, 1): 81},
        options=Options(),
        now=NOW,
    )

    assert {resource.name for resource in translation.resources} == {"tenant-a-web-ep-0-port-2-TCP"}
    finding = found(translation, "PortConflict")
    assert (finding.level, finding.condition) == ("error", "Accepted")
    assert (finding.message, finding.path) == (refusal.message, refusal.path)
    refused, served = translation.ports
    assert (refused.listener_port, refused.endpoints, refused.detail) == (None, 0, refusal.message)
    assert (served.listener_port, served.endpoints, served.detail) == (81, 1, "")


def test_forgotten_listener_port_is_an_error_of_the_program() -> None:
    """A caller that has no answer for a port gets an exception, not a LoadBalancer with a port less."""
    with pytest.raises(KeyError):
        translate(load_balancer(), lookups=Objects(), ports={}, options=Options(), now=NOW)


def test_groups_are_told_apart_by_their_index() -> None:
    """Two groups with the same port have resources of their own."""
    lb = load_balancer(group("8080"), group("8080", addresses=["10.0.1.1"]))

    translation = translate(
        lb, lookups=Objects(), ports={(0, 0): 80, (1, 0): 20000}, options=Options(), now=NOW
    )

    assert [message.name for message in messages(translation, Listener)] == [
        "tenant-a-web-ep-0-port-8080-TCP",
        "tenant-a-web-ep-1-port-8080-TCP",
    ]


def test_statistics_of_dotted_names() -> None:
    """Dots end a cluster's name in Envoy's statistics, so that a name with dots gets another one there."""
    dotted, plain = (messages(translated(load_balancer(name=name)), Cluster)[0] for name in ("web.v1", "web"))

    assert dotted.name == "tenant-a-web.v1-ep-0-port-8080-TCP"
    assert dotted.alt_stat_name == "tenant-a-web_v1-ep-0-port-8080-TCP"
    assert plain.alt_stat_name == ""


def test_hostname_has_no_effect() -> None:
    """spec.hostname is layer 7's; a warning says that it does nothing here."""
    finding = found(translated(load_balancer(hostname="www.example")), "HostnameIgnored")

    assert (finding.level, finding.condition, finding.path) == ("warning", "Accepted", "spec.hostname")
    assert 'spec.hostname "www.example"' in finding.message


def inner_socket(message: Any) -> str:
    """Return the name of the transport socket that follows the PROXY header."""
    socket = message.transport_socket
    assert socket.name == "envoy.transport_sockets.upstream_proxy_protocol"
    proxy = ProxyProtocolUpstreamTransport.FromString(socket.typed_config.value)
    assert proxy.config.version == 1  # V2
    name: str = proxy.transport_socket.name
    return name


@pytest.mark.parametrize(("policy", "inner"), [(None, "raw_buffer"), ("Insecure", "tls")])
def test_proxy_header_goes_out_before_tls(policy: str | None, inner: str) -> None:
    """With the annotation "v2" the PROXY header stands outside of TLS, or of plain TCP."""
    (message,) = messages(translated(load_balancer(policy=policy, annotations=PROXY)), Cluster)

    assert inner_socket(message) == f"envoy.transport_sockets.{inner}"


def test_proxy_header_is_no_way_out_where_tls_fails_closed() -> None:
    """The PROXY header goes out in the clear, so a cluster that fails closed sends none."""
    (message,) = messages(translated(load_balancer(policy="nonsense", annotations=PROXY)), Cluster)

    assert message.transport_socket.name == "envoy.transport_sockets.tls"


@pytest.mark.parametrize("version", ["v1", "V2", "", "v2 "])
def test_other_proxy_versions_are_refused(version: str) -> None:
    """Any value but exactly "v2" means no PROXY header, and an error repeats it."""
    translation = translated(load_balancer(annotations={"kubelb.k8c.io/proxy-protocol": version}))

    (message,) = messages(translation, Cluster)
    assert not message.HasField("transport_socket")
    finding = found(translation, "UnknownProxyProtocol")
    assert (finding.level, finding.path) == ("error", "metadata.annotations[kubelb.k8c.io/proxy-protocol]")
    assert f'"{version}" is not v2' in finding.message


def test_proxy_header_is_not_for_udp() -> None:
    """A UDP port gets no PROXY header, and a warning says so; a TCP port beside it gets one."""
    lb = load_balancer(group("a:1", "b:2/UDP"), ports=["a:80", "b:53/UDP"], annotations=PROXY)

    translation = translated(lb)

    tcp, udp = messages(translation, Cluster)
    assert inner_socket(tcp) == "envoy.transport_sockets.raw_buffer"
    assert not udp.HasField("transport_socket")
    finding = found(translation, "ProxyProtocolNotForUDP")
    assert (finding.level, finding.path) == ("warning", "spec.endpoints[0].ports[1].protocol")


@pytest.mark.parametrize("by_source_ip", [True, False])
def test_balancing(*, by_source_ip: bool) -> None:
    """SourceIP persistence balances by MAGLEV, everything else round robin."""
    (message,) = messages(translated(load_balancer(by_source_ip=by_source_ip)), Cluster)

    assert message.lb_policy == (5 if by_source_ip else 0)


def test_health_checks_and_keepalives_are_for_tcp() -> None:
    """A TCP cluster has a health check and keepalives, a UDP cluster neither; both drop hosts that are gone."""
    lb = load_balancer(group("a:1", "b:2/UDP"), ports=["a:80", "b:53/UDP"])

    tcp, udp = messages(translated(lb), Cluster)

    (check,) = tcp.health_checks
    assert check.HasField("tcp_health_check")
    assert tcp.HasField("upstream_connection_options")
    assert not udp.health_checks
    assert not udp.HasField("upstream_connection_options")
    assert tcp.ignore_health_on_host_removal
    assert udp.ignore_health_on_host_removal


def test_endpoints_on_a_stream_of_their_own() -> None:
    """The settings tell Envoy to ask for endpoints on a stream of its own to the bootstrap's xDS cluster."""
    options = Options(eds="separate", eds_api="GRPC", xds_cluster="control-plane")

    (message,) = messages(translated(load_balancer(), options=options), Cluster)

    source = message.eds_cluster_config.eds_config
    assert source.api_config_source.api_type == 2  # GRPC
    (service,) = source.api_config_source.grpc_services
    assert service.envoy_grpc.cluster_name == "control-plane"


def test_a_bad_neighbour_changes_nothing() -> None:
    """A LoadBalancer has the same bytes beside one that has everything wrong as it has alone."""
    (case,) = (case for case in cases() if case.name == "much-at-once")
    (lb,) = (o for o in case.objects() if isinstance(o, LoadBalancer) and o.metadata.name == "sound")

    beside, alone = case.translations()["much-at-once/sound"], translated(lb)

    assert [resource.body for resource in beside.resources] == [resource.body for resource in alone.resources]
    assert beside.findings == ()


def test_changed_endpoints_change_no_other_version() -> None:
    """An address that comes or goes changes the assignment, and neither the cluster nor the listener."""
    one, two = (
        translated(load_balancer(group("1", addresses=hosts))) for hosts in (["10.0.0.1"], ["10.0.0.2"])
    )

    changed = {
        a.type_url for a, b in zip(one.resources, two.resources, strict=True) if a.version != b.version
    }

    assert changed == {ENDPOINT}


def test_changed_ca_changes_the_cluster_only() -> None:
    """A new CA in the Secret changes the cluster, and neither the assignment nor the listener."""
    lb = load_balancer(policy="Verify", ca_secret="ca")
    one, two = (translated(lb, secret("ca", ca(name).pem.decode())) for name in ("one", "two"))

    changed = {
        a.type_url for a, b in zip(one.resources, two.resources, strict=True) if a.version != b.version
    }

    assert changed == {CLUSTER}


def test_versions_are_the_same_in_every_process() -> None:
    """The same inputs have the same versions in another process, so that replicas and restarts agree."""
    program = (
        "from tests.xds.translate.golden import cases\n"
        "for case in cases():\n"
        "    for translation in case.translations().values():\n"
        "        for resource in translation.resources:\n"
        "            print(resource.version)\n"
    )

    other = subprocess.run(  # noqa: S603 — this very interpreter
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=True
    )

    here = [r.version for case in cases() for t in case.translations().values() for r in t.resources]
    assert other.stdout.split() == here


def test_templates_are_not_written_to() -> None:
    """Clusters are copies: what one is given does not show up in the next."""
    settings: dict[str, Any] = {"protocol": "TCP", "by_source_ip": False, "options": Options()}
    socket = Cluster().transport_socket
    socket.name = "first"

    cluster("first", socket=socket, dns_assignment=None, **settings)
    second = cluster("second", socket=None, dns_assignment=None, **settings)

    assert not second.HasField("transport_socket")
