"""`kubelb-xds dump`."""

import os
from typing import Annotated, Literal

import typer

from xds.app import settings
from xds.app.bootstrap import tenant_name
from xds.app.commands.options import AdminAddress, AdminTlsDir, Types, parser


def dump(
    *,
    tenant: Annotated[
        str | None,
        typer.Option(
            parser=parser(tenant_name),
            metavar="NAMESPACE",
            help="Whose configuration.",
            show_default="the only one there is",
        ),
    ] = None,
    types: Types = None,
    names: Annotated[
        list[str] | None,
        typer.Option(
            "--name",
            metavar="NAME",
            help="Only the resources of this name, such as tenant-primary-web-ep-0-port-80-TCP; may be given several times.",
            show_default="all names",
        ),
    ] = None,
    output: Annotated[
        Literal["yaml", "json"], typer.Option("--output", "-o", help="In which notation.")
    ] = "yaml",
    admin_address: AdminAddress = settings.DEFAULT_ADMIN_ADDRESS,
    admin_tls_dir: AdminTlsDir = None,
) -> int:
    """Print what a tenant's Envoys are served, as a static configuration.

    It is complete, CA certificates included, and Envoy takes it as it is: endpoints that come by EDS stand in their clusters. Private keys, passwords and
    tokens are hidden. The exit code is 1 when nothing matches, 2 when the control plane cannot be asked.

    \b
    Example:
      kubelb-xds dump --tenant tenant-primary > static.yaml
      envoy --mode validate --config-path static.yaml
      kubelb-xds dump --type CDS --name tenant-primary-web-ep-0-port-80-TCP
    """  # noqa: D301 — typer does not rewrap what follows \b
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    from xds.app.inspect.dump_command import print_dump  # noqa: PLC0415 — --help is to stay light

    return print_dump(
        settings.AdminListener(admin_address, admin_tls_dir),
        tenant=tenant or "",
        types=types or (),
        names=names or (),
        as_json=output == "json",
    )
