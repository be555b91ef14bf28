"""`kubelb-xds bootstrap`."""

from pathlib import Path, PurePosixPath
from typing import Annotated

import typer

from xds.app.address import HostPort, server_name, target_address
from xds.app.bootstrap import (
    BOOTSTRAP_FILE,
    DEFAULT_ADMIN_PORT,
    Api,
    Bootstrap,
    ClientTls,
    default_node_id,
    envoy_id,
    tenant_name,
)
from xds.app.commands.options import parser
from xds.app.errors import UserError


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
    tls_dir: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Speak mutual TLS: the folder where Envoy finds tls.crt, tls.key and ca.crt, such as a mounted Secret or a tenant's"
            " folder of certgen. Envoy follows it: a renewed certificate needs no restart.",
            show_default="plaintext",
        ),
    ] = None,
    server_name: Annotated[
        str | None,
        typer.Option(
            parser=parser(server_name),
            metavar="HOST",
            help="The name or IP address that the control plane's certificate has to have.",
            show_default="the host of --xds-address",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Write envoy.yaml and, for TLS, the two files beside it into this folder instead of printing it. TLS needs it.",
        ),
    ] = None,
    config_dir: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Where Envoy finds those files, if that is another machine or a container.",
            show_default="the folder of --output",
        ),
    ] = None,
) -> None:
    """Print the configuration that an Envoy starts with.

    It says who the Envoy is, where its control plane is and how it trusts that; everything else comes from there.

    \b
    Example:
      kubelb-xds bootstrap --tenant tenant-primary --xds-address 127.0.0.1:18000 > envoy.yaml
      envoy --mode validate --config-path envoy.yaml
    \b
    With mutual TLS, and certificates of kubelb-xds certgen --tenant tenant-primary:
      kubelb-xds bootstrap --tenant tenant-primary --xds-address 127.0.0.1:18000 \\
        --tls-dir certs/tenants/tenant-primary --output envoy
      envoy --config-path envoy/envoy.yaml
    """  # noqa: D301 — typer does not rewrap what follows \b
    _check(tls_dir, server_name, output, config_dir)
    chosen = Bootstrap(
        tenant=tenant,
        xds_address=xds_address,
        node_id=node_id or default_node_id(tenant),
        api=api,
        admin_port=admin_port,
        tls=_tls(tls_dir, server_name, output, config_dir),
    )
    if output is None:
        typer.echo(chosen.yaml(), nl=False)
        return
    try:
        output.mkdir(parents=True, exist_ok=True)
        for name, text in chosen.files().items():
            (output / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(
            f"{error.filename}: {error.strerror}: give --output a folder that you may write"
        ) from None
    typer.echo(f"wrote  {output}: envoy --config-path {output / BOOTSTRAP_FILE}")


def _check(
    tls_dir: Path | None, server_name: str | None, output: Path | None, config_dir: Path | None
) -> None:
    """Raise BadParameter for options that do not go together."""
    for option, given in (("--server-name", server_name), ("--config-dir", config_dir)):
        if given and tls_dir is None:
            raise typer.BadParameter("it goes with --tls-dir", param_hint=[option])
    if tls_dir is not None and output is None:
        raise typer.BadParameter(
            "with TLS it is three files, which do not fit into one output: give the folder for them",
            param_hint=["--output"],
        )


def _tls(
    tls_dir: Path | None, server_name: str | None, output: Path | None, config_dir: Path | None
) -> ClientTls | None:
    if tls_dir is None or output is None:
        return None
    return ClientTls(
        tls_dir=_absolute(tls_dir), config_dir=_absolute(config_dir or output), server_name=server_name or ""
    )


def _absolute(path: Path) -> PurePosixPath:
    """Return a path that holds wherever Envoy is started."""
    return PurePosixPath(path.absolute())
