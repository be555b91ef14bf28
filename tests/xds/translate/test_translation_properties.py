"""What holds for every LoadBalancer that can be written, whatever Secrets and Addresses are there."""

import re
from collections import Counter
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from kube.objects import LoadBalancer, ObjectMeta, Secret
from tests.support.examples import examples
from tests.support.objects import addresses
from tests.xds.translate.golden import cases
from tests.xds.translate.make import TENANT, group, load_balancer, messages, tls_context, translated
from xds.messages import Cluster, ClusterLoadAssignment, Listener
from xds.translate import Options, Translation, conditions
from xds.translate.naming import resource_name, stat_name

PEMS = [
    o.ca_crt
    for case in cases()
    for o in case.objects()
    if isinstance(o, Secret) and len(o.ca_crt or b"") < 5000
]
NAMES = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,12}[a-z0-9])?(\.[a-z0-9]{1,5})?", fullmatch=True)
PORTS = st.lists(
    st.tuples(
        st.sampled_from(["", "a:", "b:"]), st.integers(1, 65535), st.sampled_from(["/TCP", "/UDP"])
    ).map(lambda parts: "".join(map(str, parts))),
    min_size=1,
    max_size=4,
    unique_by=(lambda word: word.split(":")[-1], lambda word: word.split(":")[0] if ":" in word else word),
)
HOSTS = st.lists(
    st.one_of(
        st.ip_addresses().map(str),
        st.sampled_from(["0.0.0.0", "::", "node.example", "Node.Example.", "::ffff:10.0.0.1"]),
    ),
    max_size=4,
)
GROUPS = st.builds(
    lambda ports, hosts, reference: group(
        *ports, addresses=hosts, reference=reference or (None if hosts else "default")
    ),
    PORTS,
    HOSTS,
    st.sampled_from([None, "default", "missing"]),
)
POLICIES = st.one_of(st.none(), st.sampled_from(["Insecure", "Verify", "verify", ""]), st.text())
LOAD_BALANCERS = st.builds(
    lambda name, groups, ports, annotation, **rest: load_balancer(
        *groups,
        name=name,
        ports=ports,
        annotations={} if annotation is None else {"kubelb.k8c.io/proxy-protocol": annotation},
        **rest,
    ),
    name=NAMES,
    groups=st.lists(GROUPS, min_size=1, max_size=3),
    ports=st.just([]) | PORTS,
    policy=POLICIES,
    ca_secret=st.sampled_from([None, "ca"]) | st.text(min_size=1),
    by_source_ip=st.booleans(),
    hostname=st.none() | st.text(max_size=253),
    annotation=st.none() | st.just("v2") | st.text(),
)
SECRETS = st.none() | st.builds(
    lambda ca_crt: Secret(metadata=ObjectMeta(name="ca", namespace=TENANT), ca_crt=ca_crt),
    st.none() | st.sampled_from(PEMS) | st.binary(max_size=200),
)


def translate_all(lb: LoadBalancer, secret: Secret | None, options: Options) -> Translation:
    """Translate with the Secret, if there is one, and an Addresses object named default."""
    return translated(
        lb, addresses("default", "10.0.0.1", "node.example"), *([secret] if secret else []), options=options
    )


OPTIONS = st.builds(Options, verify_without_ca_fails_closed=st.booleans())
EVERYTHING = given(LOAD_BALANCERS, SECRETS, OPTIONS)


def endpoints(translation: Translation, cluster: Any) -> list[Any]:
    """Return the endpoints that a cluster has, inline or by its assignment."""
    by_name = {message.cluster_name: message for message in messages(translation, ClusterLoadAssignment)}
    assignment = cluster.load_assignment if cluster.HasField("load_assignment") else by_name[cluster.name]
    return [endpoint for locality in assignment.endpoints for endpoint in locality.lb_endpoints]


