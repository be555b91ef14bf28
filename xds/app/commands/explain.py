"""`kubelb-xds explain`."""

import os

from xds.app import settings
from xds.app.commands.options import (
    DEFAULTS,
    AdminAddress,
    AdminTlsDir,
    CaExpiryWarningDays,
    LoadBalancerName,
    Manifests,
    Output,
    VerifyWithoutCa,
)


def explain(
    loadbalancer: LoadBalancerName,
    *,
    manifests: Manifests = None,
    output: Output = "table",
    verify_without_ca: VerifyWithoutCa = DEFAULTS.verify_without_ca,
    ca_expiry_warning_days: CaExpiryWarningDays = DEFAULTS.ca_expiry_warning_days,
    admin_address: AdminAddress = settings.DEFAULT_ADMIN_ADDRESS,
    admin_tls_dir: AdminTlsDir = None,
) -> int:
    """Explain one LoadBalancer, from its spec to what each Envoy made of it.

    Shows its TLS settings and endpoints, the CA's subjects, expiry and SHA-256, the cluster and listener it became, which version each Envoy has ACKed,
    and what to do about what is wrong. With --manifests it asks folders in place of a control plane, and knows nothing of Envoys; the two options about
    the CA count only then, as serve's own count elsewhere.

    The exit code is 0 when it is served as it is written, 1 when something is wrong, 2 when there is no such LoadBalancer or nobody to ask.

    \b
    Example:
      kubelb-xds explain tenant-primary/web
      kubelb-xds explain --manifests examples/manifests tenant-primary/verify
      kubelb-xds explain -o json tenant-primary/web | jq -r '.findings[].message'
    """  # noqa: D301 — typer does not rewrap what follows \b
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    from xds.app.inspect.explain_command import show_explanation  # noqa: PLC0415 — --help is to stay light

    return show_explanation(
        loadbalancer,
        listener=settings.AdminListener(admin_address, admin_tls_dir),
        manifests=manifests or (),
        verify_without_ca_fails_closed=verify_without_ca == "fail-closed",
        ca_expiry_warning_days=ca_expiry_warning_days,
        as_json=output == "json",
    )
