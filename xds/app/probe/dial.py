"""One connection to one endpoint, with the TLS settings that Envoy has: what the backend presents, and whether it would pass.

OpenSSL stands in for Envoy's BoringSSL, with its stricter defaults off and Envoy's own on: TLS 1.2 to 1.3, no SNI, no names
compared, whatever is in the CA bundle is an anchor, CRLs count as soon as there is one, and the backend's key usage has to allow
signing (envoy-tls.md; a test holds both side by side). It knows no words for people.
"""

import contextlib
import socket
import ssl
import tempfile
from dataclasses import dataclass, field
from typing import Any, Final

from cryptography import x509

from xds.app.probe.targets import Target

CONNECT_TIMEOUT: Final = 5.0
"""Seconds: the clusters' own."""
_LOOK_WITHIN: Final = 1.0
"""Seconds for a backend to answer a handshake that Envoy would not begin."""
_ALERT_WITHIN: Final = 0.3
"""Seconds in which a backend that wants a client certificate says so after a handshake of TLS 1.3."""

# A connection of the proxy's own, as Envoy's health checks are: version 2, LOCAL, no addresses.
_PROXY_LOCAL: Final = b"\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00"
_CRL: Final = b"-----BEGIN X509 CRL-----"
_ERRORS: Final = (OSError, ValueError)
"""What sockets and the ssl module raise; for a name that no host can have, UnicodeError."""
_NO_EXTENSION: Final = (
    x509.ExtensionNotFound,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
    ValueError,
)
"""What `cryptography` raises where a certificate has no such extension, or extensions that make no sense."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a connection came to nothing: a word for programs, the system's or OpenSSL's words, and OpenSSL's verify code."""

    code: str
    text: str
    verify_code: int = 0


@dataclass(slots=True)
class Dialled:
    """What came of one endpoint. ``presented`` is the backend's chain, leaf first; ``version`` the TLS version, "" without.

    Of an endpoint that Envoy reaches in the clear these say whether it would speak TLS.
    """

    target: Target
    failure: Failure | None = None
    version: str = ""
    presented: list[x509.Certificate] = field(default_factory=list)


def dial(target: Target, *, timeout: float = CONNECT_TIMEOUT) -> Dialled:
    """Connect as Envoy would, twice where it verifies: first to see what the backend presents. Never raises."""
    seen = Dialled(target)
    if target.policy == "fail-closed":
        seen.failure = Failure("fail-closed", "Envoy gets no endpoints and lets nothing pass")
        return seen
    if target.policy == "plain":
        _plain(seen, timeout)
        return seen
    seen.failure = _handshake(seen, b"", timeout)
    if seen.failure is None and target.policy == "verify":
        seen.failure = _handshake(seen, target.ca, timeout)
    if seen.failure is None:
        seen.failure = _key_usage(seen.presented)
    return seen


def _plain(seen: Dialled, timeout: float) -> None:
    """Reach an endpoint, and see whether it speaks TLS, which its clients may want of it."""
    try:
        with _connected(seen.target, timeout):
            pass
    except _ERRORS as error:
        seen.failure = _failure(error)
    else:
        _handshake(seen, b"", min(timeout, _LOOK_WITHIN))


def _connected(target: Target, timeout: float) -> socket.socket:
    connected = socket.create_connection((target.host, target.port), timeout)
    try:
        if target.proxy_header:
            connected.sendall(_PROXY_LOCAL)
    except OSError:
        connected.close()
        raise
    return connected


