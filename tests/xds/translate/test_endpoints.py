"""Where the backends are: addresses, references, hostnames, and how an assignment lists them."""

from typing import Any

import pytest

from tests.support.objects import addresses
from tests.xds.translate.make import found, group, load_balancer, messages, translated
from xds.messages import Cluster, ClusterLoadAssignment
from xds.translate import Translation


def hosts(translation: Translation) -> list[tuple[str, int]]:
    """Return the endpoints that Envoy gets, by EDS or inline."""
    (cluster,) = messages(translation, Cluster)
    assignments = messages(translation, ClusterLoadAssignment)
    (assignment,) = assignments or [cluster.load_assignment]
    assert assignment.cluster_name == cluster.name
    sockets: list[Any] = [
        endpoint.endpoint.address.socket_address
        for locality in assignment.endpoints
        for endpoint in locality.lb_endpoints
    ]
    return [(socket.address, socket.port_value) for socket in sockets]


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        (["10.0.0.1", "10.0.0.2"], ["10.0.0.1", "10.0.0.2"]),
        (["10.0.0.2", "10.0.0.1", "10.0.0.2"], ["10.0.0.2", "10.0.0.1"]),
        (["2001:DB8:0:0::1", "2001:db8::1"], ["2001:db8::1"]),
        (["::ffff:10.0.0.1", "10.0.0.1"], ["10.0.0.1"]),
        (["10.0.0.1", "Node.Example", "node.example"], ["10.0.0.1", "node.example"]),
    ],
)
def test_each_host_once_in_one_spelling(given: list[str], sent: list[str]) -> None:
    """An address is sent once, in the order given and in the spelling that Envoy shows."""
    translation = translated(load_balancer(group("8080", addresses=given)))

    assert hosts(translation) == [(host, 8080) for host in sent]
    assert translation.ports[0].endpoints == len(sent)


@pytest.mark.parametrize(
    ("address", "discovery"),
    [("10.0.0.2", "EDS"), ("2001:db8::2", "EDS"), ("node.example", "STRICT_DNS"), ("node", "STRICT_DNS")],
)
def test_one_hostname_makes_it_dns(address: str, discovery: str) -> None:
    """One address that is no IP literal brings STRICT_DNS with an inline assignment, and no EDS resource."""
    translation = translated(load_balancer(group("8080", addresses=["10.0.0.1", address])))

    assert translation.ports[0].discovery == discovery
    by_dns = discovery == "STRICT_DNS"
    (cluster,) = messages(translation, Cluster)
    assert cluster.HasField("cluster_type") == cluster.HasField("load_assignment") == by_dns
    assert bool(messages(translation, ClusterLoadAssignment)) == (not by_dns)


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "::ffff:0.0.0.0"])
def test_unspecified_address_is_left_out(address: str) -> None:
    """An address that would lead Envoy to its own machine is left out, and the others go on."""
    translation = translated(load_balancer(group("8080", addresses=[address, "10.0.0.1"])))

    assert hosts(translation) == [("10.0.0.1", 8080)]
    finding = found(translation, "UnspecifiedAddress")
    assert (finding.level, finding.condition) == ("error", "Accepted")
    assert finding.path == "spec.endpoints[0].addresses[0]"
    assert f"spec.endpoints[0].addresses[0] {address} would lead Envoy to its own machine" in finding.message


def test_reference() -> None:
    """A group takes the addresses of the Addresses object that it names."""
    lb = load_balancer(group("8080", addresses=(), reference="default"))

    assert hosts(translated(lb, addresses("default", "10.0.0.1"))) == [("10.0.0.1", 8080)]


def test_reference_overrides_own_addresses() -> None:
    """A reference wins over the group's own addresses, and a warning says so."""
    lb = load_balancer(group("8080", addresses=["10.9.9.9"], reference="default"))

    translation = translated(lb, addresses("default", "10.0.0.1"))

    assert hosts(translation) == [("10.0.0.1", 8080)]
    finding = found(translation, "AddressesOverridden")
    assert (finding.level, finding.path) == ("warning", "spec.endpoints[0].addresses")


@pytest.mark.parametrize("own", [[], ["10.9.9.9"]])
def test_missing_reference_empties_the_group(own: list[str]) -> None:
    """Without the Addresses object the group has no endpoints, not even its own, and the finding names it."""
    lb = load_balancer(group("8080", addresses=own, reference="nodes"))

    translation = translated(lb, addresses("default", "10.0.0.1"))

    assert hosts(translation) == []
    assert translation.ports[0].discovery == "EDS"
    finding = found(translation, "AddressesNotFound")
    assert (finding.level, finding.condition) == ("error", "ResolvedRefs")
    assert finding.path == "spec.endpoints[0].addressesReference.name"
    assert 'names "nodes", and namespace tenant-a has no valid Addresses of that name' in finding.message


def test_fault_in_a_shared_list_names_the_list() -> None:
    """What is wrong with an Addresses object is found at the reference, and named with its place there."""
    lb = load_balancer(group("8080", addresses=(), reference="default"))

    finding = found(translated(lb, addresses("default", "10.0.0.1", "0.0.0.0")), "UnspecifiedAddress")

    assert (finding.condition, finding.path) == (
        "ResolvedRefs",
        "spec.endpoints[0].addressesReference.name",
    )
    assert "Addresses tenant-a/default spec.addresses[1] 0.0.0.0" in finding.message


def test_groups_have_their_own_addresses() -> None:
    """A missing reference in one group costs another group nothing."""
    lb = load_balancer(group("8080"), group("8081", addresses=(), reference="nodes"))

    assert hosts(translated(lb)) == [("10.0.0.1", 8080)]
