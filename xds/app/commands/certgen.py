"""`kubelb-xds certgen`."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from xds.app.address import server_name
from xds.app.bootstrap import tenant_name
from xds.app.commands.options import parser
from xds.app.errors import UserError

if TYPE_CHECKING:
    from xds.app.certgen import Wanted

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
    kubernetes: Annotated[
        bool,
        typer.Option(
            "--kubernetes",
            envvar="KUBELB_XDS_CERTGEN_KUBERNETES",
            help="Keep them in Secrets instead of a folder: kubelb-xds-ca and kubelb-xds-server in its own namespace,"
            " kubelb-envoy-tls in each tenant's.",
        ),
    ] = False,
    kubeconfig: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            envvar="KUBELB_XDS_KUBECONFIG",
            help="The kubeconfig of the management cluster.",
            show_default="in a pod its service account, else $KUBECONFIG or ~/.kube/config",
        ),
    ] = None,
    context: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            envvar="KUBELB_XDS_CONTEXT",
            help="Which context of the kubeconfig.",
            show_default="its current-context",
        ),
    ] = None,
    own_namespace: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            envvar=["KUBELB_XDS_OWN_NAMESPACE", "POD_NAMESPACE"],
            help="The namespace of the control plane.",
            show_default="default",
        ),
    ] = None,
    namespace_selector: Annotated[
        str,
        typer.Option(
            metavar="SELECTOR",
            envvar="KUBELB_XDS_CERTGEN_NAMESPACE_SELECTOR",
            help="Tenants are the namespaces whose labels match as well, such as kubelb.k8c.io/tenant=true.",
            show_default="none",
        ),
    ] = "",
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
) -> int:
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
      kubelb-xds certgen --kubernetes --server-name kubelb-xds.kubelb-xds.svc --namespace-selector kubelb.k8c.io/tenant=true
    """  # noqa: D301 — typer does not rewrap what follows \b
    import asyncio  # noqa: PLC0415 — --help is to stay light
    import datetime as dt  # noqa: PLC0415

    from xds.app.certgen import Wanted  # noqa: PLC0415

    _check_store(
        kubernetes=kubernetes,
        needing={
            "--kubeconfig": kubeconfig is not None,
            "--context": context is not None,
            "--namespace-selector": bool(namespace_selector),
        },
        tenants=tenants or [],
    )
    wanted = Wanted(
        server_names=tuple(dict.fromkeys(server_names or DEFAULT_SERVER_NAMES)),
        trust_domain=trust_domain,
        lifetime=dt.timedelta(days=days),
        ca_lifetime=dt.timedelta(days=ca_days),
    )
    chosen = [each.split(",") for each in dict.fromkeys(tenants or ())]
    how = {"force": force, "rotate": rotate_ca}
    wrong = asyncio.run(
        _in_cluster(
            wanted, chosen, how, (kubeconfig, context, own_namespace or "default", namespace_selector)
        )
        if kubernetes
        else _in_folder(wanted, chosen, how, directory)
    )
    for error in wrong:
        typer.echo(f"kubelb-xds: {error}", err=True)
    return 1 if wrong else 0


async def _in_folder(
    wanted: "Wanted", tenants: list[list[str]], how: Mapping[str, bool], directory: Path
) -> list[UserError]:
    from xds.app.certgen.folder import Folder  # noqa: PLC0415 — as above
    from xds.app.certgen.run import run  # noqa: PLC0415

    return await run(Folder(directory), wanted, tenants, **how, say=typer.echo)


async def _in_cluster(
    wanted: "Wanted",
    tenants: list[list[str]],
    how: Mapping[str, bool],
    where: tuple[Path | None, str | None, str, str],
) -> list[UserError]:
    from kube.client import Access, AccessError, KubeApi  # noqa: PLC0415 — as above
    from xds.app.certgen.cluster import Secrets, tenants_of  # noqa: PLC0415
    from xds.app.certgen.run import run  # noqa: PLC0415

    kubeconfig, context, namespace, selector = where
    try:
        async with KubeApi(Access(kubeconfig=kubeconfig, context=context)) as api:
            if selector:
                tenants += [[name] for name in await tenants_of(api, selector) if [name] not in tenants]
            return await run(Secrets(api, namespace), wanted, tenants, **how, say=typer.echo)
    except AccessError as error:
        raise UserError(str(error)) from None


def _check_store(*, kubernetes: bool, needing: Mapping[str, bool], tenants: list[str]) -> None:
    """Raise BadParameter for options that do not go together."""
    for option, given in needing.items():
        if given and not kubernetes:
            raise typer.BadParameter("it goes with --kubernetes, and not with a folder", param_hint=[option])
    several = [each for each in tenants if "," in each]
    if kubernetes and several:
        raise typer.BadParameter(
            f"{several[0]}: in a cluster each tenant has its Secret in its own namespace; give them one by one",
            param_hint=["--tenant"],
        )
