"""The outcome table of upstream TLS: what each setting yields, and what its owner is told."""

from typing import NamedTuple

import pytest

from kube.objects import Secret
from tests.support.objects import secret
from tests.support.pki import ca
from tests.xds.translate.make import found, group, load_balancer, messages, tls_context, translated
from xds.messages import CertificateValidationContext, Cluster, ClusterLoadAssignment
from xds.translate import Options, Translation

CA = ca("ca").pem.decode()
TRUST = CertificateValidationContext.DESCRIPTOR.fields_by_name[
    "trust_chain_verification"
].enum_type.values_by_name
TLS_1_3 = 4  # envoy.extensions.transport_sockets.tls.v3.TlsParameters.TlsProtocol.TLSv1_3


class Broken(NamedTuple):
    """A setting that cannot work: what the owner wrote, and what they are told."""

    policy: str
    ca_secret: str | None
    secrets: tuple[Secret, ...]
    condition: str
    reason: str
    path: str
    text: str


SECRET_NAME = "spec.upstreamTLS.caSecretRef.name"
FAIL_CLOSED = {
    "secret missing": Broken(
        "Verify", "ca", (), "ResolvedRefs", "InvalidCACertificateRef", SECRET_NAME, "failed to get CA secret"
    ),
    "secret of another namespace": Broken(
        "Verify",
        "ca",
        (secret("ca", CA, namespace="tenant-b"),),
        "ResolvedRefs",
        "InvalidCACertificateRef",
        SECRET_NAME,
        'failed to get CA secret: spec.upstreamTLS.caSecretRef.name names "ca", and namespace tenant-a has no',
    ),
    "key missing": Broken(
        "Verify",
        "ca",
        (secret("ca", None),),
        "ResolvedRefs",
        "InvalidCACertificateRef",
        SECRET_NAME,
        "secret ca missing 'ca.crt' key",
    ),
    "no certificate": Broken(
        "Verify",
        "ca",
        (secret("ca", "the CA goes here"),),
        "ResolvedRefs",
        "InvalidCACertificateRef",
        SECRET_NAME,
        "Secret tenant-a/ca: ca.crt holds no PEM",
    ),
    "unknown policy": Broken(
        "verify",
        "ca",
        (secret("ca", CA),),
        "Accepted",
        "UnknownUpstreamTLSPolicy",
        "spec.upstreamTLS.policy",
        'spec.upstreamTLS.policy "verify" is neither Insecure nor Verify',
    ),
    "empty policy": Broken(
        "",
        None,
        (),
        "Accepted",
        "UnknownUpstreamTLSPolicy",
        "spec.upstreamTLS.policy",
        'spec.upstreamTLS.policy "" is neither Insecure nor Verify',
    ),
}


def assert_nothing_passes(translation: Translation) -> None:
    """Assert a cluster without endpoints, whose TLS socket no certificate can satisfy."""
    (cluster,) = messages(translation, Cluster)
    validation = tls_context(cluster).validation_context
    assert list(validation.verify_certificate_hash) == ["00" * 32]
    assert validation.trust_chain_verification == 0
    assert cluster.ignore_health_on_host_removal
    assert not cluster.HasField("load_assignment")
    (assignment,) = messages(translation, ClusterLoadAssignment)
    assert assignment == ClusterLoadAssignment(cluster_name=cluster.name)
    (port,) = translation.ports
    assert (port.tls, port.endpoints, port.discovery) == ("fail-closed", 0, "EDS")


@pytest.mark.parametrize("broken", FAIL_CLOSED.values(), ids=FAIL_CLOSED)
@pytest.mark.parametrize("annotations", [None, {"kubelb.k8c.io/proxy-protocol": "v2"}], ids=["", "PROXY"])
@pytest.mark.parametrize("address", ["10.0.0.1", "backend.example"])
def test_fails_closed(broken: Broken, annotations: dict[str, str] | None, address: str) -> None:
    """Whatever is wrong, nothing passes, by EDS or DNS, behind a PROXY header or not, and the reason is named."""
    lb = load_balancer(
        group("8080", addresses=[address]),
        policy=broken.policy,
        ca_secret=broken.ca_secret,
        annotations=annotations,
    )

    translation = translated(lb, *broken.secrets)

    assert_nothing_passes(translation)
    finding = found(translation, broken.reason)
    assert (finding.level, finding.condition, finding.path) == ("error", broken.condition, broken.path)
    assert broken.text in finding.message


def test_nothing() -> None:
    """Without upstreamTLS the backends get plain TCP, and there is nothing to say."""
    translation = translated(load_balancer())

    (cluster,) = messages(translation, Cluster)
    assert not cluster.HasField("transport_socket")
    assert (translation.ports[0].tls, translation.findings) == ("plain", ())


