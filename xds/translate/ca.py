"""A CA bundle, the `ca.crt` of a Secret: what of it is sent to Envoy, and what its owner should know.

One bad block makes Envoy reject the cluster and NACK the whole response. So a bundle is parsed before it is
sent: what Envoy reads as it is meant goes out byte for byte; what it would reject is encoded anew, left out or
fails closed, and a note says so. Notes also tell what Envoy will do with the bundle later, which from the
outside looks like any refused connection. What is said of Envoy was measured on Envoy 1.40.

This module knows neither LoadBalancers nor the Secret's name, and no message holds what stands in a block.
"""

import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from kube.objects.reasons import Reason
from xds.translate import pem
from xds.translate.certificates import (
    BundleNote,
    CaCertificate,
    CaRevocationList,
    UnreadableError,
    read_certificate,
    read_revocation_list,
)
from xds.translate.expiry import expiry_findings
from xds.translate.findings import RESOLVED_REFS, Finding
from xds.translate.revocation import revocation_notes

__all__ = ["BundleNote", "CaBundle", "CaCertificate", "CaRevocationList", "bundle_findings", "parse_bundle"]

_TRUSTED: Final = "TRUSTED CERTIFICATE"
_CERTIFICATES: Final = ("CERTIFICATE", "X509 CERTIFICATE", _TRUSTED)
_REVOCATION_LIST: Final = "X509 CRL"
_PRIVATE_KEY: Final = "PRIVATE KEY"
"""How the labels of all private keys end; where it stands in mere text, a damaged one may follow."""
_ODDITIES: Final[dict[pem.OddityKind, tuple[Reason, str]]] = {
    "joined": (
        "JoinedPEMBlocks",
        "a block begins on the line on which another ends; end every file with a newline before joining them",
    ),
    "byte-order mark": (
        "ByteOrderMark",
        "a byte-order mark hides what stands behind it; save the file as UTF-8 without one",
    ),
    "layout": (
        "UnusualPEMLayout",
        "a block has blank lines, or lines of an unlucky length; write its base64 in lines of 64 characters",
    ),
}
"""What Envoy would reject or overlook, and what heals it."""
_NO_PEM: Final = (
    (
        b"LS0tLS1CRUdJTi",
        "holds base64 of PEM, so it was encoded twice: encode it once, or put it under stringData",
    ),
    (b"\x30\x82", "is in DER: convert it with openssl x509 -inform der"),
    (b"\xff\xfe", "is in UTF-16: save it as UTF-8 without a byte-order mark"),
    (b"\xfe\xff", "is in UTF-16: save it as UTF-8 without a byte-order mark"),
    (b"", "holds no PEM: it needs the CA's certificate, from BEGIN CERTIFICATE to END CERTIFICATE"),
)
"""How a text without any PEM begins, and what that means."""


@dataclass(frozen=True, slots=True)
class CaBundle:
    """A parsed `ca.crt`.

    `pem` is what Envoy gets, and `verbatim` whether it is what the Secret holds. When `fatal` says why nothing
    can be sent, `pem`, `certificates` and `crls` are empty. `notes` hold at any time; `bundle_findings` adds
    what depends on the time.
    """

    pem: bytes
    verbatim: bool
    certificates: tuple[CaCertificate, ...]
    crls: tuple[CaRevocationList, ...]
    notes: tuple[BundleNote, ...]
    fatal: str | None


def parse_bundle(text: bytes) -> CaBundle:
    """Parse the bytes of a `ca.crt`. Never raises: what fails closed is told by `CaBundle.fatal`."""
    notes = list(_private_key_notes(text))
    try:
        # `cryptography` warns of serial numbers and keys that Envoy does not mind.
        with warnings.catch_warnings(action="ignore", category=UserWarning):
            return _parse(text, notes)
    except (pem.PemError, UnreadableError) as error:
        fatal = (
            f"ca.crt, {error}. Nothing of it is sent to Envoy, which takes all or nothing: correct that block"
        )
    except _NoCertificateError as error:
        fatal = f"ca.crt {error}"
    return CaBundle(b"", verbatim=False, certificates=(), crls=(), notes=tuple(notes), fatal=fatal)


def bundle_findings(
    bundle: CaBundle, now: datetime, warn_within: timedelta
) -> tuple[tuple[Finding, ...], datetime | None]:
    """Return what there is to say about a bundle now, and when that may first change.

    `now` is aware of its time zone; what ends within `warn_within` is said to be expiring. A `fatal` bundle
    yields an error. None instead of a time: nothing changes by itself. Messages begin with "ca.crt" and paths
    are empty: the caller knows the Secret's name, and the field that names it.
    """
    findings = [Finding(note.level, RESOLVED_REFS, note.reason, note.message) for note in bundle.notes]
    if bundle.fatal is not None:
        findings.insert(0, Finding("error", RESOLVED_REFS, "InvalidCACertificateRef", bundle.fatal))
    aging, recheck_at = expiry_findings(bundle.certificates, bundle.crls, now, warn_within)
    return (*findings, *aging), recheck_at


