import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.pki import block, ca
from tests.xds.translate.ca_der import (
    BASIC_CONSTRAINTS,
    FALSE,
    TRUE,
    certificate,
    crl,
    crl_entry,
    extension,
    mutations,
    name,
    tlv,
)
from xds.translate.ca import CaBundle, parse_bundle

ROOT = ca("root")
IS_A_CA = extension(BASIC_CONSTRAINTS, bytes.fromhex("30030101ff"), TRUE)
CRL_NUMBER = extension(bytes.fromhex("551d14"), b"\x02\x01\x01")
REASON = extension(bytes.fromhex("551d15"), b"\x0a\x01\x01")
POINT, KEY_ID = bytes.fromhex("551d1c"), bytes.fromhex("551d23")
NONCHARACTER = "\uffff".encode()


def of_certificate(der: bytes) -> CaBundle:
    """Parse a bundle of one certificate."""
    return parse_bundle(block("CERTIFICATE", der))


def of_crl(der: bytes) -> CaBundle:
    """Parse a bundle of a root and this CRL."""
    return parse_bundle(ROOT.pem + block("X509 CRL", der))


ODD_BUT_TAKEN = {
    "a negative serial number": certificate(serial=b"\x02\x01\x80"),
    "serial number 0": certificate(serial=b"\x02\x01\x00"),
    "a serial number of 100 bytes": certificate(serial=b"\x02\x64" + b"\x01" * 100),
    "version 1": certificate(version=b""),
    "no extensions": certificate(),
    "an unknown critical extension": certificate(
        extensions=[IS_A_CA, extension(b"\x2a\x03\x04", b"xx", TRUE)]
    ),
    "SHA-1": certificate(algorithm=bytes.fromhex("300906072a8648ce3d0401")),
    "MD5 with RSA": certificate(algorithm=bytes.fromhex("300d06092a864886f70d0101040500")),
    "an unknown algorithm": certificate(algorithm=bytes.fromhex("300506032a0304")),
    "an empty name": certificate(subject=tlv(0x30)),
    "a name that is empty": certificate(subject=name(b"")),
    "a name of 10,000 letters": certificate(subject=name(b"x" * 10_000)),
    "a name in Latin-1": certificate(subject=name(b"M\xfcller", 0x14)),
    "a name in UTF-16": certificate(subject=name("Mü".encode("utf-16-be"), 0x1E)),
    "a name in UTF-32": certificate(subject=name("Mü".encode("utf-32-be"), 0x1C)),
    "a name with a control character": certificate(subject=name(b"a\n\x1b[31m")),
    "a country of three letters": certificate(subject=name(b"DEU", 0x13, bytes.fromhex("550406"))),
    "unique identifiers": certificate(unique_id=tlv(0x81, b"\x00x")),
    "the year 1940": certificate(times=[tlv(0x18, b"19400101000000Z"), tlv(0x17, b"360101000000Z")]),
    "the year 9999": certificate(times=[tlv(0x17, b"260101000000Z"), tlv(0x18, b"99991231235959Z")]),
    "an end before the beginning": certificate(
        times=[tlv(0x17, b"360101000000Z"), tlv(0x17, b"260101000000Z")]
    ),
}


