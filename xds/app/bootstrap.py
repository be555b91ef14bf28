"""The configuration that Envoy starts with: who it is, where its control plane is, how it trusts that, and nothing else.

It is text with comments rather than a message printed as YAML, because people read it, keep it and change it; that Envoy
takes it is for the tests to show. Everything else that an Envoy has comes over xDS, and is not known here.

With mutual TLS it is three files: Envoy takes up renewed certificates only where it has them from SDS, and SDS by path is a file for
each secret. The certificates themselves stay where they are; Envoy watches their folder.
"""

import json
import shlex
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from string import Template
from typing import Final, Literal, TypeAlias

from xds.app.address import HostPort

Api: TypeAlias = Literal["delta", "sotw"]

DEFAULT_ADMIN_PORT: Final = 19000
"""Of the ports 19000-19999, which no LoadBalancer gets."""

XDS_CLUSTER: Final = "xds_cluster"
"""The control plane's name inside Envoy; resources that name a stream of their own name this cluster."""

KEEPALIVE_SECONDS: Final = 30
"""How often Envoy pings: far above the 5 s below which the server would hang up (`xds.server.ServerOptions`)."""

_API_TYPES: Final[dict[Api, tuple[str, str]]] = {
    "delta": ("DELTA_GRPC", "only what changed is sent, and nothing again after a reconnect"),
    "sotw": ("GRPC", "the state of the world: every answer holds all resources of its type"),
}

_TEMPLATE: Final = Template("""\
# An Envoy that gets its configuration from kubelb-xds. Printed by:
#   $command
# Check it:  envoy --mode validate --config-path THIS_FILE
# Run it:    envoy --config-path THIS_FILE

node:
  # Whose LoadBalancers this Envoy serves: the tenant, which is their namespace.
  cluster: $tenant
  # Which Envoy this is, in the control plane's log. Each Envoy of a tenant has an id of its own.
  id: $node_id

dynamic_resources:
  # One stream (ADS) carries clusters, endpoints and listeners, so that they arrive in an order that loses no traffic.
  ads_config:
    # $api_meaning.
    api_type: $api_type
    transport_api_version: V3
    # The node is told once a stream instead of in every request.
    set_node_on_first_message_only: true
    grpc_services:
      - envoy_grpc:
          cluster_name: $xds_cluster
          # Without a control plane, try again at least every 5 s; Envoy's own limit is 30 s.
          retry_policy:
            retry_back_off:
              base_interval: 0.5s
              max_interval: 5s
  # With 0s Envoy waits for its first configuration for as long as it takes, and is not ready until then. After Envoy's
  # own 15 s it would call itself ready without a single listener, and be sent traffic. An Envoy that has its
  # configuration keeps it, whatever happens to the control plane.
  cds_config:
    resource_api_version: V3
    initial_fetch_timeout: 0s
    ads: {}
  lds_config:
    resource_api_version: V3
    initial_fetch_timeout: 0s
    ads: {}

static_resources:
  clusters:
    # The control plane.
    - name: $xds_cluster
      # $discovery_meaning.
      type: $discovery
$dns_lookup      connect_timeout: 5s
      typed_extension_protocol_options:
        envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
          "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
          explicit_http_config:
            # gRPC is HTTP/2. Pings find out a control plane that went without a word, and Envoy connects anew.
            http2_protocol_options:
              connection_keepalive:
                interval: ${keepalive}s
                timeout: 10s
      load_assignment:
        cluster_name: $xds_cluster
        endpoints:
          - lb_endpoints:
              - endpoint:
                  address:
                    socket_address:
                      address: $host
                      port_value: $port
$transport_socket
# Statistics and /config_dump, for this machine only: whoever reaches it may read everything and stop Envoy.
admin:
  address:
    socket_address:
      address: 127.0.0.1
      port_value: $admin_port
""")

_TRANSPORT_SOCKET: Final = Template("""\
      # Mutual TLS: the certificate says whose Envoy this is, and the control plane has to have the name below.
      transport_socket:
        name: envoy.transport_sockets.tls
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext
$sni          common_tls_context:
            # Envoy's own highest version to upstreams is 1.2.
            tls_params:
              tls_minimum_protocol_version: TLSv1_2
              tls_maximum_protocol_version: TLSv1_3
            # Over SDS, so that a renewed certificate is used for the next connection, without a restart.
            tls_certificate_sds_secret_configs:
              - name: client
                sds_config:
                  resource_api_version: V3
                  path_config_source:
                    path: $client_file
                    watched_directory:
                      path: $config_dir
            combined_validation_context:
              default_validation_context:
                match_typed_subject_alt_names:
                  - san_type: $san_type
                    matcher:
                      exact: $server_name
              validation_context_sds_secret_config:
                name: authority
                sds_config:
                  resource_api_version: V3
                  path_config_source:
                    path: $authority_file
                    watched_directory:
                      path: $config_dir
""")

CLIENT_FILE: Final = "sds-client.yaml"
AUTHORITY_FILE: Final = "sds-authority.yaml"
BOOTSTRAP_FILE: Final = "envoy.yaml"

_CLIENT: Final = Template("""\
# The certificate that this Envoy shows to the control plane. Envoy reads it anew when something is renamed in its folder,
# which is how kubelet and kubelb-xds certgen replace it.
resources:
  - "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret
    name: client
    tls_certificate:
      certificate_chain:
        filename: $certificate
      private_key:
        filename: $key
      watched_directory:
        path: $tls_dir
""")

