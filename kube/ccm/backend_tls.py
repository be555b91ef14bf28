"""The two backend-TLS annotations, and what they ask for. Pure.

What is wrong never means plain TCP: it leaves things as they are. Only a policy that is not there at all means no TLS.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from kube.ccm.findings import Finding
from kube.ccm.names import TLS_CA_SECRET, TLS_POLICY
from kube.objects.faults import short

INSECURE: Final = "Insecure"
VERIFY: Final = "Verify"
POLICIES: Final = (INSECURE, VERIFY)

INVALID_POLICY: Final = "InvalidBackendTLSPolicy"
INVALID_CA_SECRET: Final = "InvalidBackendTLSCASecret"  # noqa: S105 — a reason
CA_SECRET_UNUSED: Final = "BackendTLSCASecretUnused"  # noqa: S105 — a reason

_KEPT: Final = (
    "until then TLS to the backends stays as it is, and a Service that is new is not forwarded at all"
)


class BackendTLS(NamedTuple):
    """What the annotations ask for: `upstream_tls` as the LoadBalancer has it, None for plain TCP.

    Not `valid`: what they ask for is not known, and what there is stays.
    """

    upstream_tls: dict[str, Any] | None
    valid: bool = True
    findings: tuple[Finding, ...] = ()


def backend_tls(annotations: Mapping[str, str]) -> BackendTLS:
    """Return what a Service's annotations ask for.

    The values are exactly the reference's. `Verify` without a CA sets the policy alone, which the reference has as plain TCP with
    a line in the log; an annotation that is there and empty is a mistake, as of a template without its value. Under
    `Insecure` the CA is not consumed, and not copied.
    """
    policy, ca = annotations.get(TLS_POLICY), annotations.get(TLS_CA_SECRET)
    if policy is None:
        unused = () if ca is None else (_unused(ca),)
        return BackendTLS(None, findings=unused)
    if policy not in POLICIES:
        allowed = " or ".join(POLICIES)
        message = (
            f"annotation {TLS_POLICY}: {short(policy)} is not allowed: must be exactly {allowed}; {_KEPT}"
        )
        return BackendTLS(None, valid=False, findings=(Finding(INVALID_POLICY, message),))
    if policy == INSECURE or ca is None:
        return BackendTLS({"policy": policy})
    if not ca.strip():
        message = (
            f"annotation {TLS_CA_SECRET}: {short(ca)} is not allowed: must be the name of a Secret in the tenant's namespace "
            f"of the management cluster; {_KEPT}"
        )
        return BackendTLS(None, valid=False, findings=(Finding(INVALID_CA_SECRET, message),))
    return BackendTLS({"policy": policy, "caSecretRef": {"name": ca}})


def _unused(ca: str) -> Finding:
    allowed = " or ".join(POLICIES)
    return Finding(
        CA_SECRET_UNUSED,
        f"annotation {TLS_CA_SECRET}: {short(ca)} has no effect without {TLS_POLICY}: set that to {allowed}, or remove this one",
    )
