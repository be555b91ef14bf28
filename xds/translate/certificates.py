"""The parts of a CA bundle: certificates and CRLs, read once and kept as the facts that later questions need.

`cryptography` parses them, `der` adds what Envoy asks beyond that. What Envoy makes of a certificate it trusts
is BoringSSL's rule, not RFC 5280's: whatever stands in `trusted_ca` is an anchor, root or not, CA or not. This
module knows neither PEM nor what time it is.
"""

import hashlib
import warnings
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from kube.objects.reasons import Reason
from xds.translate import der

_MAX_NAME: Final = 128
"""Characters of a name in a message; a name may have a megabyte."""
_MAX_REASON: Final = 160
_REFUSALS: Final = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)
"""What `cryptography` raises for bytes that it does not take."""


class UnreadableError(ValueError):
    """Bytes that are no certificate or CRL that Envoy would load. The message ends a sentence: "it …"."""


@dataclass(frozen=True, slots=True)
class BundleNote:
    """One thing to know about a bundle, at any time."""

    level: Literal["error", "warning"]
    reason: Reason
    message: str


@dataclass(frozen=True, slots=True)
class CaCertificate:
    """One certificate of a bundle.

    `where` is its place, for messages; times are UTC; `sha256` is in hexadecimal. `is_ca` is what BoringSSL's
    X509_check_ca says. Of a trusted certificate Envoy asks less: `may_sign`, that no key usage forbids it to
    sign others; `may_sign_crls` is the same for CRLs. `unreadable` says why its extensions cannot be read: all
    three are False then.
    """

    where: str
    not_before: datetime
    not_after: datetime
    sha256: str
    is_ca: bool
    may_sign: bool
    may_sign_crls: bool
    unreadable: str | None
    names: der.Names
    parsed: x509.Certificate = field(repr=False, compare=False)

    @property
    def subject(self) -> str:
        """The subject as RFC 4514 writes it, of bounded length."""
        return readable_name(self.parsed, "subject")

    @property
    def issuer(self) -> str:
        """The issuer as RFC 4514 writes it, of bounded length."""
        return readable_name(self.parsed, "issuer")

    @property
    def is_self_issued(self) -> bool:
        """Whether it names itself as its issuer, as roots do."""
        return self.names.issuer == self.names.subject


@dataclass(frozen=True, slots=True)
class CaRevocationList:
    """One CRL of a bundle. Times are UTC; without `next_update` it never expires. `sha256` is in hexadecimal."""

    where: str
    last_update: datetime
    next_update: datetime | None
    sha256: str
    issuer_name: der.Name
    parsed: x509.CertificateRevocationList = field(repr=False, compare=False)

    @property
    def issuer(self) -> str:
        """The issuer as RFC 4514 writes it, of bounded length."""
        return readable_name(self.parsed, "issuer")

    def is_signed_by(self, certificate: CaCertificate) -> bool:
        """Whether this certificate's key made the signature."""
        try:
            # A key of a kind that signs nothing raises, too.
            return self.parsed.is_signature_valid(certificate.parsed.public_key())  # type: ignore[arg-type]
        except _REFUSALS:
            return False


def read_certificate(data: bytes, where: str, *, trusted: bool = False) -> CaCertificate:
    """Read a DER certificate, with OpenSSL's trust settings behind it if it is `trusted`. Raises UnreadableError."""
    try:
        if trusted:
            data = der.without_trust_settings(data)
        parsed = x509.load_der_x509_certificate(data)
        names = der.certificate_names(data)
        not_before, not_after = parsed.not_valid_before_utc, parsed.not_valid_after_utc
    except _REFUSALS as error:
        raise UnreadableError(_reason("an X.509 certificate", error)) from None
    is_ca = may_sign = may_sign_crls = False
    unreadable = None
    try:
        values = [extension.value for extension in parsed.extensions]
    except _REFUSALS as error:
        unreadable = str(error)[:_MAX_REASON]
    else:
        usage = next((value for value in values if isinstance(value, x509.KeyUsage)), None)
        may_sign = usage is None or usage.key_cert_sign
        may_sign_crls = usage is None or usage.crl_sign
        is_old_root = parsed.version is x509.Version.v1 and names.issuer == names.subject
        is_ca = may_sign and (
            is_old_root or any(isinstance(value, x509.BasicConstraints) and value.ca for value in values)
        )
    return CaCertificate(
        where=where,
        not_before=not_before,
        not_after=not_after,
        sha256=hashlib.sha256(data).hexdigest(),
        is_ca=is_ca,
        may_sign=may_sign,
        may_sign_crls=may_sign_crls,
        unreadable=unreadable,
        names=names,
        parsed=parsed,
    )


def read_revocation_list(data: bytes, where: str) -> CaRevocationList:
    """Read a DER CRL. Raises UnreadableError."""
    try:
        parsed = x509.load_der_x509_crl(data)
        issuer_name = der.revocation_list_issuer(data)
        last_update, next_update = parsed.last_update_utc, parsed.next_update_utc
        # Unlike a certificate's, a CRL's extensions are looked at when Envoy loads it.
        _ = parsed.extensions
    except _REFUSALS as error:
        raise UnreadableError(_reason("an X.509 CRL", error)) from None
    return CaRevocationList(
        where=where,
        last_update=last_update,
        next_update=next_update,
        sha256=hashlib.sha256(data).hexdigest(),
        issuer_name=issuer_name,
        parsed=parsed,
    )


def _reason(expected: str, error: Exception) -> str:
    if isinstance(error, der.DerError):
        return str(error)
    return f"is not {expected} in DER ({str(error)[:_MAX_REASON]})"


def readable_name(
    parsed: x509.Certificate | x509.CertificateRevocationList, name: Literal["subject", "issuer"]
) -> str:
    """Return a name as text of printable characters, and not too many of them."""
    try:
        # It warns of lengths that RFC 5280 does not allow, and that are in use all the same.
        with warnings.catch_warnings(action="ignore", category=UserWarning):
            text: str = getattr(parsed, name).rfc4514_string()
    except _REFUSALS:
        return "(a name in an old encoding)"  # which BoringSSL reads and `cryptography` does not
    shown = "".join(
        letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text[:_MAX_NAME]
    )
    return f"{shown}…" if len(text) > _MAX_NAME else shown or "(no name)"
