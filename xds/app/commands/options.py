"""What the options of several commands share."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NamedTuple, TypeAlias, TypeVar

import typer

from xds.app import settings
from xds.app.address import listen_address, target_address
from xds.app.bootstrap import tenant_name

_T = TypeVar("_T")

DEFAULTS: Final = settings.ServeSettings()


def parser(parse: Callable[[str], _T]) -> Callable[[str | _T], _T]:
    """Return `parse` for an option, so that what it raises as ValueError is told with the option's name."""

    def parsed(text: str | _T) -> _T:
        try:
            return parse(str(text))
        except ValueError as error:
            raise typer.BadParameter(str(error)) from None

    return parsed


def listener(text: str) -> str:
    """Return where a listener that may be off is to be, as ``host:port``. Raises ValueError with the remedy."""
    return text if text == settings.OFF else str(listen_address(text))


def kubeconfig_option(cluster: str, *, envvar: str, required: bool = False) -> Any:
    """Return the option for the kubeconfig of a cluster."""
    return typer.Option(
        metavar="PATH",
        envvar=envvar,
        help=f"The kubeconfig of {cluster}.",
        show_default=not required and "in a pod its service account, else $KUBECONFIG or ~/.kube/config",
    )


def context_option(*, envvar: str) -> Any:
    """Return the option for the context of the kubeconfig that the option before it names."""
    return typer.Option(
        metavar="NAME",
        envvar=envvar,
        help="Which context of that kubeconfig.",
        show_default="its current-context",
    )


class NamespacedName(NamedTuple):
    """Which LoadBalancer is meant."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


def loadbalancer_name(text: str) -> NamespacedName:
    """Return namespace and name of a LoadBalancer. Raises ValueError with the remedy."""
    namespace, slash, name = text.partition("/")
    if not slash or not namespace or not name or "/" in name:
        raise ValueError(f"{text!r}: write NAMESPACE/NAME, as `kubectl get lb -A` shows them")
    return NamespacedName(namespace, name)


LoadBalancerName: TypeAlias = Annotated[
    NamespacedName,
    typer.Argument(
        parser=parser(loadbalancer_name),
        metavar="NAMESPACE/NAME",
        help="The LoadBalancer; its namespace is the tenant.",
    ),
]
Manifests: TypeAlias = Annotated[
    list[Path] | None,
    typer.Option(
        "--manifests",
        metavar="DIR",
        help="Ask this folder of manifests in place of a control plane; may be given several times.",
    ),
]
AdminAddress: TypeAlias = Annotated[
    str,
    typer.Option(
        parser=parser(lambda text: str(target_address(text))),
        metavar="HOST:PORT",
        envvar="KUBELB_XDS_ADMIN_ADDRESS",
        help="The admin listener of the control plane that is asked; kubectl port-forward reaches one in a cluster.",
    ),
]
AdminTlsDir: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        envvar="KUBELB_XDS_ADMIN_TLS_DIR",
        help="Ask over mutual TLS: a folder with ca.crt, which vouches for the listener, and tls.crt and tls.key, which one of"
        " --admin-client-ca issued.",
        show_default="plaintext, for loopback",
    ),
]
Output: TypeAlias = Annotated[
    Literal["table", "json"], typer.Option("--output", "-o", help="For people, or for programs.")
]
Tenant: TypeAlias = Annotated[
    str | None,
    typer.Option(
        parser=parser(tenant_name),
        metavar="NAMESPACE",
        help="Only of this tenant.",
        show_default="all tenants",
    ),
]
Types: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--type",
        metavar="TYPE",
        help="Only of this type: CDS, EDS, LDS, RDS, SDS or a type URL; may be given several times.",
        show_default="all types",
    ),
]
VerifyWithoutCa: TypeAlias = Annotated[
    settings.VerifyWithoutCa,
    typer.Option(
        envvar="KUBELB_XDS_VERIFY_WITHOUT_CA",
        help="What policy Verify without a caSecretRef yields: plain TCP, as KubeLB documents, or refused connections.",
    ),
]
CaExpiryWarningDays: TypeAlias = Annotated[
    int,
    typer.Option(
        metavar="DAYS",
        envvar="KUBELB_XDS_CA_EXPIRY_WARNING_DAYS",
        min=0,
        help="How long before its end a CA certificate is warned about.",
    ),
]
OpsAddress: TypeAlias = Annotated[
    str,
    typer.Option(
        parser=parser(listener),
        metavar="HOST:PORT",
        envvar="KUBELB_XDS_OPS_ADDRESS",
        help="Where /healthz, /readyz and /metrics are, for kubelet and Prometheus; port 0 takes any free one, off"
        " is nowhere.",
    ),
]
Replica: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        envvar=["KUBELB_XDS_REPLICA", "POD_NAME"],
        help="What this replica is called in the lease.",
        show_default="the host's name",
    ),
]
LogFormat: TypeAlias = Annotated[
    settings.LogFormat,
    typer.Option(
        envvar="KUBELB_XDS_LOG_FORMAT",
        help="How log lines look; auto is human on a terminal, json elsewhere.",
    ),
]
LogLevel: TypeAlias = Annotated[
    settings.LogLevel,
    typer.Option(envvar="KUBELB_XDS_LOG_LEVEL", help="The lowest level that is logged, to stderr."),
]