@pytest.mark.parametrize("ca_secret", [None, "ca"])
def test_insecure(ca_secret: str | None) -> None:
    """Insecure is TLS that takes any certificate and loads no CA, whatever caSecretRef says."""
    translation = translated(load_balancer(policy="Insecure", ca_secret=ca_secret), secret("ca", CA))

    (cluster,) = messages(translation, Cluster)
    context = tls_context(cluster)
    assert context.tls_params.tls_maximum_protocol_version == TLS_1_3
    assert context.validation_context == CertificateValidationContext(
        trust_chain_verification=TRUST["ACCEPT_UNTRUSTED"].number
    )
    assert translation.ports[0].tls == "insecure"


def test_insecure_says_that_it_reads_no_secret() -> None:
    """A caSecretRef that Insecure does not read is a warning, and no error."""
    finding = found(translated(load_balancer(policy="Insecure", ca_secret="ca")), "CASecretIgnored")

    assert (finding.level, finding.path) == ("warning", "spec.upstreamTLS.caSecretRef")
    assert 'caSecretRef "ca" has no effect with policy Insecure' in finding.message


def test_verify() -> None:
    """Verify sends the PEM as it is, and checks neither SNI nor names."""
    translation = translated(load_balancer(policy="Verify", ca_secret="ca"), secret("ca", CA))

    (cluster,) = messages(translation, Cluster)
    context = tls_context(cluster)
    assert context.tls_params.tls_maximum_protocol_version == TLS_1_3
    expected = CertificateValidationContext()
    expected.trusted_ca.inline_bytes = CA.encode()
    assert context.validation_context == expected
    assert (translation.ports[0].tls, translation.findings) == ("verify", ())


def test_what_is_odd_about_a_bundle_names_the_secret() -> None:
    """A warning about a CA bundle names its Secret, and the reference to it; what is good of it is sent."""
    lb = load_balancer(policy="Verify", ca_secret="ca")

    translation = translated(lb, secret("ca", CA + "-----BEGIN THING-----\nAAAA\n-----END THING-----\n"))

    (cluster,) = messages(translation, Cluster)
    assert tls_context(cluster).validation_context.trusted_ca.inline_bytes == CA.encode()
    (finding,) = translation.findings
    assert (finding.level, finding.path) == ("warning", SECRET_NAME)
    assert finding.message.startswith("Secret tenant-a/ca: ca.crt block 2")


def test_verify_without_reference_is_plain() -> None:
    """Verify without caSecretRef is plain TCP, as the reference documents, and an error says so."""
    translation = translated(load_balancer(policy="Verify"))

    (cluster,) = messages(translation, Cluster)
    assert not cluster.HasField("transport_socket")
    assert (translation.ports[0].tls, translation.ports[0].endpoints) == ("plain", 1)
    finding = found(translation, "CASecretRefRequired")
    assert (finding.level, finding.condition) == ("error", "Accepted")
    assert finding.message.startswith("caSecretRef is required for Verify policy")
    assert "plain TCP" in finding.message


def test_verify_without_reference_fails_closed_if_told_to() -> None:
    """The server's setting makes Verify without caSecretRef fail closed, with the same text."""
    options = Options(verify_without_ca_fails_closed=True)

    translation = translated(load_balancer(policy="Verify"), options=options)

    assert_nothing_passes(translation)
    finding = found(translation, "CASecretRefRequired")
    assert finding.message.startswith("caSecretRef is required for Verify policy")
    assert "plain TCP" not in finding.message


@pytest.mark.parametrize("policy", ["Insecure", "Verify", "nonsense"])
def test_udp_has_no_tls(policy: str) -> None:
    """A UDP port goes on without TLS, and a warning says that TLS does not apply to it."""
    translation = translated(
        load_balancer(group("8053/UDP"), ports=["53/UDP"], policy=policy, ca_secret="missing")
    )

    (cluster,) = messages(translation, Cluster)
    assert not cluster.HasField("transport_socket")
    (port,) = translation.ports
    assert (port.tls, port.endpoints) == ("none (UDP)", 1)
    finding = found(translation, "TLSNotForUDP")
    assert (finding.level, finding.path) == ("warning", "spec.endpoints[0].ports[0].protocol")
    assert "does not apply to UDP" in finding.message


def test_udp_alone_is_told_nothing() -> None:
    """A UDP port of a LoadBalancer without upstreamTLS is no matter for a finding."""
    assert translated(load_balancer(group("8053/UDP"), ports=["53/UDP"])).findings == ()


def test_long_values_are_cut() -> None:
    """A policy of any length is repeated up to a bound, with its control characters escaped."""
    finding = found(translated(load_balancer(policy="\n" + "x" * 1000)), "UnknownUpstreamTLSPolicy")

    assert '"\\nxxx' in finding.message
    assert len(finding.message) < 300
