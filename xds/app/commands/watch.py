"""`kubelb-xds watch`."""

import os
from typing import Annotated, Literal

import typer

from xds.app import settings
from xds.app.commands.options import AdminAddress, AdminTlsDir, Tenant, Types


def watch(
    *,
    tenant: Tenant = None,
    node: Annotated[
        str, typer.Option(metavar="ID", help="Only of Envoys with this node.id.", show_default="all Envoys")
    ] = "",
    types: Types = None,
    output: Annotated[
        Literal["text", "json"],
        typer.Option("--output", "-o", help="Lines for people, or one JSON object a line."),
    ] = "text",
    admin_address: AdminAddress = settings.DEFAULT_ADMIN_ADDRESS,
    admin_tls_dir: AdminTlsDir = None,
) -> int:
    """Show pushes, ACKs and NACKs as they happen.

    Streams that open and close are shown as well. Ends with Ctrl-C and exit code 0, or with exit code 2 when the control plane stops or cannot be asked.

    \b
    Example:
      kubelb-xds watch --tenant tenant-primary
      kubelb-xds watch -o json | jq 'select(.nack)'
    """  # noqa: D301 — typer does not rewrap what follows \b
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    from xds.app.inspect.watch_command import show_events  # noqa: PLC0415 — --help is to stay light

    return show_events(
        settings.AdminListener(admin_address, admin_tls_dir),
        tenant=tenant or "",
        node=node,
        types=types or (),
        as_json=output == "json",
    )