@pytest.mark.parametrize("der", ODD_BUT_TAKEN.values(), ids=ODD_BUT_TAKEN)
def test_odd_certificates_that_envoy_loads_are_sent(der: bytes) -> None:
    """Envoy loads it, so it is sent as it is; and no warning of `cryptography` gets out."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        bundle = of_certificate(der)
        shown = [(found.subject, found.issuer) for found in bundle.certificates]
    assert (bundle.fatal, bundle.verbatim) == (None, True)
    assert all(len(text) <= 129 and text.isprintable() for pair in shown for text in pair)


REFUSED = {
    "a name that is not UTF-8": (
        certificate(subject=name(b"M\xfcller")),
        "has a name with a part that is not utf-8",
    ),
    "a name with a noncharacter": (
        certificate(subject=name(NONCHARACTER)),
        "code points which are no characters",
    ),
    "another noncharacter": (
        certificate(subject=name("\ufdd0".encode())),
        "code points which are no characters",
    ),
    "a noncharacter of a higher plane": (
        certificate(subject=name("\U0001fffe".encode())),
        "are no characters",
    ),
    "a surrogate pair in UCS-2": (
        certificate(subject=name("😀".encode("utf-16-be"), 0x1E)),
        "are no characters",
    ),
    "an empty relative name": (certificate(subject=tlv(0x30, tlv(0x31))), "has a name with an empty part"),
    "a number for a name": (certificate(subject=name(b"", 2)), "has a name with a part that is no text"),
    "version 1 with extensions": (
        certificate(version=b"", extensions=[IS_A_CA]),
        "says that it is of version 1, but",
    ),
    "version 1 with identifiers": (
        certificate(version=b"", unique_id=tlv(0x81, b"\x00x")),
        "of version 1, but",
    ),
    "version 2": (certificate(version=b"\xa0\x03\x02\x01\x01"), "not a valid X509 version"),
    "version 4": (certificate(version=b"\xa0\x03\x02\x01\x03"), "not a valid X509 version"),
    "parameters of an unknown kind": (
        certificate(algorithm=bytes.fromhex("3007 0603 2a0304 0100")),
        "has an algorithm with parameters of an unknown kind",
    ),
    "an explicit FALSE": (certificate(extensions=[extension(b"\x2a\x03", b"x", FALSE)]), "EncodedDefault"),
    "the year 0": (certificate(times=[tlv(0x18, b"00000101000000Z"), tlv(0x17, b"360101000000Z")]), "year 0"),
    "a time with a zone": (
        certificate(times=[tlv(0x17, b"260101000000+0100")] * 2),
        "is not an X.509 certificate",
    ),
}


@pytest.mark.parametrize(("der", "why"), REFUSED.values(), ids=REFUSED)
def test_certificates_that_envoy_would_not_load_fail_closed(der: bytes, why: str) -> None:
    """What BoringSSL refuses as it loads, or `cryptography` cannot read, is not sent, and the error says why."""
    fatal = of_certificate(der).fatal
    assert fatal is not None
    assert fatal.startswith("ca.crt, block 1 (line 1), CERTIFICATE, ")
    assert why in fatal


REFUSED_CRLS = {
    "version 1 with extensions": crl(version=b"", extensions=[CRL_NUMBER]),
    "version 1 with an entry's extensions": crl(version=b"", entries=[crl_entry(), crl_entry(REASON)]),
    "an empty list of extensions": crl(extensions=[]),
    "an entry with an empty list": crl(entries=[crl_entry(REASON), crl_entry(empty=True)]),
    "version 3": crl(version=b"\x02\x01\x02"),
    "an issuer that is not UTF-8": crl(issuer=name(b"\xff")),
    "a damaged distribution point": crl(extensions=[extension(POINT, b"xx")]),
    "a damaged key identifier": crl(extensions=[extension(KEY_ID, b"xx")]),
    "a noncharacter in a distribution point": crl(
        extensions=[extension(POINT, tlv(0x30, tlv(0xA0, tlv(0xA0, tlv(0xA4, name(NONCHARACTER))))))]
    ),
    "a noncharacter in a key identifier": crl(
        extensions=[
            extension(KEY_ID, tlv(0x30, tlv(0xA1, tlv(0xA4, name(NONCHARACTER))), tlv(0x82, b"\x01")))
        ]
    ),
}


@pytest.mark.parametrize("der", REFUSED_CRLS.values(), ids=REFUSED_CRLS)
def test_crls_that_envoy_would_not_load_fail_closed(der: bytes) -> None:
    """BoringSSL looks at a CRL's extensions as it loads it, so a fault there is an error as well."""
    fatal = of_crl(der).fatal
    assert fatal is not None
    assert fatal.startswith(f"ca.crt, block 2 (line {len(ROOT.pem.splitlines()) + 1}), X509 CRL, ")


