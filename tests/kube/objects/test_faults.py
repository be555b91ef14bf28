import datetime as dt
from typing import Any

import pytest

from kube.objects import API_VERSION, Fault, InvalidObject, ObjectRef, decode
from tests.kube.objects.documents import GROUP, addresses, faults, grouped, load_balancer

PORT = "must be an integer from 1 to 65535"
GROUP_PORTS = "must be a list of 1 to 256 items"

ONE_FAULT: list[tuple[dict[str, Any], str]] = [
    # Ports
    (
        grouped(ports=[{"port": 1}, {"port": 70000}]),
        f"spec.endpoints[0].ports[1].port: 70000 is not allowed: {PORT}",
    ),
    (grouped(ports=[{"port": 0}]), f"spec.endpoints[0].ports[0].port: 0 is not allowed: {PORT}"),
    (
        grouped(ports=[{"port": "80"}]),
        f"spec.endpoints[0].ports[0].port: '80' is not allowed: {PORT}, without quotes",
    ),
    (grouped(ports=[{"port": "http"}]), f"spec.endpoints[0].ports[0].port: 'http' is not allowed: {PORT}"),
    (grouped(ports=[{"port": True}]), f"spec.endpoints[0].ports[0].port: true is not allowed: {PORT}"),
    (grouped(ports=[{"port": 80.0}]), f"spec.endpoints[0].ports[0].port: 80.0 is not allowed: {PORT}"),
    (grouped(ports=[{"port": None}]), f"spec.endpoints[0].ports[0].port: null is not allowed: {PORT}"),
    (grouped(ports=[{"name": "a"}]), f"spec.endpoints[0].ports[0].port is missing: {PORT}"),
    (
        grouped(ports=[{"port": 1, "protocol": "tcp"}]),
        "spec.endpoints[0].ports[0].protocol: 'tcp' is not allowed: must be TCP or UDP",
    ),
    (
        grouped(ports=[{"port": 1, "protocol": "SCTP"}]),
        "spec.endpoints[0].ports[0].protocol: 'SCTP' is not allowed: must be TCP or UDP",
    ),
    (
        grouped(ports=[{"port": 1, "protocol": ["TCP"]}]),
        "spec.endpoints[0].ports[0].protocol: ['TCP'] is not allowed: must be TCP or UDP",
    ),
    (
        grouped(ports=[{"port": 1, "name": "Web_1"}]),
        (
            "spec.endpoints[0].ports[0].name: 'Web_1' is not allowed: "
            "must be empty or a DNS label: at most 63 lower case letters, digits and inner hyphens"
        ),
    ),
    (load_balancer(ports=[{"name": "web"}]), f"spec.ports[0].port is missing: {PORT}"),
    (
        load_balancer(ports=[{"port": n} for n in range(1, 258)]),
        (
            "spec.ports: [{'port': 1}, {'port': 2}, {'port': 3}, {'port': 4}, {'port': 5}, {'port': 6}, ...]"
            " is not allowed: must be a list of at most 256 items"
        ),
    ),
    # Two ports that get in each other's way
    (
        grouped(ports=[{"name": "a", "port": 1}, {"name": "a", "port": 2}]),
        "spec.endpoints[0].ports[1].name: 'a' is not allowed: must differ from that of ports[0]: ports are matched by name",
    ),
    (
        grouped(ports=[{"port": 1}, {"port": 2}, {"port": 1, "protocol": "TCP"}]),
        (
            "spec.endpoints[0].ports[2]: '1/TCP' is not allowed: must differ from that of ports[0]: "
            "Envoy's cluster and listener are named after port and protocol"
        ),
    ),
    (
        load_balancer(ports=[{"name": "a", "port": 1}, {"name": "a", "port": 2}]),
        "spec.ports[1].name: 'a' is not allowed: must differ from that of ports[0]: ports are matched by name",
    ),
    (
        load_balancer(ports=[{"port": 1}, {"port": 1}]),
        "spec.ports[1]: '1/TCP' is not allowed: must differ from that of ports[0]: each needs a listener of its own",
    ),
    # Endpoints
    (load_balancer(endpoints=[]), "spec.endpoints: [] is not allowed: must be a list of 1 to 4 items"),
    (load_balancer(endpoints=None), "spec.endpoints: null is not allowed: must be a list of 1 to 4 items"),
    (
        load_balancer(endpoints=GROUP),
        "spec.endpoints: {'addresses': [{...}], 'ports': [{...}]} is not allowed: must be a list of 1 to 4 items",
    ),
    (
        load_balancer(endpoints=["a"]),
        "spec.endpoints[0]: 'a' is not allowed: must be a mapping with name, addresses, addressesReference and ports",
    ),
    (grouped(ports=[]), f"spec.endpoints[0].ports: [] is not allowed: {GROUP_PORTS}"),
    (
        load_balancer(endpoints=[{"addresses": GROUP["addresses"]}]),
        f"spec.endpoints[0].ports is missing: {GROUP_PORTS}",
    ),
    (
        load_balancer(endpoints=[{"ports": [{"port": 1}]}]),
        "spec.endpoints[0]: {'ports': [{...}]} is not allowed: must have `addresses` or `addressesReference`",
    ),
    (
        grouped(addresses=[{}]),
        "spec.endpoints[0].addresses[0]: {} is not allowed: must have `ip` or `hostname`",
    ),
    (
        grouped(addresses=[{"ip": "", "hostname": ""}]),
        "spec.endpoints[0].addresses[0]: {'hostname': '', 'ip': ''} is not allowed: must have `ip` or `hostname`",
    ),
    (
        grouped(addresses=["10.0.0.1"]),
        "spec.endpoints[0].addresses[0]: '10.0.0.1' is not allowed: must be a mapping with ip and hostname",
    ),
    (
        grouped(addressesReference={}),
        "spec.endpoints[0].addressesReference.name is missing: must be a string of at least 1 character",
    ),
    (
        grouped(addressesReference=None),
        "spec.endpoints[0].addressesReference: null is not allowed: must be a mapping with name, or be left out",
    ),
    (addresses(), "spec.addresses: [] is not allowed: must be a list of 1 to 10000 items"),
    (addresses({}), "spec.addresses[0]: {} is not allowed: must have `ip` or `hostname`"),
    # The rest of the spec
    (
        load_balancer(type="clusterip"),
        "spec.type: 'clusterip' is not allowed: must be ClusterIP, LoadBalancer or NodePort",
    ),
    (
        load_balancer(externalTrafficPolicy="All"),
        "spec.externalTrafficPolicy: 'All' is not allowed: must be Cluster or Local",
    ),
    (
        load_balancer(hostname=7),
        "spec.hostname: 7 is not allowed: must be a string of at most 253 characters, so put it in quotes",
    ),
    (
        load_balancer(persistence={"type": "Cookie"}),
        "spec.persistence.type: 'Cookie' is not allowed: must be SourceIP",
    ),
    (load_balancer(upstreamTLS={}), "spec.upstreamTLS.policy is missing: must be a string"),
    (
        load_balancer(upstreamTLS={"caSecretRef": {"name": "ca"}}),
        "spec.upstreamTLS.policy is missing: must be a string",
    ),
    (
        load_balancer(upstreamTLS={"policy": True}),
        "spec.upstreamTLS.policy: true is not allowed: must be a string, so put it in quotes",
    ),
    (
        load_balancer(upstreamTLS={"policy": "Verify", "caSecretRef": {"name": ""}}),
        "spec.upstreamTLS.caSecretRef.name: '' is not allowed: must be a string of at least 1 character",
    ),
    (
        load_balancer(upstreamTLS={"policy": "Verify", "caSecretRef": "ca"}),
        "spec.upstreamTLS.caSecretRef: 'ca' is not allowed: must be a mapping with name",
    ),
    # Fields that nobody knows
    (
        load_balancer(upstreamTls={"policy": "Verify"}),
        "spec.upstreamTls: {'policy': 'Verify'} is not allowed: no such field; did you mean upstreamTLS?",
    ),
    (
        load_balancer(upstreamTLS={"policy": "Verify", "caSecret": "ca"}),
        "spec.upstreamTLS.caSecret: 'ca' is not allowed: no such field; did you mean caSecretRef?",
    ),
    (
        grouped(addresses=[{"ip": "10.0.0.1", "weight": 1}]),
        "spec.endpoints[0].addresses[0].weight: 1 is not allowed: no such field; there are ip and hostname",
    ),
    (
        {**load_balancer(), "sepc": {}},
        "sepc: {} is not allowed: no such field; did you mean spec?",
    ),
    # What YAML makes of things
    (
        load_balancer(hostname=dt.date(2026, 11, 23)),
        (
            "spec.hostname: datetime.date(2026, 11, 23) is not allowed: "
            "must be a string of at most 253 characters, so put it in quotes"
        ),
    ),
    (
        grouped(name="x" * 254),
        f"spec.endpoints[0].name: '{'x' * 29}...{'x' * 30}' is not allowed: must be a string of at most 253 characters",
    ),
]


