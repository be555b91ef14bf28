"""`kubelb-xds status`."""

import os
from typing import Annotated

import typer

from xds.app import settings
from xds.app.commands.options import AdminAddress, AdminTlsDir, Output, Tenant


def status(
    *,
    tenant: Tenant = None,
    watch: Annotated[
        bool,
        typer.Option("--watch", "-w", help="Show it again whenever it changes, until Ctrl-C."),
    ] = False,
    output: Output = "table",
    admin_address: AdminAddress = settings.DEFAULT_ADMIN_ADDRESS,
    admin_tls_dir: AdminTlsDir = None,
) -> int:
    """Show what each Envoy has ACKed.

    Of each Envoy and type: SYNCED, STALE (sent or about to be, and not answered), NACK (refused, with Envoy's words) or NOT SENT (the Envoy has not asked),
    with how many resources are synced and since when. Those that are not are named below the table.

    The exit code is 0 when everything is synced, 1 when something is not or no Envoy is connected, 2 when the control plane cannot be asked.

    \b
    Example:
      kubelb-xds status
      kubelb-xds status --tenant tenant-primary --watch
      kubelb-xds status -o json | jq '.envoys[].types[] | select(.status != "STATUS_SYNCED")'
      kubectl -n kubelb port-forward deploy/kubelb-xds 18002 & kubelb-xds status
    """  # noqa: D301 — typer does not rewrap what follows \b
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    from xds.app.inspect.status_command import show_status  # noqa: PLC0415 — --help is to stay light

    return show_status(
        settings.AdminListener(admin_address, admin_tls_dir),
        tenant=tenant or "",
        watch=watch,
        as_json=output == "json",
    )
