"""The listener ports that a LoadBalancer's status records."""

import msgspec
import pytest

from kube.objects import LoadBalancer, LoadBalancerStatus, ServiceStatus, StatusPort
from tests.xds.translate.make import group, load_balancer
from xds.translate import PortRefusal, PortTable, recorded_ports


def with_status(lb: LoadBalancer, *ports: StatusPort) -> LoadBalancer:
    """Return a LoadBalancer whose status records these ports."""
    return msgspec.structs.replace(lb, status=LoadBalancerStatus(service=ServiceStatus(ports=ports)))


def refusal_of(lb: LoadBalancer) -> PortRefusal:
    """Return why its first port has no listener."""
    table = PortTable(recorded_ports)
    table.update("web", lb)
    outcome = table.ports_of("web")[0, 0]
    assert isinstance(outcome, PortRefusal)
    return outcome


def test_recorded_port_is_the_listener_port() -> None:
    """An endpoint port listens on the target port that the status has under its entry's name and protocol."""
    lb = load_balancer(group("dns:5353", "dns-udp:5353/UDP"), ports=("dns:53", "dns-udp:53/UDP"))
    table = PortTable(recorded_ports)
    table.update(
        "web",
        with_status(
            lb,
            StatusPort(name="dns-udp", protocol="UDP", port=53, target_port=10_002, node_port=30_001),
            StatusPort(name="dns", protocol="TCP", port=53, target_port=10_001),
        ),
    )
    assert table.ports_of("web") == {(0, 0): 10_001, (0, 1): 10_002}


@pytest.mark.parametrize("name", ["", "80-tcp", "8080-tcp"])
def test_a_port_without_a_name(name: str) -> None:
    """A port without a name is found without one, or under its number and protocol, as KubeLB names such ports."""
    table = PortTable(recorded_ports)
    table.update("web", with_status(load_balancer(), StatusPort(name=name, target_port=10_001)))
    assert table.ports_of("web") == {(0, 0): 10_001}


def test_nothing_is_served_before_it_is_recorded() -> None:
    """A port without a record gets no listener, and the refusal says who has to write one."""
    refusal = refusal_of(load_balancer(ports=("80",)))
    assert (refusal.reason, refusal.path) == ("PortNotAllocated", "status.service.ports")
    assert "spec.ports[0] (TCP 80) has no listener port in status.service.ports yet" in refusal.message


@pytest.mark.parametrize("target", [0, -1, 65_536, "http"])
def test_a_record_that_is_no_port_counts_for_nothing(target: int | str) -> None:
    """What others wrote into the status may be anything."""
    assert (
        refusal_of(with_status(load_balancer(), StatusPort(target_port=target))).reason == "PortNotAllocated"
    )


def test_a_record_of_the_other_protocol_counts_for_nothing() -> None:
    """The same name under another protocol is another port."""
    lb = with_status(load_balancer(), StatusPort(protocol="UDP", target_port=10_001))
    assert refusal_of(lb).reason == "PortNotAllocated"


def test_envoys_own_ports() -> None:
    """A record in Envoy's own range is refused, and the refusal names the status."""
    refusal = refusal_of(with_status(load_balancer(), StatusPort(target_port=19_000)))
    assert (refusal.reason, refusal.path) == ("ReservedPort", "status.service.ports[0].targetPort")


def test_two_records_of_one_port() -> None:
    """Where two statuses record the same port the lower name has it, until the leader gives the other a new one."""
    table = PortTable(recorded_ports)
    for name in ("web", "api"):
        table.update(name, with_status(load_balancer(name=name), StatusPort(target_port=10_001)))
    assert table.ports_of("api") == {(0, 0): 10_001}
    refusal = table.ports_of("web")[0, 0]
    assert isinstance(refusal, PortRefusal)
    assert "status.service.ports[0].targetPort 10001 (TCP) is held by LoadBalancer api" in refusal.message