@pytest.mark.parametrize(
    ("document", "text"), ONE_FAULT, ids=[text.split(" is ")[0] for _, text in ONE_FAULT]
)
def test_a_fault_names_field_value_and_remedy(document: dict[str, Any], text: str) -> None:
    """Each thing that can be wrong is one fault, with its path, the value, and what to write instead."""
    assert faults(document) == [text]


def test_every_fault_is_reported_at_once() -> None:
    """Wrong values, missing and unknown fields and broken rules of all parts come in one error, in the document's order."""
    document = {
        "apiVersion": "v1",
        "kind": "LoadBalancer",
        "metadata": {"namespace": "Tenant", "labels": {"a": 1}},
        "spec": {
            "endpoints": [
                {
                    "addresses": [{}, {"ip": "http://x"}, {"ip": 5}],
                    "ports": [{"port": 0}, {"name": "A", "port": 1}],
                },
                {"ports": []},
            ],
            "ports": [{"name": "a", "port": 1}, {"name": "a", "port": 1}],
            "tls": {},
        },
    }
    with pytest.raises(InvalidObject) as caught:
        decode(document)
    assert [fault.path for fault in caught.value.faults] == [
        "apiVersion",
        "metadata.namespace",
        "metadata.labels[a]",
        "metadata.name",
        "spec.endpoints[0].addresses[0]",
        "spec.endpoints[0].addresses[1].ip",
        "spec.endpoints[0].addresses[2].ip",
        "spec.endpoints[0].ports[0].port",
        "spec.endpoints[0].ports[1].name",
        "spec.endpoints[1].ports",
        "spec.endpoints[1]",
        "spec.tls",
        "spec.ports[1].name",
        "spec.ports[1]",
    ]
    for fault in caught.value.faults:
        assert str(fault) in str(caught.value)


