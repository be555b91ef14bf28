"""What spec.upstreamTLS yields: the outcome table of envoy-tls.md, row by row.

Whatever is wrong with a LoadBalancer's TLS, its backends never get a byte in the clear: it fails closed, and
a finding says why. The one exception is the reference's own: policy Verify without a caSecretRef is plain
TCP, unless the server's settings say otherwise. What is right or wrong within a CA bundle is judged by `ca`.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from kube.objects import LoadBalancer, ObjectReference, Secret
from kube.objects.reasons import Reason
from xds.translate import transport_socket
from xds.translate.ca import CaBundle, bundle_findings
from xds.translate.expiry import first_ends
from xds.translate.findings import ACCEPTED, RESOLVED_REFS, Finding
from xds.translate.model import Lookups, Options, quoted

_REFUSED = "until then its TCP connections are reset"
_POLICY = "spec.upstreamTLS.policy"
_CA_SECRET_REF = "spec.upstreamTLS.caSecretRef"  # noqa: S105 — a field's path
_CA_SECRET_NAME = f"{_CA_SECRET_REF}.name"


@dataclass(frozen=True, slots=True)
class UpstreamTls:
    """What all TCP ports of a LoadBalancer share: the outcome, its transport socket (None: plain), and why.

    `detail` is `PortSummary.detail`, the last two are `Translation`'s.
    """

    outcome: Literal["plain", "insecure", "verify", "fail-closed"]
    socket: Any | None
    detail: str = ""
    findings: tuple[Finding, ...] = ()
    recheck_at: datetime | None = None
    ca_expires: datetime | None = None
    crl_expires: datetime | None = None


_PLAIN = UpstreamTls("plain", socket=None)


def upstream_tls(lb: LoadBalancer, *, lookups: Lookups, options: Options, now: datetime) -> UpstreamTls:
    """Return what the LoadBalancer's spec.upstreamTLS yields with the Secrets that are there."""
    settings = lb.spec.upstream_tls
    if settings is None:
        return _PLAIN
    ref = settings.ca_secret_ref
    if settings.policy == "Insecure":
        return _insecure(ref)
    if settings.policy != "Verify":
        return _unknown_policy(settings.policy)
    if ref is None:
        return _verify_without_ca(fails_closed=options.verify_without_ca_fails_closed)
    return _verify(lb.metadata.namespace, ref, lookups=lookups, options=options, now=now)


def _verify(
    namespace: str, ref: ObjectReference, *, lookups: Lookups, options: Options, now: datetime
) -> UpstreamTls:
    secret = lookups.secret(namespace, ref.name)
    if secret is None:
        return _fail_closed(
            RESOLVED_REFS,
            "InvalidCACertificateRef",
            f"failed to get CA secret: {_CA_SECRET_NAME} names {quoted(ref.name)}, and namespace {namespace} has no "
            f"valid Secret of that name; create it there with the CA's PEM under 'ca.crt'; {_REFUSED}",
            path=_CA_SECRET_NAME,
            detail=f"no Secret {quoted(ref.name)}",
        )
    if secret.ca_crt is None:
        return _fail_closed(
            RESOLVED_REFS,
            "InvalidCACertificateRef",
            f"secret {ref.name} missing 'ca.crt' key: Secret {namespace}/{ref.name} has to hold the CA's PEM under "
            f"that key (kubectl create secret generic {ref.name} --from-file=ca.crt=<path>); {_REFUSED}",
            path=_CA_SECRET_NAME,
            detail=f"Secret {ref.name} has no ca.crt",
        )
    return _verify_with(secret, lookups.ca_bundle(secret), options=options, now=now)


def _insecure(ignored: ObjectReference | None) -> UpstreamTls:
    findings: tuple[Finding, ...] = ()
    if ignored is not None:
        findings = (
            Finding(
                level="warning",
                condition=ACCEPTED,
                reason="CASecretIgnored",
                message=f"{_CA_SECRET_REF} {quoted(ignored.name)} has no effect with policy Insecure, which "
                "verifies nothing; set the policy to Verify, or remove the reference",
                path=_CA_SECRET_REF,
            ),
        )
    return UpstreamTls("insecure", transport_socket.INSECURE, "any certificate is taken", findings)


def _unknown_policy(policy: str) -> UpstreamTls:
    return _fail_closed(
        ACCEPTED,
        "UnknownUpstreamTLSPolicy",
        f"{_POLICY} {quoted(policy)} is neither Insecure nor Verify; set it to one of the two; {_REFUSED}",
        path=_POLICY,
        detail=f"unknown policy {quoted(policy)}",
    )


def _verify_without_ca(*, fails_closed: bool) -> UpstreamTls:
    text = f"caSecretRef is required for Verify policy: set {_CA_SECRET_NAME} to the Secret that holds ca.crt"
    if fails_closed:
        return _fail_closed(
            ACCEPTED,
            "CASecretRefRequired",
            f"{text}; {_REFUSED}",
            path=_CA_SECRET_REF,
            detail="Verify without caSecretRef",
        )
    finding = Finding(
        level="error",
        condition=ACCEPTED,
        reason="CASecretRefRequired",
        message=f"{text}; until then Envoy speaks plain TCP to the backends",
        path=_CA_SECRET_REF,
    )
    return UpstreamTls("plain", socket=None, detail="Verify without caSecretRef", findings=(finding,))


def _verify_with(secret: Secret, bundle: CaBundle, *, options: Options, now: datetime) -> UpstreamTls:
    name = secret.metadata.name
    found, recheck_at = bundle_findings(bundle, now, options.ca_expiry_warning)
    findings = tuple(
        replace(
            finding,
            message=f"Secret {secret.metadata.namespace}/{name}: {finding.message}",
            path=_CA_SECRET_NAME,
        )
        for finding in found
    )
    if bundle.fatal is not None:
        return UpstreamTls(
            "fail-closed",
            transport_socket.NOTHING_PASSES,
            f"Secret {name} has an unusable ca.crt; TCP connections are reset",
            findings,
            recheck_at,
        )
    ca_expires, crl_expires = first_ends(bundle.certificates, bundle.crls, now)
    return UpstreamTls(
        "verify",
        transport_socket.verify(bundle.pem),
        f"Secret {name}: {_counted(len(bundle.certificates), 'certificate')}"
        + (f", {_counted(len(bundle.crls), 'CRL')}" if bundle.crls else ""),
        findings,
        recheck_at,
        ca_expires,
        crl_expires,
    )


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _fail_closed(condition: str, reason: Reason, message: str, *, path: str, detail: str) -> UpstreamTls:
    finding = Finding(level="error", condition=condition, reason=reason, message=message, path=path)
    return UpstreamTls("fail-closed", transport_socket.NOTHING_PASSES, detail, (finding,))
