"""Who plays what: the certificate that each backend of the examples shows, and the CA that its LoadBalancer is told to trust.

All of it is made anew at each run. This module knows the examples' LoadBalancers by name, and neither Envoy nor the control plane.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from xds.app.demo.certificates import Authority, Identity, self_signed

PLAIN: Final = "plain"
INSECURE: Final = "insecure"
VERIFY: Final = "verify"
INTERMEDIATE: Final = "verify-intermediate"
WRONG_CA: Final = "verify-wrong-ca"
WITHOUT_REF: Final = "verify-without-secret-ref"
MISSING_SECRET: Final = "verify-missing-secret"  # noqa: S105  # a LoadBalancer's name
PLAIN_BACKEND: Final = "insecure-plain-backend"
ROTATION: Final = "verify-rotation"


@dataclass(frozen=True, slots=True)
class Part:
    """One LoadBalancer's side of the demo.

    `identity` is what its backend shows; without one the backend speaks no TLS. `ca` is the `ca.crt` of the Secret that the LoadBalancer
    names; without one the Secret is not there. What these become in the course of the demo is `next_identity` and `next_ca`.
    """

    identity: Identity | None = None
    ca: bytes = b""
    next_identity: Identity | None = None
    next_ca: bytes = b""


def cast_parts() -> Mapping[str, Part]:
    """Make the certificates, and return each LoadBalancer's part by its name."""
    authority, root = Authority("Demo CA"), Authority("Demo root CA")
    intermediate = root.intermediate("Demo intermediate CA")
    late, old, new = Authority("Late CA"), Authority("Old CA"), Authority("New CA")
    return {
        PLAIN: Part(),
        INSECURE: Part(self_signed("insecure")),
        VERIFY: Part(authority.issue("verify"), authority.pem),
        INTERMEDIATE: Part(
            intermediate.issue("intermediate", send_intermediates=False), root.pem + intermediate.pem
        ),
        WRONG_CA: Part(authority.issue("wrong-ca"), Authority("Unrelated CA").pem),
        WITHOUT_REF: Part(),
        MISSING_SECRET: Part(late.issue("late"), next_ca=late.pem),
        PLAIN_BACKEND: Part(),
        ROTATION: Part(old.issue("old"), old.pem, new.issue("new"), new.pem),
    }
