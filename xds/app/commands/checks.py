"""Which options of `serve` go together: what typer cannot say, told with the option's name and the remedy."""

from collections.abc import Mapping
from pathlib import Path

import typer

from xds.app.address import listen_address
from xds.app.settings import OFF


def check_source(*, manifests: bool, kubernetes: bool, needing: Mapping[str, bool]) -> None:
    """Raise BadParameter unless there is one source; `needing` are the options that --kubernetes needs, and whether they are given."""
    sources = ["--manifests", "--kubernetes"]
    if manifests and kubernetes:
        raise typer.BadParameter(
            "give one of them, not both (KUBELB_XDS_MANIFESTS and KUBELB_XDS_KUBERNETES count as well)",
            param_hint=sources,
        )
    if not manifests and not kubernetes:
        raise typer.BadParameter(
            "give one of them: folders of manifests, or the management cluster's API", param_hint=sources
        )
    for option, given in needing.items():
        if given and not kubernetes:
            raise typer.BadParameter("it goes with --kubernetes, and not with folders", param_hint=[option])
    if needing["--namespace"] and needing["--namespace-selector"]:
        raise typer.BadParameter(
            "give one of them, or neither for all namespaces",
            param_hint=["--namespace", "--namespace-selector"],
        )


def check_tls(
    xds_address: str, *, files: Mapping[str, Path | None], insecure_plaintext: bool, connection_age: float
) -> None:
    """Raise BadParameter unless it is mutual TLS, or plaintext where that is harmless or wanted."""
    missing = [option for option, path in files.items() if path is None]
    if not missing:
        if insecure_plaintext:
            raise typer.BadParameter(
                "with the three files of --tls-… there is no plaintext: give one or the other",
                param_hint=["--insecure-plaintext"],
            )
        if not connection_age:
            raise typer.BadParameter(
                "with 0 a client whose certificate has expired would stay for ever: give the seconds that it may, such as 1800",
                param_hint=["--connection-age"],
            )
    elif len(missing) < len(files):
        raise typer.BadParameter("mutual TLS needs all three files: give these as well", param_hint=missing)
    elif not insecure_plaintext and not listen_address(xds_address).is_loopback:
        raise typer.BadParameter(
            f"{xds_address} is not loopback, and whoever reaches it would read every tenant's configuration: give --tls-cert,"
            " --tls-key and --tls-client-ca (kubelb-xds certgen makes them), listen on 127.0.0.1, or allow it with"
            " --insecure-plaintext",
            param_hint=["--xds-address"],
        )


def check_admin(
    address: str, *, client_ca: Path | None, tls_client_ca: Path | None, insecure_plaintext: bool
) -> None:
    """Raise BadParameter where others than those who run this would reach the admin listener."""
    if client_ca is not None:
        if tls_client_ca is None:
            raise typer.BadParameter(
                "it goes with --tls-cert, --tls-key and --tls-client-ca", param_hint=["--admin-client-ca"]
            )
        if client_ca.resolve() == tls_client_ca.resolve():
            raise typer.BadParameter(
                f"{client_ca} is the tenants' as well, whose certificates would be let in: give an authority of its own",
                param_hint=["--admin-client-ca"],
            )
    elif address != OFF and not insecure_plaintext and not listen_address(address).is_loopback:
        raise typer.BadParameter(
            f"{address} is not loopback, and whoever reaches it would be answered: give --admin-client-ca, listen on 127.0.0.1"
            " (kubectl port-forward reaches it), or allow it with --insecure-plaintext",
            param_hint=["--admin-address"],
        )


def check_status_page(address: str, *, insecure_plaintext: bool) -> None:
    """Raise BadParameter where others than those who run this would reach the status page."""
    if address != OFF and not insecure_plaintext and not listen_address(address).is_loopback:
        raise typer.BadParameter(
            f"{address} is not loopback, and whoever reaches it would see every tenant's LoadBalancers: listen on 127.0.0.1"
            " (kubectl port-forward and ssh -L reach it), or allow it with --insecure-plaintext",
            param_hint=["--status-page-address"],
        )


def check_addresses(addresses: Mapping[str, str]) -> None:
    """Raise BadParameter where two listeners, by their options, have one address."""
    taken: dict[str, str] = {}
    for option, address in addresses.items():
        if address == OFF or not listen_address(address).port:
            continue
        if address in taken:
            raise typer.BadParameter(
                f"both are {address}: give each its own port", param_hint=[taken[address], option]
            )
        taken[address] = option
