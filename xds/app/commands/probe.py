"""`kubelb-xds probe`."""

import os

from xds.app import settings
from xds.app.commands.options import (
    DEFAULTS,
    AdminAddress,
    AdminTlsDir,
    LoadBalancerName,
    Manifests,
    Output,
    VerifyWithoutCa,
)


def probe(
    loadbalancer: LoadBalancerName,
    *,
    manifests: Manifests = None,
    output: Output = "table",
    verify_without_ca: VerifyWithoutCa = DEFAULTS.verify_without_ca,
    admin_address: AdminAddress = settings.DEFAULT_ADMIN_ADDRESS,
    admin_tls_dir: AdminTlsDir = None,
) -> int:
    """Dial a LoadBalancer's backends as Envoy would.

    With the same TLS versions, CA and CRLs, and the PROXY header where Envoy sends one; says of each endpoint what it presents, whether Envoy would let it
    pass, and why not: chain, expiry, revocation, key usage, or that it speaks no TLS. It dials from where it runs: what only Envoy reaches looks
    unreachable elsewhere. With --manifests it asks folders in place of a control plane. UDP has no TLS, and is left out.

    The exit code is 0 when every endpoint would be reached, 1 when one would not, 2 when there is no such LoadBalancer or nobody to ask.

    \b
    Example:
      kubelb-xds probe tenant-primary/web
      kubelb-xds probe --manifests examples/manifests tenant-primary/verify
      kubelb-xds probe -o json tenant-primary/web | jq '.endpoints[] | select(.ok | not) | .remedy'
    """  # noqa: D301 — typer does not rewrap what follows \b
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    from xds.app.inspect.probe_command import probe_endpoints  # noqa: PLC0415 — --help is to stay light

    return probe_endpoints(
        loadbalancer,
        listener=settings.AdminListener(admin_address, admin_tls_dir),
        manifests=manifests or (),
        verify_without_ca_fails_closed=verify_without_ca == "fail-closed",
        as_json=output == "json",
    )
