"""The options of `serve` about who may connect: mutual TLS on the xDS listener, and the admin listener."""

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from xds.app.commands.options import listener, parser

TlsCert: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        envvar="KUBELB_XDS_TLS_CERT",
        help="The server's certificate and its intermediates, in PEM. These three files may change at any time: new"
        " connections get what is in them, open ones stay.",
    ),
]
TlsKey: TypeAlias = Annotated[
    Path | None,
    typer.Option(metavar="FILE", envvar="KUBELB_XDS_TLS_KEY", help="Its key, in PEM and without a password."),
]
TlsClientCa: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        envvar="KUBELB_XDS_TLS_CLIENT_CA",
        help="The authorities whose client certificates are let in, in PEM. A certificate names its tenants: in URI SANs"
        " spiffe://TRUST-DOMAIN/ns/TENANT with or without a path below, or in DNS SANs TENANT.TENANTS-DOMAIN. An Envoy gets"
        " what its certificate names, and PERMISSION_DENIED for any other tenant.",
    ),
]
TrustDomain: TypeAlias = Annotated[
    str,
    typer.Option(
        metavar="DOMAIN",
        envvar="KUBELB_XDS_TRUST_DOMAIN",
        help="Only URI SANs of this trust domain name tenants.",
        show_default="any that --tls-client-ca vouches for",
    ),
]
TenantsDomain: TypeAlias = Annotated[
    str,
    typer.Option(
        metavar="DOMAIN",
        envvar="KUBELB_XDS_TENANTS_DOMAIN",
        help="A DNS SAN of one label before this domain names the tenant of that label.",
    ),
]
InsecurePlaintext: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--insecure-plaintext",
        envvar="KUBELB_XDS_INSECURE_PLAINTEXT",
        help="Serve xDS without TLS on an address off loopback: whoever reaches it reads the configuration of every tenant.",
    ),
]
AdminAddress: TypeAlias = Annotated[
    str,
    typer.Option(
        parser=parser(listener),
        metavar="HOST:PORT",
        envvar="KUBELB_XDS_ADMIN_ADDRESS",
        help="Where status, explain, dump and watch ask, with gRPC health and reflection, for those who run this; port 0 takes any free one, off is nowhere. Anywhere"
        " but on loopback it needs --admin-client-ca.",
    ),
]
StatusPageAddress: TypeAlias = Annotated[
    str,
    typer.Option(
        parser=parser(listener),
        metavar="HOST:PORT",
        envvar="KUBELB_XDS_STATUS_PAGE_ADDRESS",
        help="Where the status page is, for a browser: tenants, Envoys, LoadBalancers and NACKs, live; port 0 takes any free one, off is nowhere."
        " It asks nobody who they are, so anywhere but on loopback it needs --insecure-plaintext.",
    ),
]
AdminClientCa: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        envvar="KUBELB_XDS_ADMIN_CLIENT_CA",
        help="The authorities whose client certificates are let in there, in PEM: others than the tenants'. The certificate is"
        " that of --tls-cert.",
        show_default="plaintext",
    ),
]
