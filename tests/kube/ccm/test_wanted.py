"""What a Service becomes, and how what stands there differs: without I/O."""

from typing import Any

import pytest

from kube.ccm.names import KEPT_TLS
from kube.ccm.wanted import (
    PORT_NOT_FORWARDED,
    Wanted,
    differences,
    is_of_use,
    is_taken,
    judge,
    wanted_addresses,
    without_foreign,
)
from kube.objects.service import Service
from tests.kube.ccm.clusters import CA, POLICY
from tests.kube.ccm.things import CLUSTER, TENANT, copy_of, service


def wanted(made: Service, copy: Any = None) -> Wanted:
    """Return what a Service becomes."""
    found = judge(made, copy, TENANT, CLUSTER).wanted
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("how", "by_class", "taken"),
    [
        ({}, False, True),
        ({"loadBalancerClass": "other"}, False, True),
        ({}, True, False),
        ({"loadBalancerClass": "other"}, True, False),
        ({"loadBalancerClass": "kubelb"}, True, True),
        ({"kind": "ClusterIP"}, False, False),
        ({"kind": "NodePort"}, False, False),
        ({"deleted": True}, False, False),
    ],
)
def test_which_services_are_taken(how: dict[str, Any], by_class: bool, taken: bool) -> None:
    """Those of type LoadBalancer that are not being deleted, and with the flag of class kubelb."""
    assert is_taken(service(**how), by_class=by_class) is taken


def test_a_service_with_the_finalizer_stays_of_use() -> None:
    """Whatever it has become, there is something to clean up."""
    assert is_of_use(service(kind="ClusterIP"), by_class=False)
    assert not is_of_use(service(kind="ClusterIP", guarded=False), by_class=False)


def test_only_tcp_and_udp_are_forwarded() -> None:
    """A port of another protocol is left out, and said so."""
    ports = [
        {"name": "web", "port": 80, "nodePort": 30080, "protocol": "TCP"},
        {"name": "sig", "port": 90, "nodePort": 30090, "protocol": "SCTP"},
    ]
    found = judge(service(ports=ports), None, TENANT, CLUSTER)
    assert found.wanted is not None
    assert [port["name"] for port in found.wanted.spec["ports"]] == ["web"]
    assert [finding.reason for finding in found.findings] == [PORT_NOT_FORWARDED]
    assert "port 90 has protocol SCTP" in found.findings[0].message


def test_a_service_without_node_ports_has_no_loadbalancer() -> None:
    """Where none were allocated nothing can be forwarded, and the message names the field."""
    found = judge(service(ports=[{"port": 80, "protocol": "TCP"}]), None, TENANT, CLUSTER)
    assert found.wanted is None
    assert "allocateLoadBalancerNodePorts" in found.findings[0].message


def test_a_wrong_policy_and_no_loadbalancer() -> None:
    """There is none until it is corrected."""
    found = judge(service(annotations={POLICY: "yes"}), None, TENANT, CLUSTER)
    assert found.wanted is None
    assert found.findings


@pytest.mark.parametrize(
    "before",
    [
        {},
        {"upstreamTLS": {"policy": "Insecure"}},
        {"upstreamTLS": {"policy": "Verify", "caSecretRef": {"name": "old"}}},
    ],
)
def test_a_wrong_policy_and_a_loadbalancer(before: dict[str, Any]) -> None:
    """Its TLS stays as it was, and all else follows the Service."""
    copy = copy_of(wanted(service()), **before)
    found = judge(
        service(annotations={POLICY: "yes", "a": "b"}, sessionAffinity="ClientIP"), copy, TENANT, CLUSTER
    )
    assert found.wanted is not None
    assert found.keeps_tls
    assert found.wanted.spec.get("upstreamTLS") == before.get("upstreamTLS")
    assert found.wanted.spec["persistence"] == {"type": "SourceIP"}
    assert found.wanted.annotations["a"] == "b"


