"""What an operator may set, with its defaults: the command line fills it in, the wiring reads it.

Dataclasses only, so that ``--help`` and its defaults need nothing heavy.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

DEFAULT_XDS_ADDRESS = "127.0.0.1:18000"
DEFAULT_OPS_ADDRESS = "127.0.0.1:18001"
DEFAULT_ADMIN_ADDRESS = "127.0.0.1:18002"
DEFAULT_TENANTS_DOMAIN = "tenants.kubelb-xds.internal"
OFF = "off"

VerifyWithoutCa: TypeAlias = Literal["plain", "fail-closed"]
Eds: TypeAlias = Literal["ads", "separate"]
EdsApi: TypeAlias = Literal["delta", "sotw"]
ListenerPorts: TypeAlias = Literal["recorded", "spec"]
LogFormat: TypeAlias = Literal["auto", "human", "json"]
LogLevel: TypeAlias = Literal["debug", "info", "warning", "error"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeSettings:
    """Everything that ``kubelb-xds serve`` may be told.

    The objects come from ``manifests``, or with ``kubernetes`` from the management cluster's API. That is found by
    ``kubeconfig`` and ``context`` where they are given, else as a pod or as kubectl finds it; of its namespaces those named
    ``namespaces`` count, or those whose labels match ``namespace_selector``, or all. With ``read_only`` nothing is written there.
    ``listener_ports``: where Envoy listens: on the ports that the status records, or on those of the spec; where it
    is None the former unless ``read_only``. ``services``: whether each LoadBalancer of type LoadBalancer gets a
    Service before Envoy. ``patience``: seconds after which the condition Programmed says that no Envoy answers. ``own_namespace``
    and ``replica`` say where the program runs and which of its replicas this is; found out where they are None.

    ``tls_cert``, ``tls_key`` and ``tls_client_ca`` are the files of mutual TLS on the xDS listener; without them it is
    plaintext. ``trust_domain`` and ``tenants_domain`` say which names in a client's
    certificate are tenants, as ``xds.server``'s ``CertificateTenants`` takes them. ``ops_address``: where `/healthz`,
    `/readyz` and `/metrics` are; ``OFF`` for nowhere. ``admin_address``: where gRPC health and
    reflection are, or ``OFF``; off loopback over mutual TLS with the same certificate, for clients of the authorities in ``admin_client_ca``.
    ``verify_without_ca``: what policy Verify without a ``caSecretRef`` yields: plain TCP as the reference documents, or a
    cluster that fails closed. ``eds``: where Envoy asks for endpoints: on the aggregated stream, or on a stream of its own
    for each cluster, which then speaks ``eds_api``. ``listener_address``: what Envoy's listeners bind. ``linger``: seconds
    for which a Secret or Addresses object that is still named outlives its removal. ``drain``: seconds that streams get to
    end at SIGTERM. The rest is told by ``xds.server``'s ``ServerOptions`` and ``Limits``, times in seconds.
    """

    manifests: tuple[Path, ...] = ()
    kubernetes: bool = False
    kubeconfig: Path | None = None
    context: str | None = None
    namespaces: tuple[str, ...] = ()
    namespace_selector: str = ""
    read_only: bool = True
    listener_ports: ListenerPorts | None = None
    services: bool = True
    patience: float = 60.0
    own_namespace: str | None = None
    replica: str | None = None
    xds_address: str = DEFAULT_XDS_ADDRESS
    tls_cert: Path | None = None
    tls_key: Path | None = None
    tls_client_ca: Path | None = None
    trust_domain: str = ""
    tenants_domain: str = DEFAULT_TENANTS_DOMAIN
    ops_address: str = DEFAULT_OPS_ADDRESS
    admin_address: str = DEFAULT_ADMIN_ADDRESS
    admin_client_ca: Path | None = None
    verify_without_ca: VerifyWithoutCa = "plain"
    eds: Eds = "ads"
    eds_api: EdsApi = "delta"
    listener_address: str = "0.0.0.0"  # noqa: S104 — a load balancer's purpose
    ca_expiry_warning_days: int = 30
    linger: float = 0.5
    drain: float = 2.0
    keepalive: float = 20.0
    connection_age: float = 1800.0
    connection_age_grace: float = 5.0
    max_streams: int = 24_000
    max_node_streams: int = 12_000
    max_names: int = 50_000
