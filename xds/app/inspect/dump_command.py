"""What `dump` does: finds the tenant, asks for its resources, and prints them as Envoy would take them."""

import json
import sys
from collections.abc import Sequence
from typing import Final

from xds.app.errors import UserError
from xds.app.inspect.client import AdminClient, client_of
from xds.app.inspect.static import as_yaml, static_of
from xds.app.settings import AdminListener
from xds.messages import debug_pb2 as pb
from xds.snapshot.types import CLUSTER, ENDPOINT, short

_CLUSTERS: Final = frozenset({"CDS", CLUSTER})
_ENDPOINTS: Final = frozenset({"EDS", ENDPOINT})
_SHOWN: Final = 5


def print_dump(
    listener: AdminListener, *, tenant: str, types: Sequence[str], names: Sequence[str], as_json: bool
) -> int:
    """Print a tenant's configuration, and return the exit code. Raises UserError."""
    with client_of(listener) as client:
        tenant = tenant or _only_tenant(client)
        resources = client.dump(tenant, _asked(types), names)
    if not resources:
        _say(
            f"tenant {tenant} has no such resource: see `kubelb-xds dump --tenant {tenant}` for those that it has"
        )
        return 1
    static = static_of(tenant, _wanted(resources, types))
    for type_url, count in static.left_out.items():
        _say(f"{count} of type {short(type_url)} left out: a static configuration has no place for them")
    for path in static.redacted:
        _say(f"hidden: {path}")
    if as_json:
        print(json.dumps(static.bootstrap, indent=2, ensure_ascii=False))  # noqa: T201
    else:
        print(as_yaml(static.bootstrap), end="")  # noqa: T201
    return 0


def _say(text: str) -> None:
    print(f"kubelb-xds: {text}", file=sys.stderr)  # noqa: T201


def _only_tenant(client: AdminClient) -> str:
    tenants = [tenant.name for tenant in client.tenants() if any(each.resources for each in tenant.types)]
    if len(tenants) == 1:
        return tenants[0]
    if not tenants:
        raise UserError(
            "no tenant is served anything yet: see `kubelb-xds status`, and /readyz of the control plane"
        )
    shown = ", ".join(tenants[:_SHOWN]) + (
        f" and {len(tenants) - _SHOWN} more" if len(tenants) > _SHOWN else ""
    )
    raise UserError(f"there are {len(tenants)} tenants: choose one with --tenant, of {shown}")


def _asked(types: Sequence[str]) -> list[str]:
    """Return the types to ask for: a cluster is shown with its endpoints."""
    asked = [each.upper() if "/" not in each else each for each in types]
    if not _CLUSTERS.isdisjoint(asked):
        asked.append("EDS")
    return asked


def _wanted(resources: Sequence[pb.ServedResource], types: Sequence[str]) -> Sequence[pb.ServedResource]:
    """Return what is to be shown: an assignment that was asked for with its cluster only, not without that."""
    asked = _asked(types)
    if not types or not _ENDPOINTS.isdisjoint(asked[: len(types)]):
        return resources
    clusters = {resource.name for resource in resources if resource.type_url == CLUSTER}
    return [resource for resource in resources if resource.type_url != ENDPOINT or resource.name in clusters]
