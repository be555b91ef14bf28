"""Which addresses nodes have: without I/O."""

import json

import pytest

from kube.ccm.nodes import Node, NodeAddressType, addresses_of, no_nodes, read_node
from tests.kube.ccm.clusters import node

EXTERNAL, INTERNAL, HOSTNAME = "ExternalIP", "InternalIP", "Hostname"


def nodes(*documents: object) -> list[Node]:
    """Return nodes as the API server has them."""
    return [read_node(json.dumps(document).encode()) for document in documents]


@pytest.mark.parametrize(
    ("of_type", "found"),
    [
        ("ExternalIP", ({"ip": "192.0.2.1"}, {"ip": "2001:db8::1"})),
        ("InternalIP", ({"ip": "10.0.0.1"},)),
        ("Hostname", ({"hostname": "one.example.com"},)),
    ],
)
def test_one_type_of_address(of_type: NodeAddressType, found: object) -> None:
    """Addresses of the wanted type are listed, in the field that is theirs."""
    one = node(
        "one",
        (EXTERNAL, "2001:db8::1"),
        (EXTERNAL, "192.0.2.1"),
        (INTERNAL, "10.0.0.1"),
        (HOSTNAME, "one.example.com"),
    )
    assert addresses_of(nodes(one), of_type) == found


def test_they_are_sorted_and_each_is_there_once() -> None:
    """Whatever the order of nodes, and whoever has the same address."""
    found = nodes(
        node("b", (EXTERNAL, "192.0.2.9"), (EXTERNAL, "192.0.2.1")), node("a", (EXTERNAL, "192.0.2.9"))
    )
    assert addresses_of(found, "ExternalIP") == ({"ip": "192.0.2.1"}, {"ip": "192.0.2.9"})


def test_only_ready_nodes_count() -> None:
    """One that is not Ready, and one that has no condition yet, have no address."""
    new = {"metadata": {"name": "new"}, "status": {"addresses": [{"type": EXTERNAL, "address": "192.0.2.3"}]}}
    found = nodes(
        node("one", (EXTERNAL, "192.0.2.1")), node("two", (EXTERNAL, "192.0.2.2"), ready=False), new
    )
    assert addresses_of(found, "ExternalIP") == ({"ip": "192.0.2.1"},)


def test_what_is_no_host_is_left_out() -> None:
    """A text that the management cluster would refuse takes the others with it: it is passed over."""
    found = nodes(node("one", (EXTERNAL, "http://192.0.2.1"), (EXTERNAL, ""), (EXTERNAL, "192.0.2.2")))
    assert addresses_of(found, "ExternalIP") == ({"ip": "192.0.2.2"},)


def test_the_warning_says_what_to_look_at() -> None:
    """It counts the nodes, names the type of address, and says whether connections are still forwarded."""
    found = nodes(node("one", (INTERNAL, "10.0.0.1")))
    assert "none of the cluster's 1 nodes is Ready and has an address of type ExternalIP" in no_nodes(
        found, "ExternalIP", known=True
    )
    assert "the last list of addresses stays in use" in no_nodes(found, "ExternalIP", known=True)
    assert "no connection can be forwarded" in no_nodes(found, "ExternalIP", known=False)