class _NoCertificateError(ValueError):
    """A bundle without any certificate. The message ends a sentence: "ca.crt …"."""


def _parse(text: bytes, notes: list[BundleNote]) -> CaBundle:
    """Read every block, in order."""
    framing = pem.frame(text)
    sent: list[tuple[str, bytes]] = []
    certificates: list[CaCertificate] = []
    crls: list[CaRevocationList] = []
    left_out: list[pem.Block] = []
    oddities = list(framing.oddities)
    for block in framing.blocks:
        if block.label not in (*_CERTIFICATES, _REVOCATION_LIST):
            left_out.append(block)
            continue
        data = pem.decode(block)
        where = f"ca.crt {block.where}"
        try:
            if block.label == _REVOCATION_LIST:
                crls.append(read_revocation_list(data, where))
            else:
                certificates.append(read_certificate(data, where, trusted=block.label == _TRUSTED))
        except UnreadableError as error:
            raise UnreadableError(f"{block.where}, {block.label}, {error}") from None
        sent.append((block.label, data))
        if pem.has_odd_layout(block):
            oddities.append(pem.Oddity("layout", block.line))
    if not certificates:
        raise _NoCertificateError(_without_certificate(text, framing.blocks))
    notes.extend(_left_out_notes(left_out))
    notes.extend(_oddity_notes(oddities))
    notes.extend(note for certificate in certificates for note in _certificate_notes(certificate))
    notes.extend(revocation_notes(certificates, crls))
    # Text around blocks goes out as it is, unless there may be a key in it.
    verbatim = not left_out and not oddities and _PRIVATE_KEY.encode() not in text
    return CaBundle(
        pem=text if verbatim else b"".join(pem.encode(label, data) for label, data in sent),
        verbatim=verbatim,
        certificates=tuple(certificates),
        crls=tuple(crls),
        notes=tuple(notes),
        fatal=None,
    )


def _private_key_notes(text: bytes) -> Iterator[BundleNote]:
    at = text.find(_PRIVATE_KEY.encode())
    if at >= 0:
        line = text.count(b"\n", 0, at) + 1
        yield BundleNote(
            "warning",
            "PrivateKeyInCABundle",
            f"ca.crt HOLDS A PRIVATE KEY (line {line}). It is not sent to Envoy, but whoever may read the Secret has it: "
            "remove it from ca.crt, and replace it wherever it is in use",
        )


def _left_out_notes(blocks: Iterable[pem.Block]) -> Iterator[BundleNote]:
    by_label: dict[str, list[pem.Block]] = {}
    for block in blocks:
        if _PRIVATE_KEY not in block.label:
            by_label.setdefault(block.label, []).append(block)
    for label, (first, *others) in by_label.items():
        more = f" and {len(others)} more of its kind" if others else ""
        yield BundleNote(
            "warning",
            "UnexpectedPEMBlock",
            f"ca.crt {first.where}{more}: {label!r} is left out, for only certificates and CRLs are sent to Envoy; "
            "remove it from ca.crt",
        )


def _oddity_notes(oddities: Iterable[pem.Oddity]) -> Iterator[BundleNote]:
    for kind, (reason, text) in _ODDITIES.items():
        lines = sorted({oddity.line for oddity in oddities if oddity.kind == kind})
        if lines:
            where = ", ".join(map(str, lines))
            yield BundleNote(
                "warning",
                reason,
                f"ca.crt is sent encoded anew, for Envoy would reject or overlook part of it: on line {where} {text}",
            )


def _certificate_notes(certificate: CaCertificate) -> Iterator[BundleNote]:
    reason: Reason = "NotACACertificate"
    if certificate.unreadable is not None:
        reason = "UnreadableExtensions"
        text = (
            f"has extensions that cannot be read ({certificate.unreadable}); Envoy may refuse every certificate that "
            "it issued. Have it issued again"
        )
    elif not certificate.may_sign:
        text = (
            "may not sign certificates, by its key usage; Envoy takes it as a backend's own certificate, and refuses "
            "every one that it issued. Put the CA's certificate in its place"
        )
    elif not certificate.is_ca:
        text = (
            "does not say that it is a CA; Envoy trusts it all the same, and with it every certificate that its key "
            "signs. Put the CA's certificate in its place"
        )
    else:
        return
    yield BundleNote("warning", reason, f"{certificate.where}: {certificate.subject} {text}")


def _without_certificate(text: bytes, blocks: Sequence[pem.Block]) -> str:
    if blocks:
        kinds = ", ".join(sorted({block.label for block in blocks}))
        return f"holds no certificate, only {kinds}: it needs the CA's, from BEGIN CERTIFICATE to END CERTIFICATE"
    if not text.strip():
        return "is empty: it needs the CA's certificate in PEM"
    return next(meaning for beginning, meaning in _NO_PEM if text.startswith(beginning))