@pytest.mark.parametrize(
    ("put_down", "ours", "stays"),
    [
        ('{"policy":"Verify"}', True, {"policy": "Verify"}),
        ("null", True, None),
        # Somebody else's word, and none at all: what there is stays.
        ('{"policy":"Verify"}', False, {"policy": "Insecure"}),
        ("no JSON", True, {"policy": "Insecure"}),
    ],
)
def test_what_was_put_down_stays(put_down: str, ours: bool, stays: object) -> None:
    """An annotation of the program's own tells what TLS was when the policy became wrong, whatever stands there now."""
    asked = wanted(service())
    applied = (KEPT_TLS, *asked.annotations) if ours else tuple(asked.annotations)
    copy = copy_of(
        asked, annotations={KEPT_TLS: put_down}, applied=applied, upstreamTLS={"policy": "Insecure"}
    )
    found = wanted(service(annotations={POLICY: "yes"}), copy)
    assert found.spec.get("upstreamTLS") == stays


def test_what_was_put_down_comes_from_no_service() -> None:
    """A tenant's annotation of that name is not copied, and it goes from the LoadBalancer when the policy is right."""
    assert KEPT_TLS not in wanted(service(annotations={KEPT_TLS: "null"})).annotations
    kept = wanted(service(annotations={POLICY: "yes"}), copy_of(wanted(service())))
    assert kept.annotations[KEPT_TLS] == "null"
    assert differences(wanted(service()), copy_of(kept)) == ("metadata.annotations",)


def test_what_was_applied_does_not_differ() -> None:
    """An object as it was applied, with others' labels and annotations beside, is as it is to be."""
    asked = wanted(service(annotations={POLICY: "Verify", CA: "ca", "a": "b"}))
    assert differences(asked, copy_of(asked, annotations={"somebody": "else"})) == ()
    assert without_foreign(asked, copy_of(asked)) is None


def test_the_order_of_ports_is_no_difference() -> None:
    """To the API server they are a map."""
    ports = [
        {"name": "a", "port": 1, "nodePort": 30001, "protocol": "TCP"},
        {"name": "b", "port": 2, "nodePort": 30002, "protocol": "TCP"},
    ]
    asked = wanted(service(ports=ports))
    assert differences(asked, copy_of(asked, ports=asked.spec["ports"][::-1])) == ()


@pytest.mark.parametrize(
    ("by_hand", "fields"),
    [
        ({"upstreamTLS": {"policy": "Insecure"}}, ("spec.upstreamTLS",)),
        ({"persistence": {"type": "SourceIP"}}, ("spec.persistence",)),
        ({"type": "ClusterIP"}, ("spec.type",)),
        ({"ports": [{"name": "x", "port": 9, "protocol": "TCP"}]}, ("spec.ports",)),
        ({"endpoints": []}, ("spec.endpoints",)),
        ({"hostname": "www.example.com"}, ()),
    ],
)
def test_what_was_done_by_hand(by_hand: dict[str, Any], fields: tuple[str, ...]) -> None:
    """Every field that says what a Service says is the program's; the host name is layer 7's."""
    asked = wanted(service())
    copy = copy_of(asked, **by_hand)
    assert differences(asked, copy) == fields
    change = without_foreign(asked, copy)
    if not fields:
        assert change is None
    else:
        (field,) = fields
        name = field.removeprefix("spec.")
        assert change == {"metadata": {"resourceVersion": "7"}, "spec": {name: asked.spec.get(name)}}


def test_a_ca_added_by_hand_goes() -> None:
    """A part of a field that stays is removed by name."""
    asked = wanted(service(annotations={POLICY: "Insecure"}))
    copy = copy_of(asked, upstreamTLS={"policy": "Insecure", "caSecretRef": {"name": "x"}})
    change = without_foreign(asked, copy)
    assert change is not None
    assert change["spec"] == {"upstreamTLS": {"policy": "Insecure", "caSecretRef": None}}


def test_an_annotation_that_the_service_no_longer_has() -> None:
    """It differs as long as it is there and was the program's own."""
    asked = wanted(service())
    own = copy_of(asked, annotations={"a": "b"}, applied=("a", *asked.annotations))
    assert differences(asked, own) == ("metadata.annotations",)
    assert differences(asked, copy_of(asked, annotations={"a": "b"})) == ()


def test_another_list_of_addresses() -> None:
    """Its order counts: it is sorted."""
    asked = wanted_addresses([{"ip": "192.0.2.1"}, {"ip": "192.0.2.2"}], TENANT)
    assert differences(asked, copy_of(asked)) == ()
    assert differences(asked, copy_of(asked, addresses=[{"ip": "192.0.2.1"}])) == ("spec.addresses",)
