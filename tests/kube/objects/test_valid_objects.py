import msgspec
import pytest

from kube.objects import (
    KINDS,
    Addresses,
    AddressesSpec,
    Condition,
    EndpointAddress,
    EndpointGroup,
    EndpointPort,
    LoadBalancer,
    LoadBalancerSpec,
    ObjectMeta,
    ObjectRef,
    ObjectReference,
    Persistence,
    ServicePort,
    ServiceStatus,
    StatusPort,
    UpstreamTLS,
    decode,
)
from tests.kube.objects.documents import addresses, decoded, load_balancer

FULL_SPEC = {
    "endpoints": [
        {
            "name": "nodes",
            "addresses": [{"ip": "10.0.0.1"}, {"ip": "2001:db8::1"}, {"hostname": "node-3.example.com"}],
            "addressesReference": {"name": "default"},
            "ports": [{"name": "https", "port": 30443}, {"name": "dns", "port": 30053, "protocol": "UDP"}],
        }
    ],
    "ports": [{"name": "https", "port": 443}, {"name": "dns", "protocol": "UDP", "port": 53}],
    "type": "LoadBalancer",
    "externalTrafficPolicy": "Local",
    "hostname": "web.example.com",
    "persistence": {"type": "SourceIP"},
    "upstreamTLS": {"policy": "Verify", "caSecretRef": {"name": "ca"}},
}


def test_every_field_is_read() -> None:
    """Each field of a spec arrives under its snake_case name."""
    assert decoded(load_balancer(**FULL_SPEC)).spec == LoadBalancerSpec(
        endpoints=(
            EndpointGroup(
                name="nodes",
                addresses=(
                    EndpointAddress(ip="10.0.0.1"),
                    EndpointAddress(ip="2001:db8::1"),
                    EndpointAddress(hostname="node-3.example.com"),
                ),
                addresses_reference=ObjectReference(name="default"),
                ports=(
                    EndpointPort(name="https", port=30443),
                    EndpointPort(name="dns", port=30053, protocol="UDP"),
                ),
            ),
        ),
        ports=(ServicePort(name="https", port=443), ServicePort(name="dns", port=53, protocol="UDP")),
        type="LoadBalancer",
        external_traffic_policy="Local",
        hostname="web.example.com",
        persistence=Persistence(type="SourceIP"),
        upstream_tls=UpstreamTLS(policy="Verify", ca_secret_ref=ObjectReference(name="ca")),
    )


def test_defaults_are_kubelbs() -> None:
    """What a spec leaves out is TCP, ClusterIP and nothing."""
    assert decoded(load_balancer()).spec == LoadBalancerSpec(
        endpoints=(
            EndpointGroup(
                name="",
                addresses=(EndpointAddress(ip="10.0.0.1", hostname=""),),
                addresses_reference=None,
                ports=(EndpointPort(name="", port=8080, protocol="TCP"),),
            ),
        ),
        ports=(),
        type="ClusterIP",
        external_traffic_policy=None,
        hostname=None,
        persistence=None,
        upstream_tls=None,
    )


def test_addresses_are_read() -> None:
    """An Addresses object is its hosts in their order."""
    assert decode(addresses({"ip": "10.0.0.2"}, {"hostname": "a"})) == Addresses(
        metadata=ObjectMeta(name="default", namespace="tenant-a"),
        spec=AddressesSpec(addresses=(EndpointAddress(ip="10.0.0.2"), EndpointAddress(hostname="a"))),
    )


def test_status_is_read_beside_what_is_not_modelled() -> None:
    """Conditions and the Service's ports are read, core's status is kept as it is, and the rest is left alone."""
    document = load_balancer()
    document["status"] = {
        "conditions": [
            {
                "type": "Programmed",
                "status": "True",
                "reason": "Acknowledged",
                "message": "",
                "observedGeneration": 3,
                "lastTransitionTime": "2026-11-23T10:00:00Z",
            }
        ],
        "service": {
            "ports": [
                {
                    "name": "https",
                    "port": 443,
                    "targetPort": 10001,
                    "nodePort": 30001,
                    "upstreamTargetPort": 30443,
                }
            ]
        },
        "loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]},
        "hostname": {"hostname": "web.example.com", "tlsEnabled": True},
    }
    status = decoded(document).status
    assert status.conditions == (
        Condition(
            type="Programmed",
            status="True",
            reason="Acknowledged",
            message="",
            observed_generation=3,
            last_transition_time="2026-11-23T10:00:00Z",
        ),
    )
    port = StatusPort(name="https", port=443, target_port=10001, node_port=30001, upstream_target_port=30443)
    assert status.service == ServiceStatus(ports=(port,))
    assert status.load_balancer == {"ingress": [{"ip": "192.0.2.1"}]}


