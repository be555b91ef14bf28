"""The words of the translation: what it is told, what it looks up, and what it returns.

Shapes only. How a LoadBalancer becomes resources is told by `translation`, and who decides about listener
ports (the manifests' own numbers, or an allocation that Kubernetes records) is not known anywhere in this
package but in `ports`.
"""

import ipaddress
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal, NamedTuple, Protocol, TypeAlias

from kube.objects import Addresses, Secret
from kube.objects.reasons import Reason
from xds.snapshot import Resource
from xds.translate.ca import CaBundle
from xds.translate.findings import Finding

Tls: TypeAlias = Literal["plain", "insecure", "verify", "fail-closed", "none (UDP)"]
"""What protects the way from Envoy to the backends of one port."""

Discovery: TypeAlias = Literal["EDS", "STRICT_DNS"]
"""How Envoy learns the addresses of one port's backends."""

_QUOTED_CHARACTERS: Final = 80
"""As much of a user's own value as a message repeats: a policy or an annotation may have any length."""


class PortRefusal(NamedTuple):
    """Why an endpoint port has no listener port.

    `message` names the value and the remedy, and `path` is the field that has to change.
    """

    reason: Reason
    message: str
    path: str


ListenerPorts: TypeAlias = Mapping[tuple[int, int], int | PortRefusal]
"""(index of the endpoint group, index of the port in it) → the port that Envoy listens on, or why none.

It is total: every port of every group of the LoadBalancer has an entry.
"""


@dataclass(frozen=True, slots=True)
class Options:
    """What the server's settings decide about every translation.

    `verify_without_ca_fails_closed`: policy Verify without a `caSecretRef` refuses connections, where the
    reference documents plain TCP. `eds`: where Envoy asks for endpoints: on the ADS stream, or on a stream
    of its own ("separate") to the bootstrap's cluster `xds_cluster`, in the variant `eds_api`.
    `listener_address`: the IP address that listeners bind; "::" takes IPv4 as well. `ca_expiry_warning`: how
    long before its end a CA certificate is warned about. Raises ValueError for a `listener_address` that
    Envoy would reject.
    """

    verify_without_ca_fails_closed: bool = False
    eds: Literal["ads", "separate"] = "ads"
    eds_api: Literal["GRPC", "DELTA_GRPC"] = "DELTA_GRPC"
    xds_cluster: str = "xds_cluster"
    listener_address: str = "0.0.0.0"  # noqa: S104 — a load balancer's purpose
    ca_expiry_warning: timedelta = timedelta(days=30)

    def __post_init__(self) -> None:
        try:
            address = ipaddress.ip_address(self.listener_address)
        except ValueError:
            raise ValueError(f"listener address {self.listener_address!r} is no IP address") from None
        if isinstance(address, ipaddress.IPv6Address) and address.scope_id is not None:
            raise ValueError(
                f"listener address {self.listener_address!r} has a zone, which Envoy does not take; "
                f"leave out %{address.scope_id}"
            )


class Lookups(Protocol):
    """The other objects that a LoadBalancer may name. `None`: there is no valid object of that name."""

    def addresses(self, namespace: str, name: str) -> Addresses | None:
        """Return an Addresses object."""

    def secret(self, namespace: str, name: str) -> Secret | None:
        """Return a Secret."""

    def ca_bundle(self, secret: Secret) -> CaBundle:
        """Return what `parse_bundle` makes of the Secret's `ca.crt`, which is there."""


@dataclass(frozen=True, slots=True)
class PortSummary:
    """What became of one port of one endpoint group.

    `resource` names its cluster, listener and assignment; `group` is the endpoint group's index. Nothing was
    emitted when `listener_port` is None. `detail` says in a few words what stands behind `tls` or why there
    is no listener ("" when there is nothing to add). `endpoints` counts the addresses that Envoy gets.
    """

    resource: str
    group: int
    protocol: str
    endpoint_port: int
    listener_port: int | None
    tls: Tls
    detail: str
    endpoints: int
    discovery: Discovery


@dataclass(frozen=True, slots=True)
class Translation:
    """What one LoadBalancer becomes.

    `recheck_at` is when the same inputs would first say something else (a certificate that begins to expire,
    say), or None when only a change of the inputs can do that. `ca_expires` is when the first certificate of
    the CA bundle that Envoy has ends, `crl_expires` when the first of its CAs is left without a CRL in force;
    None where there is none, or none that ends.
    """

    resources: tuple[Resource, ...]
    ports: tuple[PortSummary, ...]
    findings: tuple[Finding, ...]
    recheck_at: datetime | None
    ca_expires: datetime | None = None
    crl_expires: datetime | None = None


def quoted(value: str) -> str:
    """Return a user's value for a message: in double quotes, printable, and not too long."""
    if len(value) > _QUOTED_CHARACTERS:
        value = value[: _QUOTED_CHARACTERS - 1] + "…"
    return json.dumps(value, ensure_ascii=not value.isprintable())
