import base64
import re
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest

from tests.support.pki import block, ca
from xds.translate import pem
from xds.translate.ca import CaBundle, bundle_findings, parse_bundle

ROOT = ca("root")
ISSUING = ROOT.intermediate("issuing")
BACKEND = ISSUING.issue("backend")
NOW = datetime(2026, 6, 1, tzinfo=UTC)


def reasons(bundle: CaBundle) -> list[str]:
    """Return the notes' reasons, in order."""
    return [note.reason for note in bundle.notes]


def message(bundle: CaBundle, reason: str) -> str:
    """Return the message of the one note of that reason."""
    (found,) = (note.message for note in bundle.notes if note.reason == reason)
    return found


VERBATIM = {
    "one certificate": ROOT.pem,
    "a root and its intermediate": ROOT.pem + ISSUING.pem,
    "an intermediate alone": ISSUING.pem,
    "the same one twice": ROOT.pem * 2,
    "a hundred": b"".join(ca(f"root {number}").pem for number in range(100)),
    "CRLF": ROOT.pem.replace(b"\n", b"\r\n"),
    "text around": b"subject: \xc3\x9cber, \xff\n" + ROOT.pem + b"# the other\n" + ISSUING.pem + b"end",
    "no final newline": ROOT.pem.rstrip(b"\n"),
    "a CRL": ROOT.pem + ROOT.crl(),
    "an old label": block("X509 CERTIFICATE", ROOT.der),
    "a trusted certificate": block("TRUSTED CERTIFICATE", ROOT.der),
    "an Ed25519 key": ca("edwards", key="Ed25519").pem,
    "an RSA key": ca("rivest", key="RSA").pem,
}


@pytest.mark.parametrize("text", VERBATIM.values(), ids=VERBATIM)
def test_a_clean_bundle_goes_out_byte_for_byte(text: bytes) -> None:
    """What Envoy reads as it is meant is not touched, and nothing is to be said of it."""
    bundle = parse_bundle(text)
    assert (bundle.pem, bundle.verbatim, bundle.notes, bundle.fatal) == (text, True, (), None)
    assert bundle_findings(bundle, NOW, timedelta(days=30))[0] == ()


def test_a_bundle_knows_its_certificates() -> None:
    """Certificates come with place, names, dates and hash, in the order of the text."""
    root, issuing = parse_bundle(b"text\n" + ROOT.pem + ISSUING.pem).certificates
    assert (root.where, root.subject, root.issuer) == ("ca.crt block 1 (line 2)", "CN=root", "CN=root")
    second_line = 2 + ROOT.pem.count(b"\n")
    assert (issuing.where, issuing.subject, issuing.issuer) == (
        f"ca.crt block 2 (line {second_line})",
        "CN=issuing",
        "CN=root",
    )
    assert (root.is_self_issued, issuing.is_self_issued) == (True, False)
    assert root.is_ca
    assert issuing.is_ca
    assert root.not_before == ROOT.certificate.not_valid_before_utc
    assert root.not_after == ROOT.certificate.not_valid_after_utc
    assert root.sha256 == sha256(ROOT.der).hexdigest()


def test_a_bundle_knows_its_crls() -> None:
    """CRLs come with place, issuer, dates and hash."""
    bundle = parse_bundle(ROOT.crl(start=NOW, end=NOW + timedelta(days=7)) + ROOT.pem)
    (crl,) = bundle.crls
    assert (crl.where, crl.issuer) == ("ca.crt block 1 (line 1)", "CN=root")
    assert (crl.last_update, crl.next_update) == (NOW, NOW + timedelta(days=7))
    assert len(crl.sha256) == 64


def test_equal_bundles_are_equal() -> None:
    """A bundle is a value: parsed twice, it equals itself."""
    text = ROOT.pem + ISSUING.pem + ROOT.crl()
    assert parse_bundle(text) == parse_bundle(text)
    assert parse_bundle(text) != parse_bundle(ROOT.pem)