def test_encoded_objects_are_documents_again() -> None:
    """Encoding renames back, leaves defaults out, and what it yields decodes to an equal object."""
    document = load_balancer(**FULL_SPEC)
    lb = decoded(document)
    encoded = msgspec.to_builtins(lb)
    assert encoded == {
        "metadata": {"name": "web", "namespace": "tenant-a"},
        "spec": FULL_SPEC | {"endpoints": encoded["spec"]["endpoints"], "ports": encoded["spec"]["ports"]},
    }
    assert decoded({**document, **encoded}) == lb


def test_refs_name_the_object_as_people_do() -> None:
    """A ref prints as kind, namespace and name."""
    ref = decoded(load_balancer()).ref
    assert ref == ObjectRef("LoadBalancer", "tenant-a", "web")
    assert str(ref) == "LoadBalancer tenant-a/web"
    assert decode(addresses({"ip": "10.0.0.1"})).ref == ObjectRef("Addresses", "tenant-a", "default")


def test_kinds_are_those_that_decode_knows() -> None:
    """KINDS names all three kinds."""
    assert KINDS == ("LoadBalancer", "Addresses", "Secret")


def test_references_are_the_addresses_and_the_secret() -> None:
    """Every Addresses object of any group and, under Verify, the CA's Secret are references."""
    groups = [{"addressesReference": {"name": name}, "ports": [{"port": 1}]} for name in ("a", "b", "a")]
    lb = decoded(
        load_balancer(endpoints=groups, upstreamTLS={"policy": "Verify", "caSecretRef": {"name": "ca"}})
    )
    assert lb.references == {
        ObjectRef("Addresses", "tenant-a", "a"),
        ObjectRef("Addresses", "tenant-a", "b"),
        ObjectRef("Secret", "tenant-a", "ca"),
    }


@pytest.mark.parametrize(
    "upstream_tls",
    [
        None,
        {"policy": "Verify"},
        {"policy": "Insecure", "caSecretRef": {"name": "ca"}},
        {"policy": "verify", "caSecretRef": {"name": "ca"}},
    ],
)
def test_a_secret_that_is_not_read_is_no_reference(upstream_tls: dict[str, object] | None) -> None:
    """Without Verify, or without a name, no Secret is a reference."""
    spec = {} if upstream_tls is None else {"upstreamTLS": upstream_tls}
    assert decoded(load_balancer(**spec)).references == frozenset()


@pytest.mark.parametrize("policy", ["", "verify", "Strict", "Insecure "])
def test_any_policy_is_read(policy: str) -> None:
    """A wrong policy is no decode error, strict or not: translation fails closed on it."""
    document = load_balancer(upstreamTLS={"policy": policy})
    for strict in (True, False):
        tls = decoded(document, strict=strict).spec.upstream_tls
        assert tls == UpstreamTLS(policy=policy)


def test_equal_documents_make_equal_objects_with_one_hash() -> None:
    """Objects compare and hash by value, and another resourceVersion makes another object."""
    document = load_balancer(**FULL_SPEC)
    document["status"] = {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}
    one, same = decoded(document), decoded(document)
    assert one == same
    assert len({one, same}) == 1
    other = decoded({**document, "metadata": {**document["metadata"], "resourceVersion": "2"}})
    assert len({one, other}) == 2


def test_objects_are_immutable() -> None:
    """An attribute of a decoded object cannot be set."""
    lb = decoded(load_balancer())
    with pytest.raises(AttributeError):
        lb.spec.endpoints[0].ports[0].port = 1  # type: ignore[misc]


def test_a_struct_that_breaks_a_rule_cannot_be_made() -> None:
    """The rules hold for structs made in the program too."""
    with pytest.raises(ValueError, match="EndpointAddress must have `ip` or `hostname`"):
        EndpointAddress()
    with pytest.raises(ValueError, match=r"EndpointAddress\.ip must be an IP address or a host name"):
        EndpointAddress(ip="http://x")
    with pytest.raises(ValueError, match=r"LoadBalancerSpec\.ports\[1\] must differ from that of ports\[0\]"):
        LoadBalancerSpec(endpoints=(), ports=(ServicePort(port=1), ServicePort(port=1)))


def test_loadbalancer_without_status_has_an_empty_one() -> None:
    """A manifest needs no status."""
    lb = decoded(load_balancer())
    assert isinstance(lb, LoadBalancer)
    assert lb.status.conditions == ()
    assert lb.status.service.ports == ()