@EVERYTHING
@settings(deadline=None)
def test_resources_belong_together(lb: LoadBalancer, secret: Secret | None, options: Options) -> None:
    """No type has a name twice, and every listener has its cluster and this its endpoints."""
    translation = translate_all(lb, secret, options)

    assert max(Counter((r.type_url, r.name) for r in translation.resources).values(), default=1) == 1
    clusters = messages(translation, Cluster)
    served = [port for port in translation.ports if port.listener_port is not None]
    assert [message.name for message in messages(translation, Listener)] == [port.resource for port in served]
    assert [message.name for message in clusters] == [port.resource for port in served]
    assert [len(endpoints(translation, message)) for message in clusters] == [p.endpoints for p in served]
    assert len(translation.ports) == sum(len(group.ports) for group in lb.spec.endpoints)


@EVERYTHING
@settings(deadline=None)
def test_tls_is_never_lost(lb: LoadBalancer, secret: Secret | None, options: Options) -> None:
    """With any upstreamTLS but Verify without caSecretRef, no TCP cluster is plain or has an open door.

    Either it has a CA, or it is Insecure as asked for, or nothing passes and it has no endpoints.
    """
    translation = translate_all(lb, secret, options)
    tls = lb.spec.upstream_tls
    plain = tls is None or (
        tls.policy == "Verify" and tls.ca_secret_ref is None and not options.verify_without_ca_fails_closed
    )

    for cluster in messages(translation, Cluster):
        if cluster.name.endswith("-UDP") or plain:
            continue
        assert tls is not None
        validation = tls_context(cluster).validation_context
        if tls.policy == "Insecure":
            assert validation.trust_chain_verification == 1
        elif validation.HasField("trusted_ca"):
            assert tls.policy == "Verify"
            assert b"BEGIN CERTIFICATE" in validation.trusted_ca.inline_bytes
        else:
            assert list(validation.verify_certificate_hash) == ["00" * 32]
            assert endpoints(translation, cluster) == []


@EVERYTHING
@settings(deadline=None)
def test_errors_are_conditions(lb: LoadBalancer, secret: Secret | None, options: Options) -> None:
    """Whatever costs traffic makes a condition False, and every finding is one printable line."""
    translation = translate_all(lb, secret, options)

    status = {condition.type: condition.status for condition in conditions(translation.findings, 1)}
    closed = [port for port in translation.ports if port.tls == "fail-closed" or port.listener_port is None]
    if closed:
        assert "False" in (status["Accepted"], status["ResolvedRefs"])
    for finding in translation.findings:
        assert finding.path
        assert finding.message.isprintable()
        assert re.fullmatch(r"[A-Z][A-Za-z0-9]+", finding.reason)


@EVERYTHING
@settings(deadline=None, max_examples=examples(30))
def test_status_is_no_input(lb: LoadBalancer, secret: Secret | None, options: Options) -> None:
    """Labels, finalizers and versions of the object change no byte of its resources."""
    metadata = msgspec.structs.replace(
        lb.metadata, labels={"a": "b"}, finalizers=("x",), resource_version="2", generation=7
    )
    touched = msgspec.structs.replace(lb, metadata=metadata)

    one, two = (translate_all(each, secret, options) for each in (lb, touched))

    assert [r.version for r in one.resources] == [r.version for r in two.resources]


PLACES = st.tuples(
    NAMES | st.from_regex(r"[a-z]-ep-[0-9]-port-[0-9]{1,2}-tcp", fullmatch=True),
    st.integers(0, 15),
    st.integers(1, 65535),
    st.sampled_from(["TCP", "UDP"]),
)


@given(PLACES, PLACES)
def test_names_are_unique(one: tuple[str, int, int, str], two: tuple[str, int, int, str]) -> None:
    """Two ports of one namespace have one name only if they are the same, in statistics too."""
    names = [resource_name("tenant-a", *place) for place in (one, two)]

    assert (names[0] == names[1]) == (one == two)
    assert (stat_name(names[0]) == stat_name(names[1])) == (one == two)