REENCODED = {
    "joined without a newline": (ROOT.pem.rstrip(b"\n") + ISSUING.pem, "JoinedPEMBlocks"),
    "a byte-order mark": (pem.BOM + ROOT.pem + ISSUING.pem, "ByteOrderMark"),
    "a byte-order mark in the middle": (ROOT.pem + pem.BOM + ISSUING.pem, "ByteOrderMark"),
    "a blank line within": (ROOT.pem.replace(b"\nMII", b"\nM\n\nII") + ISSUING.pem, "UnusualPEMLayout"),
    "a line of 253": (block("CERTIFICATE", ROOT.der, width=253) + ISSUING.pem, "UnusualPEMLayout"),
}


@pytest.mark.parametrize(("text", "reason"), REENCODED.values(), ids=REENCODED)
def test_what_envoy_would_reject_or_overlook_is_encoded_anew(text: bytes, reason: str) -> None:
    """The same certificates are sent by the letter, and a warning says why and where."""
    bundle = parse_bundle(text)
    assert (bundle.pem, bundle.verbatim, bundle.fatal) == (ROOT.pem + ISSUING.pem, False, None)
    assert reasons(bundle) == [reason]
    assert message(bundle, reason).startswith("ca.crt is sent encoded anew")
    assert "on line " in message(bundle, reason)


def test_what_is_encoded_anew_keeps_its_labels() -> None:
    """CRLs and trusted certificates stay what they are, trust settings included."""
    trusted = ROOT.der + REJECTS_SERVERS
    text = pem.BOM + block("TRUSTED CERTIFICATE", trusted) + ROOT.crl()
    assert parse_bundle(text).pem == block("TRUSTED CERTIFICATE", trusted) + ROOT.crl()


REJECTS_SERVERS = bytes.fromhex("300c a00a 0608 2b06010505070301")
"""Trust settings (X509_CERT_AUX) that reject the purpose serverAuth."""

LEFT_OUT = {
    "public key": block("PUBLIC KEY", b"1234"),
    "request": block("CERTIFICATE REQUEST", b"1234"),
    "PKCS #7": block("PKCS7", b"1234"),
    "a CRL's label in short": block("CRL", b"1234"),
    "a label in lower case": block("certificate", ROOT.der),
    "not even base64": b"-----BEGIN FOO-----\n!!!\n-----END FOO-----\n",
    "empty": b"-----BEGIN FOO-----\n-----END FOO-----\n",
}


@pytest.mark.parametrize("other", LEFT_OUT.values(), ids=LEFT_OUT)
def test_other_kinds_of_blocks_are_left_out(other: bytes) -> None:
    """A block that is neither certificate nor CRL is not sent, and a warning names its place and kind."""
    bundle = parse_bundle(ROOT.pem + other + ISSUING.pem)
    assert (bundle.pem, bundle.verbatim) == (ROOT.pem + ISSUING.pem, False)
    assert reasons(bundle) == ["UnexpectedPEMBlock"]
    label = other.split(b"-----")[1].removeprefix(b"BEGIN ").decode()
    line = 1 + ROOT.pem.count(b"\n")
    assert message(bundle, "UnexpectedPEMBlock").startswith(
        f"ca.crt block 2 (line {line}): {label!r} is left out"
    )


def test_one_warning_tells_of_all_blocks_of_a_kind() -> None:
    """A file full of other things yields one warning for each kind."""
    bundle = parse_bundle(ROOT.pem + block("FOO", b"1") * 3 + block("BAR", b"2"))
    assert reasons(bundle) == ["UnexpectedPEMBlock"] * 2
    assert "and 2 more of its kind: 'FOO'" in bundle.notes[0].message


PRIVATE_KEYS = {
    "PKCS #8": BACKEND.key_pem,
    "no valid key": block("EC PRIVATE KEY", b"1234"),
    "encrypted": b"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n"
    b"-----END RSA PRIVATE KEY-----\n",
    "in comments": b"".join(b"# " + line for line in BACKEND.key_pem.splitlines(keepends=True)),
    "with damaged boundaries": BACKEND.key_pem.replace(b"-----", b"----"),
}


@pytest.mark.parametrize("key", PRIVATE_KEYS.values(), ids=PRIVATE_KEYS)
def test_a_private_key_is_never_sent(key: bytes) -> None:
    """A private key, however it stands there, is left out with a warning, and its bytes appear nowhere."""
    bundle = parse_bundle(ROOT.pem + key + ISSUING.pem)
    assert (bundle.pem, bundle.verbatim, bundle.fatal) == (ROOT.pem + ISSUING.pem, False, None)
    assert reasons(bundle) == ["PrivateKeyInCABundle"]
    assert "HOLDS A PRIVATE KEY (line " in message(bundle, "PrivateKeyInCABundle")
    assert_not_in(BACKEND.key_pem, bundle)