_AUTHORITY: Final = Template("""\
# Who vouches for the control plane.
resources:
  - "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret
    name: authority
    validation_context:
      trusted_ca:
        filename: $authority
      watched_directory:
        path: $tls_dir
""")

_DNS_LOOKUP: Final = """\
      # Every address of that name is tried, IPv4 and IPv6.
      dns_lookup_family: ALL
"""


def tenant_name(text: str) -> str:
    """Return the name of a tenant as it is. Raises ValueError when it is no name that a namespace can have."""
    # Parsing is rare, and --help is to stay light.
    import msgspec  # noqa: PLC0415

    from kube.objects.metadata import DnsLabel  # noqa: PLC0415

    try:
        return msgspec.convert(text, type=DnsLabel)
    except msgspec.ValidationError:
        raise ValueError(
            f"{text!r} cannot be a namespace, and so no tenant: write at most 63 lower case letters, digits and inner hyphens"
        ) from None


def envoy_id(text: str) -> str:
    """Return the id of an Envoy as it is. Raises ValueError when it would spoil a line of log."""
    if not text.isprintable() or not text.strip():
        raise ValueError(f"{text!r}: write one line of printable characters, such as envoy-1")
    return text


def default_node_id(tenant: str) -> str:
    """Return an id that Envoys of one tenant on different machines do not share: `<tenant>-<hostname>`."""
    return f"{tenant}-{socket.gethostname()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientTls:
    """Where Envoy finds what mutual TLS takes, as absolute paths on its own machine.

    ``tls_dir`` holds tls.crt, tls.key and ca.crt, as a Secret does or an entry of ``certgen``; ``config_dir`` the bootstrap and
    the files beside it. ``server_name`` is the name that the control plane's certificate has to have, its address's unless given.
    """

    tls_dir: PurePosixPath
    config_dir: PurePosixPath
    server_name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bootstrap:
    """What an Envoy has to know; ``tls`` is None for plaintext."""

    tenant: str
    xds_address: HostPort
    node_id: str
    api: Api = "delta"
    admin_port: int = DEFAULT_ADMIN_PORT
    tls: ClientTls | None = None

    def files(self) -> Mapping[str, str]:
        """Return all that Envoy starts with, by file name."""
        if self.tls is None:
            return {BOOTSTRAP_FILE: self.yaml()}
        folder = self.tls.tls_dir
        client = _CLIENT.substitute(
            tls_dir=_scalar(str(folder)),
            certificate=_scalar(str(folder / "tls.crt")),
            key=_scalar(str(folder / "tls.key")),
        )
        authority = _AUTHORITY.substitute(
            tls_dir=_scalar(str(folder)), authority=_scalar(str(folder / "ca.crt"))
        )
        return {BOOTSTRAP_FILE: self.yaml(), CLIENT_FILE: client, AUTHORITY_FILE: authority}

    def yaml(self) -> str:
        """Return the bootstrap as YAML with comments; `envoy --config-path` takes it as it is."""
        api_type, api_meaning = _API_TYPES[self.api]
        by_dns = self.xds_address.ip is None
        return _TEMPLATE.substitute(
            command=self._command(),
            tenant=_scalar(self.tenant),
            node_id=_scalar(self.node_id),
            api_type=api_type,
            api_meaning=f"{api_type}: {api_meaning}",
            xds_cluster=XDS_CLUSTER,
            discovery="STRICT_DNS" if by_dns else "STATIC",
            discovery_meaning="A hostname, looked up again and again"
            if by_dns
            else "An IP address, with nothing to look up",
            dns_lookup=_DNS_LOOKUP if by_dns else "",
            keepalive=KEEPALIVE_SECONDS,
            host=_scalar(self.xds_address.host),
            port=self.xds_address.port,
            admin_port=self.admin_port,
            transport_socket=self._transport_socket(),
        )

    def _transport_socket(self) -> str:
        """Return how Envoy speaks TLS with the control plane, nothing for plaintext."""
        if self.tls is None:
            return ""
        name = self.tls.server_name or self.xds_address.host
        by_dns = HostPort(name, 0).ip is None
        folder = self.tls.config_dir
        return _TRANSPORT_SOCKET.substitute(
            sni=f"          sni: {_scalar(name)}\n" if by_dns else "",  # an IP address is no SNI (RFC 6066)
            san_type="DNS" if by_dns else "IP_ADDRESS",
            server_name=_scalar(name),
            config_dir=_scalar(str(folder)),
            client_file=_scalar(str(folder / CLIENT_FILE)),
            authority_file=_scalar(str(folder / AUTHORITY_FILE)),
        )

    def _command(self) -> str:
        """Return the command line that prints this bootstrap, on whatever machine."""
        words = [
            "kubelb-xds", "bootstrap",
            "--tenant", self.tenant,
            "--xds-address", str(self.xds_address),
            "--node-id", self.node_id,
        ]  # fmt: skip
        if self.api != "delta":
            words += ["--api", self.api]
        if self.admin_port != DEFAULT_ADMIN_PORT:
            words += ["--admin-port", str(self.admin_port)]
        if self.tls is not None:
            words += [
                "--tls-dir",
                str(self.tls.tls_dir),
                "--config-dir",
                str(self.tls.config_dir),
                "--output",
                ".",
            ]
            if self.tls.server_name:
                words += ["--server-name", self.tls.server_name]
        return shlex.join(words)


def _scalar(text: str) -> str:
    """Return text as YAML that stays text (a tenant may be called `null` or `1e3`): JSON's strings are YAML's."""
    return json.dumps(text, ensure_ascii=False)
