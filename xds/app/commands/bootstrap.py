"""`kubelb-xds bootstrap`."""

from typing import Annotated

import typer

from xds.app.address import HostPort, target_address
from xds.app.bootstrap import DEFAULT_ADMIN_PORT, Api, Bootstrap, default_node_id, envoy_id, tenant_name
from xds.app.commands.options import parser


def bootstrap(
    *,
    tenant: Annotated[
        str,
        typer.Option(
            parser=parser(tenant_name),
            metavar="NAMESPACE",
            help="Whose LoadBalancers the Envoy serves.",
        ),
    ],
    xds_address: Annotated[
        HostPort,
        typer.Option(
            parser=parser(target_address),
            metavar="HOST:PORT",
            help="Where kubelb-xds serves, as Envoy reaches it; an IPv6 address goes in brackets.",
        ),
    ],
    node_id: Annotated[
        str | None,
        typer.Option(
            parser=parser(envoy_id),
            metavar="ID",
            help="Which Envoy of the tenant it is.",
            show_default="TENANT-HOSTNAME",
        ),
    ] = None,
    api: Annotated[
        Api, typer.Option(help="Variant of the protocol: delta sends changes, sotw the state of the world.")
    ] = "delta",
    admin_port: Annotated[
        int,
        typer.Option(metavar="PORT", min=1, max=65535, help="Port of Envoy's admin interface, on 127.0.0.1."),
    ] = DEFAULT_ADMIN_PORT,
) -> None:
    """Print the configuration that an Envoy starts with.

    It says who the Envoy is and where its control plane is; everything else comes from there.

    \b
    Example:
      kubelb-xds bootstrap --tenant tenant-primary --xds-address 127.0.0.1:18000 > envoy.yaml
      envoy --mode validate --config-path envoy.yaml
    """  # noqa: D301 — typer does not rewrap what follows \b
    chosen = Bootstrap(
        tenant=tenant,
        xds_address=xds_address,
        node_id=node_id or default_node_id(tenant),
        api=api,
        admin_port=admin_port,
    )
    typer.echo(chosen.yaml(), nl=False)
