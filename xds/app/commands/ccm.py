"""`kubelb-xds ccm`."""

import os
import signal
from pathlib import Path
from typing import Annotated, Final

import typer

from xds.app import settings
from xds.app.bootstrap import tenant_name
from xds.app.commands.options import (
    LogFormat,
    LogLevel,
    OpsAddress,
    Replica,
    context_option,
    kubeconfig_option,
    parser,
)
from xds.app.settings import CcmSettings

DEFAULTS: Final = CcmSettings(cluster_name="", management_kubeconfig=Path())


def _cluster_name(text: str) -> str:
    """Return the name of a cluster as it is; raise ValueError when there can be no namespace for it."""
    tenant_name(f"tenant-{text}")
    return text


def ccm(
    *,
    cluster_name: Annotated[
        str,
        typer.Option(
            parser=parser(_cluster_name),
            metavar="NAME",
            envvar="KUBELB_XDS_CLUSTER_NAME",
            help="The tenant cluster's name: what it has in the management cluster is in namespace tenant-NAME.",
        ),
    ],
    management_kubeconfig: Annotated[
        Path,
        kubeconfig_option("the management cluster", envvar="KUBELB_XDS_MANAGEMENT_KUBECONFIG", required=True),
    ],
    management_context: Annotated[
        str | None, context_option(envvar="KUBELB_XDS_MANAGEMENT_CONTEXT")
    ] = DEFAULTS.management_context,
    kubeconfig: Annotated[
        Path | None, kubeconfig_option("the tenant's own cluster", envvar="KUBELB_XDS_TENANT_KUBECONFIG")
    ] = DEFAULTS.kubeconfig,
    context: Annotated[str | None, context_option(envvar="KUBELB_XDS_TENANT_CONTEXT")] = DEFAULTS.context,
    node_address_type: Annotated[
        settings.NodeAddressType,
        typer.Option(
            envvar="KUBELB_XDS_NODE_ADDRESS_TYPE",
            help="Under which of their addresses the management cluster's Envoys reach the nodes.",
        ),
    ] = DEFAULTS.node_address_type,
    use_loadbalancer_class: Annotated[
        bool,
        typer.Option(
            "--use-loadbalancer-class",
            envvar="KUBELB_XDS_USE_LOADBALANCER_CLASS",
            help="Take only Services with loadBalancerClass: kubelb, and leave the others to whoever else is there.",
        ),
    ] = DEFAULTS.use_loadbalancer_class,
    own_namespace: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            envvar=["KUBELB_XDS_OWN_NAMESPACE", "POD_NAMESPACE"],
            help="Where in the tenant's cluster the replicas keep their lease.",
            show_default="the pod's own, else default",
        ),
    ] = DEFAULTS.own_namespace,
    replica: Replica = DEFAULTS.replica,
    ops_address: OpsAddress = DEFAULTS.ops_address,
    log_format: LogFormat = "auto",
    log_level: LogLevel = "info",
) -> int:
    """Give the Services of a tenant's cluster their load balancers: the tenant's side.

    Each Service of type LoadBalancer becomes a LoadBalancer in the management cluster, the two backend-TLS annotations become
    its spec.upstreamTLS, and its address and conditions come back to the Service. What is wrong is a Warning Event on the
    Service. Whatever is done by hand to what it wrote is undone; what others add stays.

    \b
    Example:
      kubelb-xds ccm --cluster-name primary --kubeconfig tenant.conf --management-kubeconfig management.conf
      kubectl --kubeconfig tenant.conf annotate service web kubelb.k8c.io/backend-tls-policy=Insecure
      kubectl --kubeconfig tenant.conf describe service web
      curl 127.0.0.1:18011/readyz
    """  # noqa: D301 — typer does not rewrap what follows \b
    # As for serve: process 1 of a container never sees a signal that it does not handle.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os._exit(0))

    from xds.app import logs  # noqa: PLC0415 — --help is to stay light
    from xds.app.ccm import ccm as run  # noqa: PLC0415

    logs.configure(log_format=log_format, level=log_level)
    return run(
        CcmSettings(
            cluster_name=cluster_name,
            management_kubeconfig=management_kubeconfig,
            management_context=management_context,
            kubeconfig=kubeconfig,
            context=context,
            node_address_type=node_address_type,
            use_loadbalancer_class=use_loadbalancer_class,
            own_namespace=own_namespace,
            replica=replica,
            ops_address=ops_address,
        )
    )
