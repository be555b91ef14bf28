"""`kubelb-xds serve`."""

import os
import signal
from pathlib import Path
from typing import Annotated

import typer

from xds.app import settings
from xds.app.address import ip_literal, listen_address
from xds.app.bootstrap import tenant_name
from xds.app.commands.checks import check_addresses, check_admin, check_source, check_status_page, check_tls
from xds.app.commands.options import (
    DEFAULTS,
    CaExpiryWarningDays,
    LogFormat,
    LogLevel,
    OpsAddress,
    Replica,
    VerifyWithoutCa,
    context_option,
    kubeconfig_option,
    parser,
)
from xds.app.commands.tls_options import (
    AdminAddress,
    AdminClientCa,
    InsecurePlaintext,
    StatusPageAddress,
    TenantsDomain,
    TlsCert,
    TlsClientCa,
    TlsKey,
    TrustDomain,
)
from xds.app.settings import ServeSettings


def serve(
    *,
    manifests: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="DIR",
            envvar="KUBELB_XDS_MANIFESTS",
            help="A folder of LoadBalancer, Addresses and Secret manifests; may be given several times.",
        ),
    ] = None,
    kubernetes: Annotated[
        bool,
        typer.Option(
            "--kubernetes",
            envvar="KUBELB_XDS_KUBERNETES",
            help="Follow the management cluster's API instead of folders; in a pod with its service account, elsewhere"
            " as kubectl would.",
        ),
    ] = DEFAULTS.kubernetes,
    kubeconfig: Annotated[
        Path | None, kubeconfig_option("the management cluster", envvar="KUBELB_XDS_KUBECONFIG")
    ] = DEFAULTS.kubeconfig,
    context: Annotated[str | None, context_option(envvar="KUBELB_XDS_CONTEXT")] = DEFAULTS.context,
    namespaces: Annotated[
        list[str] | None,
        typer.Option(
            "--namespace",
            parser=parser(tenant_name),
            metavar="NAME",
            envvar="KUBELB_XDS_NAMESPACES",
            help="A namespace (a tenant) to serve; may be given several times, in the variable with spaces between.",
            show_default="all namespaces",
        ),
    ] = None,
    namespace_selector: Annotated[
        str,
        typer.Option(
            metavar="SELECTOR",
            envvar="KUBELB_XDS_NAMESPACE_SELECTOR",
            help="Serve the namespaces whose labels match, such as team=edge; they may come and go.",
            show_default="all namespaces",
        ),
    ] = DEFAULTS.namespace_selector,
    read_only: Annotated[
        bool,
        typer.Option(
            "--read-only",
            envvar="KUBELB_XDS_READ_ONLY",
            help="Write nothing at all into the cluster: no listener port, condition, Service, Event or lease. For a trial beside"
            " KubeLB's own manager, which keeps them.",
        ),
    ] = DEFAULTS.read_only,
    listener_ports: Annotated[
        settings.ListenerPorts | None,
        typer.Option(
            envvar="KUBELB_XDS_LISTENER_PORTS",
            help="On which ports Envoys listen: those recorded in status.service.ports, or those of spec.ports, which is for folders"
            " and for --read-only where nobody records any.",
            show_default="recorded with --kubernetes, spec with --manifests",
        ),
    ] = DEFAULTS.listener_ports,
    services: Annotated[
        bool,
        typer.Option(
            envvar="KUBELB_XDS_SERVICES",
            help="With --kubernetes: whether each LoadBalancer of type LoadBalancer gets a Service before the tenant's Envoys.",
        ),
    ] = DEFAULTS.services,
    patience: Annotated[
        float,
        typer.Option(
            metavar="SECONDS",
            envvar="KUBELB_XDS_PATIENCE",
            min=1,
            help="After how long the condition Programmed says that no Envoy is connected, or that one does not answer.",
        ),
    ] = DEFAULTS.patience,
    own_namespace: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            envvar=["KUBELB_XDS_OWN_NAMESPACE", "POD_NAMESPACE"],
            help="Where the replicas keep their lease and their reports.",
            show_default="the pod's own, else default",
        ),
    ] = DEFAULTS.own_namespace,
    replica: Replica = DEFAULTS.replica,
    xds_address: Annotated[
        str,
        typer.Option(
            parser=parser(lambda text: str(listen_address(text))),
            metavar="HOST:PORT",
            envvar="KUBELB_XDS_ADDRESS",
            help="Where Envoys connect; port 0 takes any free one. Anywhere but on loopback it needs the three files of mutual"
            " TLS below.",
        ),
    ] = DEFAULTS.xds_address,
    tls_cert: TlsCert = DEFAULTS.tls_cert,
    tls_key: TlsKey = DEFAULTS.tls_key,
    tls_client_ca: TlsClientCa = DEFAULTS.tls_client_ca,
    trust_domain: TrustDomain = DEFAULTS.trust_domain,
    tenants_domain: TenantsDomain = DEFAULTS.tenants_domain,
    insecure_plaintext: InsecurePlaintext = False,
    ops_address: OpsAddress = DEFAULTS.ops_address,
    admin_address: AdminAddress = DEFAULTS.admin_address,
    admin_client_ca: AdminClientCa = DEFAULTS.admin_client_ca,
    status_page_address: StatusPageAddress = DEFAULTS.status_page_address,
    verify_without_ca: VerifyWithoutCa = DEFAULTS.verify_without_ca,
    eds: Annotated[
        settings.Eds,
        typer.Option(
            envvar="KUBELB_XDS_EDS",
            help="Where Envoys ask for endpoints: on the aggregated stream, or on a separate one for each cluster.",
        ),
    ] = DEFAULTS.eds,
    eds_api: Annotated[
        settings.EdsApi,
        typer.Option(
            envvar="KUBELB_XDS_EDS_API",
            help="Which variant of the protocol Envoys speak on separate streams for endpoints.",
        ),
    ] = DEFAULTS.eds_api,
    listener_address: Annotated[
        str,
        typer.Option(
            parser=parser(ip_literal),
            metavar="IP",
            envvar="KUBELB_XDS_LISTENER_ADDRESS",
            help="What Envoys' listeners bind; :: takes IPv4 as well.",
        ),
    ] = DEFAULTS.listener_address,
    ca_expiry_warning_days: CaExpiryWarningDays = DEFAULTS.ca_expiry_warning_days,
    linger: Annotated[
        float,
        typer.Option(
            metavar="SECONDS",
            envvar="KUBELB_XDS_LINGER",
            min=0,
            help="How long a Secret or Addresses object that is still named outlives its deletion:"
            " kubectl replace --force deletes and creates.",
        ),
    ] = DEFAULTS.linger,
    drain: Annotated[
        float,
        typer.Option(
            metavar="SECONDS",
            envvar="KUBELB_XDS_DRAIN",
            min=0,
            help="How long streams get to end when the server stops.",
        ),
    ] = DEFAULTS.drain,
    keepalive: Annotated[
        float,
        typer.Option(
            metavar="SECONDS",
            envvar="KUBELB_XDS_KEEPALIVE",
            min=1,
            help="After how much silence the server pings a client; one that does not answer for 10 s is gone.",
        ),
    ] = DEFAULTS.keepalive,
    connection_age: Annotated[
        float,
        typer.Option(
            metavar="SECONDS",
            envvar="KUBELB_XDS_CONNECTION_AGE",
            min=0,
            help="After how long, give or take 10 %, an Envoy is made to connect anew, so that replicas share the"
            " Envoys evenly, and so that a client certificate that has expired, or whose authority is gone, is of no use any"
            " more; 0 for never, which mutual TLS does not allow.",
        ),
    ] = DEFAULTS.connection_age,
    connection_age_grace: Annotated[
        float,
        typer.Option(
            metavar="SECONDS",
            envvar="KUBELB_XDS_CONNECTION_AGE_GRACE",
            min=0,
            help="How long the streams of a connection that is too old go on; Envoy opens others when they end.",
        ),
    ] = DEFAULTS.connection_age_grace,
    max_streams: Annotated[
        int,
        typer.Option(
            metavar="COUNT",
            envvar="KUBELB_XDS_MAX_STREAMS",
            min=1,
            help="How many streams may be open; one takes about 30 kB.",
        ),
    ] = DEFAULTS.max_streams,
    max_node_streams: Annotated[
        int,
        typer.Option(
            metavar="COUNT",
            envvar="KUBELB_XDS_MAX_NODE_STREAMS",
            min=1,
            help="How many of them may be of one node.id of a tenant. With --eds separate an Envoy opens one for each"
            " cluster.",
        ),
    ] = DEFAULTS.max_node_streams,
    max_names: Annotated[
        int,
        typer.Option(
            metavar="COUNT",
            envvar="KUBELB_XDS_MAX_NAMES",
            min=1,
            help="How many resources one stream may subscribe to by name, or list as held when it connects anew.",
        ),
    ] = DEFAULTS.max_names,
    log_format: LogFormat = "auto",
    log_level: LogLevel = "info",
) -> int:
    """Serve LoadBalancers to Envoys over xDS.

    They come from folders of manifests (.yaml, .yml and .json files) or from the management cluster's API, and every change there is followed. An Envoy gets
    the LoadBalancers of the namespace that its node.cluster names, and nothing before everything was read once. Into the cluster one of the replicas, the one
    that leads, writes listener ports, conditions, Services for Envoys and Events, unless --read-only says that nothing is to be written. SIGTERM and Ctrl-C
    end the streams in good order; Envoys keep what they have.

    \b
    Example:
      kubelb-xds serve --manifests examples/manifests --manifests secrets
      kubelb-xds serve --kubernetes --context management --namespace-selector team=edge
      kubelb-xds serve --kubernetes --context management --read-only
      kubelb-xds serve --kubernetes --xds-address 0.0.0.0:18000 --tls-cert tls.crt --tls-key tls.key --tls-client-ca ca.crt
      curl 127.0.0.1:18001/readyz
      xdg-open http://127.0.0.1:18003
      kubelb-xds bootstrap --tenant tenant-primary --xds-address 127.0.0.1:18000 > envoy.yaml
      envoy --config-path envoy.yaml
    """  # noqa: D301 — typer does not rewrap what follows \b
    check_source(
        manifests=bool(manifests),
        kubernetes=kubernetes,
        needing={
            "--kubeconfig": bool(kubeconfig),
            "--context": bool(context),
            "--namespace": bool(namespaces),
            "--namespace-selector": bool(namespace_selector),
            "--read-only": read_only,
        },
    )
    if kubernetes and not read_only and listener_ports == "spec":
        raise typer.BadParameter(
            "spec goes with --read-only in a cluster: what is written are allocated ports, on which Envoys are to listen",
            param_hint=["--listener-ports"],
        )
    check_tls(
        xds_address,
        files={"--tls-cert": tls_cert, "--tls-key": tls_key, "--tls-client-ca": tls_client_ca},
        insecure_plaintext=insecure_plaintext,
        connection_age=connection_age,
    )
    check_admin(
        admin_address,
        client_ca=admin_client_ca,
        tls_client_ca=tls_client_ca,
        insecure_plaintext=insecure_plaintext,
    )
    check_status_page(status_page_address, insecure_plaintext=insecure_plaintext)
    check_addresses(
        {
            "--xds-address": xds_address,
            "--ops-address": ops_address,
            "--admin-address": admin_address,
            "--status-page-address": status_page_address,
        }
    )
    # The imports below take a second or two, and process 1 of a container never sees a signal that it does not handle.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os._exit(0))
    # gRPC's core writes to stderr on its own, of what our log and our errors tell as well.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")

    from xds.app import logs  # noqa: PLC0415 — --help is to stay light
    from xds.app.serve import serve as run  # noqa: PLC0415

    logs.configure(log_format=log_format, level=log_level)
    return run(
        ServeSettings(
            manifests=tuple(manifests or ()),
            kubernetes=kubernetes,
            kubeconfig=kubeconfig,
            context=context,
            namespaces=tuple(dict.fromkeys(namespaces or ())),
            namespace_selector=namespace_selector,
            read_only=read_only,
            listener_ports=listener_ports,
            services=services,
            patience=patience,
            own_namespace=own_namespace,
            replica=replica,
            xds_address=xds_address,
            tls_cert=tls_cert,
            tls_key=tls_key,
            tls_client_ca=tls_client_ca,
            trust_domain=trust_domain,
            tenants_domain=tenants_domain,
            ops_address=ops_address,
            admin_address=admin_address,
            admin_client_ca=admin_client_ca,
            status_page_address=status_page_address,
            verify_without_ca=verify_without_ca,
            eds=eds,
            eds_api=eds_api,
            listener_address=listener_address,
            ca_expiry_warning_days=ca_expiry_warning_days,
            linger=linger,
            drain=drain,
            keepalive=keepalive,
            connection_age=connection_age,
            connection_age_grace=connection_age_grace,
            max_streams=max_streams,
            max_node_streams=max_node_streams,
            max_names=max_names,
        )
    )