def assert_not_in(key: bytes, bundle: CaBundle) -> None:
    """Assert that no line of a key is in anything that is sent or said."""
    findings, _ = bundle_findings(bundle, NOW, timedelta(days=30))
    shown = repr(bundle) + repr(findings) + bundle.pem.decode(errors="replace")
    for line in key.decode().splitlines()[1:-1]:
        assert line not in shown


FATAL = {
    "empty": (b"", r"ca.crt is empty"),
    "blank": (b" \n\n", r"ca.crt is empty"),
    "no PEM": (b"hello", r"ca.crt holds no PEM"),
    "DER": (ROOT.der, r"ca.crt is in DER: convert it"),
    "UTF-16": (ROOT.pem.decode().encode("utf-16"), r"ca.crt is in UTF-16"),
    "encoded twice": (base64.b64encode(ROOT.pem), r"ca.crt holds base64 of PEM, so it was encoded twice"),
    "a CRL alone": (ROOT.crl(), r"ca.crt holds no certificate, only X509 CRL"),
    "a key alone": (BACKEND.key_pem, r"ca.crt holds no certificate, only PRIVATE KEY"),
    "not terminated": (ROOT.pem + ISSUING.pem[:-20], r"ca.crt, block 2 \(line \d+\) is not terminated"),
    "damaged base64": (
        ROOT.pem + ISSUING.pem.replace(b"MII", b"M*I"),
        r"ca.crt, block 2 \(line \d+\), CERTIFICATE, is da",
    ),
    "empty block": (
        ROOT.pem + block("CERTIFICATE", b""),
        r"ca.crt, block 2 \(line \d+\), CERTIFICATE, is empty",
    ),
    "no certificate in it": (
        block("CERTIFICATE", b"1234"),
        r"ca.crt, block 1 \(line 1\), CERTIFICATE, is not an X.509 cer",
    ),
    "no CRL in it": (
        ROOT.pem + block("X509 CRL", ROOT.der),
        r"ca.crt, block 2 \(line \d+\), X509 CRL, is not an X.509 CRL",
    ),
    "something behind a certificate": (
        block("CERTIFICATE", ROOT.der * 2),
        r"is not an X.509 certificate in DER \(.*ExtraData",
    ),
    "a CRL under a certificate's label": (
        ROOT.pem + ROOT.crl().replace(b"X509 CRL", b"CERTIFICATE"),
        "is not an X.509 cer",
    ),
}


@pytest.mark.parametrize(("text", "why"), FATAL.values(), ids=FATAL)
def test_what_cannot_be_sent_fails_closed(text: bytes, why: str) -> None:
    """Without a certificate, or with one bad block, nothing is sent, and one error says which block and why."""
    bundle = parse_bundle(text)
    assert (bundle.pem, bundle.verbatim, bundle.certificates, bundle.crls) == (b"", False, (), ())
    findings, recheck_at = bundle_findings(bundle, NOW, timedelta(days=30))
    assert recheck_at is None
    assert findings[0].level == "error"
    assert (findings[0].condition, findings[0].reason) == ("ResolvedRefs", "InvalidCACertificateRef")
    assert re.search(why, findings[0].message)
    assert findings[0].message == bundle.fatal


def test_a_private_key_beside_a_malformed_block_is_told_of_as_well() -> None:
    """What fails closed still says that there is a key, and shows none of it."""
    bundle = parse_bundle(BACKEND.key_pem + ROOT.pem[:-20])
    assert reasons(bundle) == ["PrivateKeyInCABundle"]
    assert bundle.fatal is not None
    assert_not_in(BACKEND.key_pem, bundle)


def test_a_private_key_under_a_certificates_label_is_not_shown() -> None:
    """The error about a block that is no certificate repeats nothing of it."""
    bundle = parse_bundle(
        block("CERTIFICATE", base64.b64decode(b"".join(BACKEND.key_pem.splitlines()[1:-1])))
    )
    assert bundle.fatal is not None
    assert_not_in(BACKEND.key_pem, bundle)