TAKEN_CRLS = {
    "version 1": crl(version=b""),
    "version 1 with entries": crl(version=b"", entries=[crl_entry()]),
    "entries with extensions": crl(entries=[crl_entry(REASON)]),
    "a serial number that looks like an empty list": crl(
        entries=[crl_entry(REASON, serial=b"\x02\x02\x30\x00")]
    ),
    "no entries": crl(entries=[]),
    "a key identifier with a name": crl(
        extensions=[extension(KEY_ID, tlv(0x30, tlv(0xA1, tlv(0xA4, name())), tlv(0x82, b"\x01")))]
    ),
}


@pytest.mark.parametrize("der", TAKEN_CRLS.values(), ids=TAKEN_CRLS)
def test_odd_crls_that_envoy_loads_are_sent(der: bytes) -> None:
    """CRLs of both versions are sent as they are."""
    bundle = of_crl(der)
    assert (bundle.fatal, bundle.verbatim, len(bundle.crls)) == (None, True, 1)


TRUSTED = {
    "nothing": "",
    "an empty list": "3000",
    "purposes": "300c 300a 0608 2b06010505070301",
    "rejected purposes": "300c a00a 0608 2b06010505070301",
    "everything": "3015 3004 0602 2a03 a004 0602 2a03 0c01 61 0404 01020304",
}
DAMAGED_TRUST = {
    "cut off": "300504 01",
    "something behind": "3000 00",
    "no list": "0401 00",
    "out of order": "3007 0401 00 3002 0600",
    "no purpose": "3004 3002 0400",
    "a purpose without an end": "3005 3003 0601 80",
    "a length in three bytes": "30830000 02 3000",
    "a name that is not UTF-8": "3003 0c01 ff",
    "parts that overlap": "3003 3004 0602 2a03",
}


@pytest.mark.parametrize("settings", TRUSTED.values(), ids=TRUSTED)
def test_trust_settings_are_sent_along(settings: str) -> None:
    """A TRUSTED CERTIFICATE goes out with OpenSSL's settings, which Envoy heeds, and counts as its certificate."""
    text = block("TRUSTED CERTIFICATE", ROOT.der + bytes.fromhex(settings))
    bundle = parse_bundle(text)
    assert (bundle.fatal, bundle.pem) == (None, text)
    assert bundle.certificates[0].sha256 == parse_bundle(ROOT.pem).certificates[0].sha256


@pytest.mark.parametrize("settings", DAMAGED_TRUST.values(), ids=DAMAGED_TRUST)
def test_damaged_trust_settings_fail_closed(settings: str) -> None:
    """Settings that are not as OpenSSL writes them are an error, since Envoy rejects most of them."""
    fatal = parse_bundle(block("TRUSTED CERTIFICATE", ROOT.der + bytes.fromhex(settings))).fatal
    assert fatal is not None
    assert fatal.startswith("ca.crt, block 1 (line 1), TRUSTED CERTIFICATE, ")


def note(bundle: CaBundle) -> tuple[str, str]:
    """Return reason and message of the only note."""
    (found,) = bundle.notes
    assert found.level == "warning"
    return found.reason, found.message


def test_a_backends_own_certificate_is_a_warning() -> None:
    """A certificate whose key usage forbids it to sign is trusted by Envoy for itself alone."""
    reason, message = note(parse_bundle(ROOT.issue("backend").pem))
    assert reason == "NotACACertificate"
    assert message.startswith(
        "ca.crt block 1 (line 1): CN=backend may not sign certificates, by its key usage; Envoy"
    )


@pytest.mark.parametrize("is_ca", [False, None])
def test_a_certificate_that_is_no_ca_but_may_sign_is_a_warning(is_ca: bool | None) -> None:
    """Without basic constraints, or with FALSE there, Envoy trusts an anchor's signatures all the same."""
    reason, message = note(parse_bundle(ca("self", is_ca=is_ca, uses=None).pem))
    assert reason == "NotACACertificate"
    assert "CN=self does not say that it is a CA; Envoy trusts it all the same" in message


