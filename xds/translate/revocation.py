"""What CRLs in a CA bundle cost: with a single one there, Envoy wants one for every CA of every chain.

Envoy turns on CRL checks of whole chains (X509_V_FLAG_CRL_CHECK_ALL) as soon as `trusted_ca` holds a CRL, also
one of a CA that has nothing to do with the backend. What then lacks a CRL is refused, which looks from the
outside like any wrong certificate. This module says so beforehand. It does not know what time it is.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Final

from cryptography import x509
from cryptography.x509.oid import ExtensionOID

from xds.translate.certificates import BundleNote, CaCertificate, CaRevocationList
from xds.translate.der import Name

_KNOWN: Final = {ExtensionOID.ISSUING_DISTRIBUTION_POINT, ExtensionOID.AUTHORITY_KEY_IDENTIFIER}
"""Critical extensions of a CRL that BoringSSL handles (crypto/x509/x_crl.cc); a delta CRL's is not among them."""


def revocation_notes(
    certificates: Sequence[CaCertificate], crls: Sequence[CaRevocationList]
) -> Iterator[BundleNote]:
    """Say which certificates of a bundle cannot be checked, by its CRLs, as Envoy wants to check them."""
    if not crls:
        return
    by_issuer: defaultdict[Name, list[CaRevocationList]] = defaultdict(list)
    for crl in crls:
        by_issuer[crl.issuer_name].append(crl)
    subjects = {certificate.names.subject for certificate in certificates}
    for certificate in {certificate.sha256: certificate for certificate in certificates}.values():
        if certificate.names.issuer not in subjects:
            yield _without_issuer(certificate)
        if certificate.is_ca or certificate.is_self_issued:
            own = by_issuer[certificate.names.subject]
            complaints = [_complaint(crl, certificate) for crl in own]
            if not own:
                yield _without_crl(certificate)
            elif complaint := complaints[0] if all(complaints) else None:
                yield _useless(own[0], certificate, complaint)


def _complaint(crl: CaRevocationList, issuer: CaCertificate) -> str | None:
    """Return what Envoy says when it needs this CRL for a certificate of this issuer, None when it takes it."""
    if not crl.is_signed_by(issuer):
        return "CRL_signature_failure"
    if not issuer.may_sign_crls:
        return "key_usage_does_not_include_CRL_signing"
    extensions = crl.parsed.extensions
    if any(extension.critical and extension.oid not in _KNOWN for extension in extensions):
        return "unhandled_critical_CRL_extension"
    if any(isinstance(extension.value, x509.IssuingDistributionPoint) for extension in extensions):
        return "Different_CRL_scope"
    return None


def _without_crl(certificate: CaCertificate) -> BundleNote:
    return BundleNote(
        "warning",
        "CRLMissing",
        f"{certificate.where}: {certificate.subject} has no CRL, but others in the bundle have; Envoy refuses every "
        "certificate that chains to it (unable_to_get_certificate_CRL). Add its CRL, or remove all CRLs",
    )


def _without_issuer(certificate: CaCertificate) -> BundleNote:
    return BundleNote(
        "warning",
        "CRLMissing",
        f"{certificate.where}: {certificate.subject} stands in a bundle with CRLs, but its issuer {certificate.issuer} "
        "does not; Envoy then refuses every certificate that chains to it (unable_to_get_certificate_CRL). Add the "
        "issuer and its CRL, or remove all CRLs",
    )


def _useless(crl: CaRevocationList, issuer: CaCertificate, complaint: str) -> BundleNote:
    return BundleNote(
        "warning",
        "CRLUnusable",
        f"{crl.where}: Envoy cannot use this CRL for certificates of {issuer.subject} and may refuse them all "
        f"({complaint}). Replace it with a complete CRL of that CA, or remove all CRLs",
    )
