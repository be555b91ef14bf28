"""Which options of `serve` go together: what typer cannot say, told with the option's name and the remedy."""

from collections.abc import Mapping
from pathlib import Path

import typer

from xds.app.address import listen_address


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