def test_the_error_names_the_object() -> None:
    """The error holds the object's ref and its faults as values, and its text begins with the ref."""
    with pytest.raises(InvalidObject) as caught:
        decode(load_balancer(type="X"))
    assert caught.value.ref == ObjectRef("LoadBalancer", "tenant-a", "web")
    assert caught.value.faults == (Fault("spec.type", "'X'", "must be ClusterIP, LoadBalancer or NodePort"),)
    assert str(caught.value) == (
        "LoadBalancer tenant-a/web: spec.type: 'X' is not allowed: must be ClusterIP, LoadBalancer or NodePort"
    )


def test_a_value_that_cannot_be_read_breaks_no_further_rule() -> None:
    """A wrong type is one fault: rules about that value are left out instead of being reported as broken as well."""
    assert faults(grouped(addresses=[{"ip": 5}])) == [
        "spec.endpoints[0].addresses[0].ip: 5 is not allowed: must be a string of at most 253 characters, so put it in quotes"
    ]
    assert faults(grouped(addresses="10.0.0.1")) == [
        "spec.endpoints[0].addresses: '10.0.0.1' is not allowed: must be a list of at most 10000 items"
    ]
    assert len(faults(grouped(ports=[{"name": 1, "port": 1}, {"name": 1, "port": 2}]))) == 2


def test_unknown_fields_and_nulls_pass_when_not_strict() -> None:
    """What the API server has let through is not held against an object: unknown fields, and nulls for optional ones."""
    document = grouped(addressesReference=None, weight=1)
    document["spec"] |= {"new": {"field": 1}, "hostname": None}
    assert faults(document, strict=False) == []
    assert len(faults(document)) == 4


def test_every_fault_is_reported_when_not_strict() -> None:
    """The list is whole, without strictness too."""
    document = grouped(addresses=[{}], ports=[{"port": 0}], weight=1)
    assert faults(document, strict=False) == [
        "spec.endpoints[0].addresses[0]: {} is not allowed: must have `ip` or `hostname`",
        f"spec.endpoints[0].ports[0].port: 0 is not allowed: {PORT}",
    ]


def test_a_known_kind_of_another_version_is_a_fault() -> None:
    """A known kind under another apiVersion, or none, is told the right one."""
    expected = f"must be {API_VERSION} for kind LoadBalancer"
    assert faults({**load_balancer(), "apiVersion": "kubelb.k8c.io/v1"}) == [
        f"apiVersion: 'kubelb.k8c.io/v1' is not allowed: {expected}"
    ]
    document = load_balancer()
    del document["apiVersion"]
    assert faults(document, strict=False) == [f"apiVersion is missing: {expected}"]