def test_roots_of_version_1_are_cas() -> None:
    """Version 1 has no way to say it, so a root of that version counts as a CA."""
    bundle = of_certificate(certificate(version=b""))
    assert bundle.notes == ()
    assert bundle.certificates[0].is_ca


UNREADABLE = {
    "no basic constraints in them": certificate(extensions=[extension(BASIC_CONSTRAINTS, b"xx", TRUE)]),
    "the same one twice": certificate(extensions=[IS_A_CA, IS_A_CA]),
    "a path length of what is no CA": certificate(
        extensions=[extension(BASIC_CONSTRAINTS, b"\x30\x03\x02\x01\x01")]
    ),
}


@pytest.mark.parametrize("der", UNREADABLE.values(), ids=UNREADABLE)
def test_extensions_that_cannot_be_read_are_a_warning(der: bytes) -> None:
    """Envoy loads such a certificate and then may trust nothing that it issued."""
    bundle = of_certificate(der)
    reason, message = note(bundle)
    assert reason == "UnreadableExtensions"
    assert message.startswith("ca.crt block 1 (line 1): CN=x has extensions that cannot be read (")
    assert (bundle.certificates[0].is_ca, bundle.certificates[0].may_sign) == (False, False)


def test_names_in_messages_are_short_and_printable() -> None:
    """A name of any length and with any characters fits into a line of a log."""
    (found,) = of_certificate(certificate(subject=name(b"a\nb" + b"x" * 1000))).certificates
    assert found.subject == "CN=a\N{REPLACEMENT CHARACTER}b" + "x" * 122 + "…"
    (latin,) = of_certificate(certificate(subject=name(b"M\xfcller", 0x14))).certificates
    assert latin.subject == "(a name in an old encoding)"
    (none,) = of_certificate(certificate(subject=tlv(0x30))).certificates
    assert none.subject == "(no name)"


def test_deeply_nested_names_are_no_trouble() -> None:
    """A name within thousands of lists is looked at without recursion."""
    nested = b"\x0c\x01x"
    for _ in range(3000):
        nested = tlv(0x30, nested)
    other_name = tlv(0xA0, tlv(6, b"\x2a\x03"), tlv(0xA0, nested))
    bundle = of_crl(crl(extensions=[extension(POINT, tlv(0x30, tlv(0xA0, tlv(0xA0, other_name))))]))
    assert bundle.fatal is None


SEEDS = [
    ROOT.der,
    ca("bare", key_ids=False, uses=None).der,
    certificate(),
    certificate(version=b"", extensions=[IS_A_CA]),
    certificate(
        extensions=[extension(KEY_ID, tlv(0x30, tlv(0xA1, tlv(0xA4, name())), tlv(0x82, b"\x01")))],
        unique_id=tlv(0x81, b"\x00x"),
    ),
    crl(entries=[crl_entry(REASON)], extensions=[CRL_NUMBER]),
]


def test_parsing_never_raises_on_mutated_encodings() -> None:
    """Whatever stands in a block, the outcome is a bundle, and what is sent has its certificates."""
    outcomes = set()
    for _, der in zip(range(3000), mutations(SEEDS, seed=1), strict=False):
        for bundle in (of_certificate(der), of_crl(der)):
            assert bool(bundle.pem) == bool(bundle.certificates) == (bundle.fatal is None)
            assert all(found.subject and found.issuer for found in bundle.certificates)
            outcomes.add(bundle.fatal is None)
    assert outcomes == {True, False}


@given(st.binary(max_size=200))
def test_parsing_never_raises_on_any_bytes(data: bytes) -> None:
    """Whatever a Secret holds, as it is or within a block, the outcome is a bundle."""
    for text in (data, block("CERTIFICATE", data), ROOT.pem + block("X509 CRL", data), ROOT.pem + data):
        bundle = parse_bundle(text)
        assert bool(bundle.pem) == (bundle.fatal is None)
