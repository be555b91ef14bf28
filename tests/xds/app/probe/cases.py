"""Backends and CA bundles in every combination that matters, and what each comes to: for the probe, and for Envoy beside it."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from cryptography import x509

from tests.support import pki
from xds.app.demo.certificates import Identity
from xds.app.probe.targets import Policy

ROOT: Final = pki.ca("root")
OTHER: Final = pki.ca("other")
ISSUING: Final = ROOT.intermediate("issuing")
NAMESAKE: Final = pki.ca("root", seed="another key")
BACKEND: Final = ROOT.issue("backend")
OF_ISSUING: Final = ISSUING.issue("backend of issuing")
OLD: Final = ROOT.issue("old backend", end=pki.START + timedelta(days=1))
EARLY: Final = ROOT.issue("early backend", start=pki.START + timedelta(days=3000))
CLIENT_ONLY: Final = ROOT.issue(
    "client only",
    extensions=[(x509.ExtendedKeyUsage([x509.oid.ExtendedKeyUsageOID.CLIENT_AUTH]), False)],
)
NO_SIGNING: Final = ROOT.issue("no signing", key="RSA", uses=("key_encipherment",))
SELF_SIGNED: Final = pki.ca("self-signed", is_ca=None, uses=None)


@dataclass(frozen=True)
class Case:
    """A backend (None: it speaks no TLS), how it is dialled, and the word for what that comes to."""

    backend: pki.Identity | None
    policy: Policy
    code: str
    ca: bytes = b""
    sends: tuple[pki.Identity, ...] = ()
    words: str = ""

    @property
    def identity(self) -> Identity | None:
        """What the backend presents: its own certificate, and what it sends beside that."""
        if self.backend is None:
            return None
        chain = (self.backend, *self.sends)
        key: Any = self.backend.key
        return Identity("backend", tuple(each.certificate for each in chain), key)


CASES: Final = {
    "plain": Case(None, "plain", "ok", words="reached in the clear"),
    "plain to a TLS backend": Case(BACKEND, "plain", "ok", words="set the annotation backend-tls-policy"),
    "insecure": Case(SELF_SIGNED, "insecure", "ok", words="any certificate is taken"),
    "insecure to a plain backend": Case(
        None, "insecure", "no-tls", words="remove the backend-tls annotations, or switch the backend to TLS"
    ),
    "insecure, key usage": Case(NO_SIGNING, "insecure", "key-usage", words="digitalSignature"),
    "verify": Case(BACKEND, "verify", "ok", ROOT.pem, words="chains to ca.crt"),
    "verify to a plain backend": Case(None, "verify", "no-tls", ROOT.pem),
    "another CA": Case(
        BACKEND,
        "verify",
        "issuer",
        OTHER.pem,
        words="issued by CN=root, and ca.crt has CN=other: put the certificate of CN=root",
    ),
    "a CA of the same name": Case(BACKEND, "verify", "", NAMESAKE.pem, words="another key"),
    "the intermediate is sent": Case(OF_ISSUING, "verify", "ok", ROOT.pem, sends=(ISSUING,)),
    "the intermediate is missing": Case(
        OF_ISSUING,
        "verify",
        "issuer",
        ROOT.pem,
        words="presents only its own certificate, issued by CN=issuing",
    ),
    "the intermediate is in ca.crt": Case(OF_ISSUING, "verify", "ok", ROOT.pem + ISSUING.pem),
    "the intermediate alone is in ca.crt": Case(OF_ISSUING, "verify", "ok", ISSUING.pem),
    "self-signed and trusted": Case(SELF_SIGNED, "verify", "ok", SELF_SIGNED.pem),
    "self-signed and unknown": Case(
        SELF_SIGNED, "verify", "issuer", ROOT.pem, words="which signed itself: put that into ca.crt"
    ),
    "expired": Case(OLD, "verify", "expired", ROOT.pem, words="renew"),
    "not yet valid": Case(EARLY, "verify", "not-yet-valid", ROOT.pem, words="notBefore"),
    "for clients only": Case(CLIENT_ONLY, "verify", "purpose", ROOT.pem, words="serverAuth"),
    "verify, key usage": Case(NO_SIGNING, "verify", "key-usage", ROOT.pem),
    "not revoked": Case(BACKEND, "verify", "ok", ROOT.pem + ROOT.crl()),
    "revoked": Case(BACKEND, "verify", "revoked", ROOT.pem + ROOT.crl(revoked=[BACKEND]), words="CRL"),
    "the CRL has ended": Case(
        BACKEND, "verify", "crl-expired", ROOT.pem + ROOT.crl(end=pki.START + timedelta(days=1))
    ),
    "a CA without a CRL": Case(
        OF_ISSUING, "verify", "crl-missing", ROOT.pem + ISSUING.pem + ROOT.crl(), words="every CA"
    ),
}
