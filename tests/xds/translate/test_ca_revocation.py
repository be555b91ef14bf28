import pytest
from cryptography import x509

from tests.support.pki import START, Identity, ca
from xds.translate.ca import parse_bundle
from xds.translate.certificates import BundleNote

ROOT = ca("root")
OTHER = ca("other")
ISSUING = ROOT.intermediate("issuing")
BACKEND = ISSUING.issue("backend")
MISSING = "CRLMissing"
DELTA = (x509.DeltaCRLIndicator(1), True)
UNKNOWN_CRITICAL = (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3"), b"x"), True)
ONLY_USERS = (
    x509.IssuingDistributionPoint(
        full_name=None,
        relative_name=None,
        only_contains_user_certs=True,
        only_contains_ca_certs=False,
        only_some_reasons=None,
        indirect_crl=False,
        only_contains_attribute_certs=False,
    ),
    True,
)


def notes(*parts: bytes) -> list[BundleNote]:
    """Return what is to be said of a bundle of these parts."""
    bundle = parse_bundle(b"".join(parts))
    assert bundle.fatal is None
    assert bundle.verbatim
    return list(bundle.notes)


def test_without_a_crl_nothing_is_checked() -> None:
    """No CRL, no demand: an intermediate alone is enough."""
    assert notes(ISSUING.pem) == []


@pytest.mark.parametrize("first", [True, False])
def test_a_crl_for_every_ca_is_complete(first: bool) -> None:
    """With one for each, wherever they stand, there is nothing to say."""
    crls = (ROOT.crl(), ISSUING.crl(revoked=[BACKEND]))
    certificates = (ROOT.pem, ISSUING.pem)
    assert notes(*(crls + certificates if first else certificates + crls)) == []


@pytest.mark.parametrize(("with_crl", "without"), [(ROOT, ISSUING), (ISSUING, ROOT)])
def test_a_ca_without_a_crl_is_a_warning(with_crl: Identity, without: Identity) -> None:
    """One CRL makes Envoy want one for every CA, and the warning names who has none and what Envoy will say."""
    (note,) = notes(ROOT.pem, ISSUING.pem, with_crl.crl())
    name = without.certificate.subject.rfc4514_string()
    assert (note.level, note.reason) == ("warning", MISSING)
    assert f": {name} has no CRL, but others in the bundle have" in note.message
    assert "unable_to_get_certificate_CRL" in note.message


def test_a_crl_of_a_stranger_makes_demands_too() -> None:
    """Even a CRL of a CA that is not in the bundle turns the checks on."""
    (note,) = notes(ROOT.pem, OTHER.crl())
    assert note.reason == MISSING
    assert "CN=root has no CRL" in note.message


@pytest.mark.parametrize("crls", [ISSUING.crl(), ISSUING.crl() + ROOT.crl()])
def test_an_intermediate_alone_cannot_be_checked(crls: bytes) -> None:
    """Envoy looks for the CRL of the intermediate's own issuer, and has no key to verify it with."""
    (note,) = notes(ISSUING.pem, crls)
    assert note.reason == MISSING
    assert "CN=issuing stands in a bundle with CRLs, but its issuer CN=root does not" in note.message


def test_a_pinned_backend_needs_its_issuer_beside_it() -> None:
    """The same holds for a backend's own certificate: it needs its issuer, and no CRL of its own."""
    backend = ROOT.issue("backend")
    assert [note.reason for note in notes(backend.pem, ROOT.crl())] == ["NotACACertificate", MISSING]
    assert [note.reason for note in notes(backend.pem, ROOT.pem, ROOT.crl())] == ["NotACACertificate"]


def test_names_match_as_in_boringssl() -> None:
    """Case, spaces and the type of string make no difference between a CA's name and its CRL's."""
    root = ca("The  Root")
    assert notes(root.pem, ca("the root").crl(signer=root)) == []


def test_a_crl_counts_for_every_certificate_of_its_key() -> None:
    """A CA that was issued anew under its key goes on with its CRL; one of the same name and another key does not."""
    renewed = ca("root", end=START.replace(year=2040))
    assert notes(ROOT.pem, renewed.pem, ROOT.crl()) == []
    (note,) = notes(ROOT.pem, ca("root", seed="another").pem, ROOT.crl())
    assert note.reason == "CRLUnusable"


USELESS = {
    "signed by someone else": (ROOT.crl(signer=OTHER), "CRL_signature_failure"),
    "a delta": (ROOT.crl(extensions=[DELTA]), "unhandled_critical_CRL_extension"),
    "an unknown critical extension": (
        ROOT.crl(extensions=[UNKNOWN_CRITICAL]),
        "unhandled_critical_CRL_extension",
    ),
    "for some certificates only": (ROOT.crl(extensions=[ONLY_USERS]), "Different_CRL_scope"),
}


@pytest.mark.parametrize(("crl", "complaint"), USELESS.values(), ids=USELESS)
def test_a_crl_that_envoy_cannot_use_is_a_warning(crl: bytes, complaint: str) -> None:
    """The warning names the CRL, the CA, and what Envoy will say."""
    (note,) = notes(ROOT.pem, crl)
    line = len(ROOT.pem.splitlines()) + 1
    assert (note.level, note.reason) == ("warning", "CRLUnusable")
    assert note.message.startswith(
        f"ca.crt block 2 (line {line}): Envoy cannot use this CRL for certificates of CN=root"
    )
    assert f"({complaint})" in note.message


def test_a_ca_that_may_not_sign_crls_is_a_warning() -> None:
    """Its CRL is useless, whatever the signature says."""
    root = ca("root", uses=["key_cert_sign"])
    (note,) = notes(root.pem, root.crl())
    assert note.reason == "CRLUnusable"
    assert "(key_usage_does_not_include_CRL_signing)" in note.message


def test_one_usable_crl_is_enough() -> None:
    """What Envoy cannot use does not matter beside what it can."""
    assert notes(ROOT.pem, ROOT.crl(extensions=[DELTA]), ROOT.crl()) == []


@pytest.mark.parametrize("key", ["EC", "Ed25519", "RSA"])
def test_signatures_of_all_kinds_are_verified(key: str) -> None:
    """A CRL counts whatever kind of key signed it."""
    root = ca("root", key=key)  # type: ignore[arg-type]
    assert notes(root.pem, root.crl()) == []
