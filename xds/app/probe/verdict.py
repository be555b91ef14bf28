"""What came of an endpoint in words: the cause, and what to do about it.

Every line of the reference's Troubleshooting that a connection can show has its words here. It dials nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from xds.app.probe.dial import CONNECT_TIMEOUT, Dialled
from xds.app.probe.targets import Target
from xds.translate import parse_bundle, readable_name

_REMEDIES: Final = {
    "refused": "nothing listens on that port: see that the backend runs, and that the endpoint's port is its own",
    "timeout": f"no answer within {CONNECT_TIMEOUT:g} s: a firewall, or an address that is gone; see the endpoint's addresses",
    "unreachable": "see the endpoint's addresses, and the network between here and there",
    "reset": "the backend, or something before it, cuts the connection: see its log",
    "name": "the name cannot be resolved here: see the endpoint's hostname",
    "no-tls": "the backend speaks no TLS on this port: remove the backend-tls annotations, or switch the backend to TLS",
    "silent": "it takes the connection and answers no handshake: it waits for the client to speak another protocol, or it"
    " hangs; remove the backend-tls annotations if it speaks no TLS",
    "tls-version": "it offers neither TLS 1.2 nor 1.3, which is what Envoy speaks: enable one of them",
    "client-certificate": "it wants a client certificate, which KubeLB's Envoys have none of: let it take connections without",
    "server-name": "it wants a server name (SNI), which KubeLB never sends: give it a default certificate",
    "handshake-refused": "it refuses the handshake: it may want a server name (SNI) or a client certificate, neither of which"
    " KubeLB sends, or ciphers that Envoy lacks; see its log",
    "expired": "renew the certificate that has ended",
    "not-yet-valid": "its time has not come: see the clocks of both, and the certificate's notBefore",
    "revoked": "a CRL in ca.crt lists it: give the backend another certificate",
    "crl-missing": "as ca.crt holds a CRL, every CA of the chain needs one there: add those that are missing, or remove all",
    "crl-expired": "a CRL in ca.crt has ended, and nothing passes until it is replaced: put the newest there, or remove it",
    "key-usage": "its key usage forbids signing, which Envoy refuses even where it verifies nothing: issue it again with"
    " digitalSignature",
    "purpose": "its extended key usage does not include serverAuth: issue it again for a server",
    "not-a-ca": "a certificate of its chain that issued another one is no CA: have it issued by a CA",
    "signature": "a signature in its chain is wrong: the CA of that name in ca.crt has another key than the one that signed",
    "fail-closed": "see `kubelb-xds explain` for what is wrong with the CA or the policy",
}
_UNKNOWN: Final = "see the backend's log"


@dataclass(frozen=True, slots=True)
class Presented:
    """One certificate of a backend's chain; ``sha256`` is in hexadecimal."""

    subject: str
    issuer: str
    not_after: datetime
    sha256: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of one endpoint. ``code`` is "ok" or a word for the cause; ``verify`` is what policy Verify gives."""

    target: Target
    code: str
    cause: str
    remedy: str
    version: str
    presented: tuple[Presented, ...]

    @property
    def ok(self) -> bool:
        """Whether Envoy reaches it."""
        return self.code == "ok"

    def as_data(self) -> dict[str, Any]:
        """Return it for `json.dumps`; later versions may add fields, and take none away."""
        return {
            "cluster": self.target.cluster,
            "endpoint": f"{self.target.host}:{self.target.port}",
            "policy": self.target.policy,
            "proxyProtocol": self.target.proxy_header,
            "ok": self.ok,
            "code": self.code,
            "cause": self.cause,
            "remedy": self.remedy,
            "tlsVersion": self.version,
            "presented": [
                {
                    "subject": each.subject,
                    "issuer": each.issuer,
                    "notAfter": each.not_after.strftime("%Y-%m-%dT%H:%M:%SZ"),
                    "sha256": each.sha256,
                }
                for each in self.presented
            ],
        }


def verdict_of(dialled: Dialled) -> Verdict:
    """Return the words for what came of an endpoint."""
    failure = dialled.failure
    presented = tuple(map(_presented, dialled.presented))
    if failure is None:
        return Verdict(dialled.target, "ok", _passes(dialled), "", dialled.version, presented)
    remedy = _REMEDIES.get(failure.code, _UNKNOWN)
    if failure.code == "issuer":
        remedy = _issuer(dialled)
    return Verdict(dialled.target, failure.code, failure.text, remedy, dialled.version, presented)


def _passes(dialled: Dialled) -> str:
    if dialled.target.policy == "plain":
        if not dialled.version:
            return "reached in the clear"
        return (
            f"reached in the clear; it speaks {dialled.version} itself: right where clients speak TLS to it through Envoy, else set "
            "the annotation backend-tls-policy"
        )
    how = (
        "its certificate chains to ca.crt"
        if dialled.target.policy == "verify"
        else "any certificate is taken"
    )
    return f"{dialled.version}, {how}"


def _issuer(dialled: Dialled) -> str:
    """Return what to put into ``ca.crt``: the issuer that nobody has."""
    names = [certificate.subject for certificate in parse_bundle(dialled.target.ca).certificates]
    has = f"ca.crt has {_listed(names)}"
    if not dialled.presented:
        return f"{has}, and nothing of the backend's chain leads there: put its CA into ca.crt"
    last = dialled.presented[-1]
    issuer = readable_name(last, "issuer")
    if readable_name(last, "subject") == issuer:
        return f"{has}, and the backend's chain ends in {issuer}, which signed itself: put that into ca.crt"
    sent = (
        "only its own certificate"
        if len(dialled.presented) == 1
        else f"{len(dialled.presented)} certificates"
    )
    same = " of that name but with another key" if issuer in names else ""
    return (
        f"the backend presents {sent}, issued by {issuer}, and {has}{same}: put the certificate of {issuer} (the backend's CA, "
        "or the intermediate that it does not send) into ca.crt"
    )


def _listed(names: list[str]) -> str:
    shown = 3
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + more


def _presented(certificate: x509.Certificate) -> Presented:
    return Presented(
        readable_name(certificate, "subject"),
        readable_name(certificate, "issuer"),
        certificate.not_valid_after_utc,
        certificate.fingerprint(SHA256()).hex(),
    )


def all_ok(verdicts: Iterable[Verdict]) -> bool:
    """Whether Envoy reaches every endpoint."""
    return all(verdict.ok for verdict in verdicts)
