"""`kubelb-xds certgen`."""

from pathlib import Path
from typing import Annotated, Final

import typer

from xds.app.address import server_name
from xds.app.bootstrap import tenant_name
from xds.app.commands.options import parser

DEFAULT_DIRECTORY: Final = Path("certs")
DEFAULT_SERVER_NAMES: Final = ("localhost", "127.0.0.1", "::1")


def _tenants(text: str) -> str:
    return ",".join(dict.fromkeys(map(tenant_name, text.split(","))))


def certgen(
    *,
    directory: Annotated[
        Path,
        typer.Option(
            metavar="DIR", envvar="KUBELB_XDS_CERTGEN_DIRECTORY", help="Where the certificates are kept."
        ),
    ] = DEFAULT_DIRECTORY,
    server_names: Annotated[
        list[str] | None,
        typer.Option(
            "--server-name",
            parser=parser(server_name),
            metavar="HOST",
            envvar="KUBELB_XDS_CERTGEN_SERVER_NAMES",
            help="A host name or IP address by which Envoys reach the control plane; may be given several times.",
            show_default=", ".join(DEFAULT_SERVER_NAMES),
        ),
    ] = None,
    tenants: Annotated[
        list[str] | None,
        typer.Option(
            "--tenant",
            parser=parser(_tenants),
            metavar="NAMESPACE",
            envvar="KUBELB_XDS_CERTGEN_TENANTS",
            help="A tenant whose Envoys get a certificate; may be given several times. With commas, a,b, it is one"
            " certificate that names them all.",
        ),
    ] = None,
    trust_domain: Annotated[
        str,
        typer.Option(
            metavar="DOMAIN",
            envvar="KUBELB_XDS_CERTGEN_TRUST_DOMAIN",
            help="The trust domain of the tenants' URI SANs, spiffe://DOMAIN/ns/TENANT/envoy.",
        ),
    ] = "cluster.local",
    days: Annotated[
        int,
        typer.Option(
            metavar="DAYS",
            envvar="KUBELB_XDS_CERTGEN_DAYS",
            min=1,
            help="How long certificates of the server and the tenants are good.",
        ),
    ] = 90,
    ca_days: Annotated[
        int,
        typer.Option(
            metavar="DAYS", envvar="KUBELB_XDS_CERTGEN_CA_DAYS", min=3, help="How long an authority is good."
        ),
    ] = 3650,
    rotate_ca: Annotated[
        bool,
        typer.Option(
            "--rotate-ca",
            help="Make a new authority although the one before is good. It is trusted now and signs from a day later on, so that"
            " nobody is shown what they do not trust yet: run certgen again then.",
        ),
    ] = False,
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help="Make everything anew, and trust nothing that was issued before: after a key got lost.",
        ),
    ] = False,
) -> None:
    """Make the certificates of mutual TLS: an authority, the control plane's, and one for each tenant's Envoys.

    What is good stays as it is: a second run replaces what has a third of its life left, is incomplete or is to have other names, and nothing else. Servers
    and Envoys that run take it up by themselves. Keys are for their owner alone to read (mode 0600); whoever has ca/ca.key can be any tenant.

    \b
    Example:
      kubelb-xds certgen --tenant tenant-primary
      kubelb-xds serve --manifests examples/manifests --xds-address 0.0.0.0:18000 \\
        --tls-cert certs/server/tls.crt --tls-key certs/server/tls.key --tls-client-ca certs/server/ca.crt
      kubelb-xds bootstrap --tenant tenant-primary --xds-address 127.0.0.1:18000 \\
        --tls-dir certs/tenants/tenant-primary --output envoy
      envoy --config-path envoy/envoy.yaml
    """  # noqa: D301 — typer does not rewrap what follows \b
    import datetime as dt  # noqa: PLC0415 — --help is to stay light

    from xds.app.certgen import CA, SERVER, Certificates, Made, Wanted, tenant_entry  # noqa: PLC0415
    from xds.app.certgen.folder import Folder  # noqa: PLC0415

    wanted = Wanted(
        server_names=tuple(dict.fromkeys(server_names or DEFAULT_SERVER_NAMES)),
        trust_domain=trust_domain,
        lifetime=dt.timedelta(days=days),
        ca_lifetime=dt.timedelta(days=ca_days),
    )
    store = Folder(directory)

    def keep(entry: str, made: Made) -> None:
        """Write it where it is new, and say what became of it."""
        if made.why:
            store.write(entry, made.contents)
        typer.echo(
            f"{'wrote' if made.why else 'kept '}  {store.described(entry)}  until {made.expires:%Y-%m-%d}"
            + (f": {made.why}" if made.why else "")
        )

    now = dt.datetime.now(dt.UTC)
    certificates = Certificates(wanted, store.read(CA), now=now, force=force, rotate=rotate_ca)
    keep(CA, certificates.ca)
    keep(SERVER, certificates.server(store.read(SERVER)))
    for each in dict.fromkeys(tenants or ()):
        names = each.split(",")
        entry = tenant_entry(names)
        keep(entry, certificates.tenant(names, store.read(entry)))