def _context(ca: bytes) -> ssl.SSLContext:
    """Return Envoy's settings, with verification where there is a CA."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED if ca else ssl.CERT_NONE
    context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
    with contextlib.suppress(ssl.SSLError):
        context.set_ciphers("DEFAULT:@SECLEVEL=0")  # BoringSSL has no such levels
    if ca:
        context.verify_flags = ssl.VERIFY_X509_PARTIAL_CHAIN | ssl.VERIFY_X509_TRUSTED_FIRST
        with tempfile.NamedTemporaryFile(suffix=".pem") as file:  # CRLs are read from files alone
            file.write(ca)
            file.flush()
            context.load_verify_locations(cafile=file.name)
        if _CRL in ca:
            context.verify_flags |= ssl.VERIFY_CRL_CHECK_CHAIN
    return context


def _handshake(seen: Dialled, ca: bytes, timeout: float) -> Failure | None:
    """Shake hands, verifying where there is a CA, and return why that came to nothing."""
    try:
        context = _context(ca)
        connected = _connected(seen.target, timeout)
    except _ERRORS as error:
        return _failure(error)
    try:
        with connected, context.wrap_socket(connected, do_handshake_on_connect=False) as channel:
            channel.do_handshake()
            seen.version = channel.version() or ""
            seen.presented = _chain(channel) or seen.presented
            channel.settimeout(_ALERT_WITHIN)
            with contextlib.suppress(TimeoutError):
                channel.recv(1)
    except _ERRORS as error:
        return _failure(error, in_tls=True)
    return None


def _chain(channel: ssl.SSLSocket) -> list[x509.Certificate]:
    """Return what the backend presents; before Python 3.13 that is to be had in private only, and the leaf in any case."""
    encoded: list[bytes] = []
    public = getattr(channel, "get_unverified_chain", None)
    if public is not None:
        encoded = [bytes(each) for each in public()]
    else:
        inner: Any = channel._sslobj  # type: ignore[attr-defined]  # noqa: SLF001
        encoded = [
            ssl.PEM_cert_to_DER_cert(each.public_bytes()) for each in inner.get_unverified_chain() or ()
        ]
    found = []
    for each in encoded or filter(None, [channel.getpeercert(binary_form=True)]):
        with contextlib.suppress(ValueError):
            found.append(x509.load_der_x509_certificate(each))
    return found


def _key_usage(presented: list[x509.Certificate]) -> Failure | None:
    """Refuse a leaf whose key may not sign, as BoringSSL does even where nothing is verified."""
    if not presented:
        return None
    try:
        usage = presented[0].extensions.get_extension_for_class(x509.KeyUsage).value
    except _NO_EXTENSION:
        return None
    if usage.digital_signature:
        return None
    return Failure("key-usage", "KEY_USAGE_BIT_INCORRECT")


_REASONS: Final = {
    "WRONG_VERSION_NUMBER": "no-tls",
    "RECORD_LAYER_FAILURE": "no-tls",
    "HTTP_REQUEST": "no-tls",
    "PACKET_LENGTH_TOO_LONG": "no-tls",
    "UNEXPECTED_MESSAGE": "no-tls",
    "UNEXPECTED_EOF_WHILE_READING": "no-tls",
    "TLSV1_ALERT_PROTOCOL_VERSION": "tls-version",
    "UNSUPPORTED_PROTOCOL": "tls-version",
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "client-certificate",
    "SSLV3_ALERT_BAD_CERTIFICATE": "client-certificate",
    "TLSV1_UNRECOGNIZED_NAME": "server-name",
    "SSLV3_ALERT_HANDSHAKE_FAILURE": "handshake-refused",
}
_VERIFY_CODES: Final = {
    2: "issuer", 18: "issuer", 19: "issuer", 20: "issuer", 21: "issuer",
    7: "signature",
    9: "not-yet-valid",
    10: "expired",
    3: "crl-missing", 11: "crl-expired", 12: "crl-expired",
    23: "revoked",
    24: "not-a-ca", 79: "not-a-ca",
    26: "purpose",
}  # fmt: skip


_SYSTEM: Final[tuple[tuple[type[OSError], str, str, str], ...]] = (
    (TimeoutError, "timeout", "silent", "timed out"),
    (ConnectionRefusedError, "refused", "refused", "connection refused"),
    (ConnectionResetError, "reset", "no-tls", "connection reset"),
    (BrokenPipeError, "reset", "no-tls", "connection closed"),
)
"""What the system says, what that means before and within a handshake, and the words."""


def _failure(error: Exception, *, in_tls: bool = False) -> Failure:
    if isinstance(error, ssl.SSLCertVerificationError):
        return Failure(
            _VERIFY_CODES.get(error.verify_code, "verify"), error.verify_message, error.verify_code
        )
    if isinstance(error, ssl.SSLError):
        return Failure(_REASONS.get(error.reason or "", "tls"), error.reason or str(error))
    for kind, before, within, text in _SYSTEM:
        if isinstance(error, kind):
            return Failure(within if in_tls else before, text)
    code = "name" if isinstance(error, socket.gaierror | UnicodeError) else "unreachable"
    return Failure(code, getattr(error, "strerror", None) or str(error))
