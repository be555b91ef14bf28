"""Who a client is: what its certificate says, and whether it may have a tenant's snapshot.

A certificate names a tenant in one of two forms, and may name several:

- a URI SAN ``spiffe://<trust domain>/ns/<tenant>``, with or without a path below it, as SPIFFE and service meshes write it;
- a DNS SAN ``<tenant>.<tenants domain>``, one label before a domain that nothing else uses.

Everything else in a certificate counts for nothing: common names, other names, wildcards. It knows neither files nor streams.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal, TypeAlias

from cryptography import x509

TENANTS_DOMAIN: Final = "tenants.kubelb-xds.internal"
"""`internal` is reserved for names of one's own, so that no public authority issues any below it (ICANN, 2024)."""

#: Is called with a stream's ``grpc.aio.ServicerContext`` and the tenant that its node asks for; raises ``RefusedError``.
Admit: TypeAlias = Callable[[Any, str], None]

_SPIFFE: Final = re.compile(r"spiffe://([a-z0-9._-]{1,255})/ns/([A-Za-z0-9._-]+)((?:/[A-Za-z0-9._-]+)*)")
_LABEL: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_UNREADABLE: Final = (
    x509.ExtensionNotFound,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
    ValueError,
)
"""What `cryptography` raises where a certificate has no names, or extensions that make no sense."""
_MOST_NAMED: Final = 10
"""Tenants of a certificate that a line of log names."""


class RefusedError(Exception):
    """A client may not have what it asks for. It ends the stream with ``status``; the text goes to the client and the log."""

    def __init__(self, status: Literal["PERMISSION_DENIED", "UNAUTHENTICATED"], text: str) -> None:
        super().__init__(text)
        self.status: Final = status


def admit_everybody(_: Any, __: str) -> None:
    """Let everybody have every tenant: what a server without TLS does."""


@dataclass(frozen=True, slots=True)
class CertificateTenants:
    """Lets a client have the tenants that its certificate names.

    ``trust_domain`` is the only one of which URI SANs count, "" for all: whoever the server's client authorities vouch for.
    ``tenants_domain`` is what follows the tenant in a DNS SAN.
    """

    trust_domain: str = ""
    tenants_domain: str = TENANTS_DOMAIN

    def __call__(self, context: Any, tenant: str) -> None:
        """Raise ``RefusedError`` unless the client's certificate is valid now and names this tenant.

        The handshake checked that an authority vouches for it; but one that resumes a session is not checked again, and a
        connection outlives its handshake by hours.
        """
        certificate = _of(context)
        if certificate.not_valid_after_utc <= datetime.now(UTC):
            raise RefusedError(
                "UNAUTHENTICATED",
                f"the client's certificate expired at {certificate.not_valid_after_utc.isoformat()}: give it a new one",
            )
        named = self.tenants(certificate)
        if tenant not in named:
            raise RefusedError("PERMISSION_DENIED", self._denial(tenant, named))

    def tenants(self, certificate: x509.Certificate) -> frozenset[str]:
        """Return the tenants that a certificate names."""
        try:
            names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except _UNREADABLE:  # one that cannot be read names nobody
            return frozenset()
        uris = map(self._in_uri, names.get_values_for_type(x509.UniformResourceIdentifier))
        hosts = map(self._in_host, names.get_values_for_type(x509.DNSName))
        return frozenset(filter(None, (*uris, *hosts)))

    def _in_uri(self, uri: str) -> str:
        match = _SPIFFE.fullmatch(uri)
        if match is None or self.trust_domain not in ("", match[1]):
            return ""
        segments = match[2], *match[3].split("/")
        return "" if "." in segments or ".." in segments else match[2]

    def _in_host(self, host: str) -> str:
        label, _, domain = host.lower().partition(".")
        return label if domain == self.tenants_domain and _LABEL.fullmatch(label) else ""

    def _denial(self, tenant: str, named: frozenset[str]) -> str:
        if not named:
            domain = self.trust_domain or "TRUST-DOMAIN"
            return (
                f"tenant {tenant!r} is asked for, and the client's certificate names none: it needs the URI SAN"
                f" spiffe://{domain}/ns/{tenant} or the DNS SAN {tenant}.{self.tenants_domain}"
            )
        shown = sorted(named)[:_MOST_NAMED]
        more = f" and {len(named) - len(shown)} more" if len(named) > len(shown) else ""
        return (
            f"tenant {tenant!r} is asked for, and the client's certificate names {', '.join(map(repr, shown))}{more}:"
            " mend node.cluster in Envoy's bootstrap, or give the Envoy that tenant's certificate"
        )


def _of(context: Any) -> x509.Certificate:
    """Return the certificate of a stream's client."""
    (pem,) = context.auth_context().get("x509_pem_cert") or (b"",)
    try:
        return x509.load_pem_x509_certificate(pem)
    except ValueError:
        raise RefusedError(
            "UNAUTHENTICATED", "the client shows no certificate that can be read: give it one of its tenant"
        ) from None
