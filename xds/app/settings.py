"""What an operator may set, with its defaults: the command line fills it in, the wiring reads it.

Dataclasses only, so that ``--help`` and its defaults need nothing heavy.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

DEFAULT_XDS_ADDRESS = "127.0.0.1:18000"
DEFAULT_OPS_ADDRESS = "127.0.0.1:18001"
DEFAULT_ADMIN_ADDRESS = "127.0.0.1:18002"
DEFAULT_STATUS_PAGE_ADDRESS = "127.0.0.1:18003"
DEFAULT_TENANTS_DOMAIN = "tenants.kubelb-xds.internal"
OFF = "off"

VerifyWithoutCa: TypeAlias = Literal["plain", "fail-closed"]
Eds: TypeAlias = Literal["ads", "separate"]
EdsApi: TypeAlias = Literal["delta", "sotw"]
ListenerPorts: TypeAlias = Literal["recorded", "spec"]
LogFormat: TypeAlias = Literal["auto", "human", "json"]
LogLevel: TypeAlias = Literal["debug", "info", "warning", "error"]


@dataclass(frozen=True, slots=True)
class AdminListener:
    """Which admin listener is asked: its ``host:port``, and the folder with ca.crt, tls.crt and tls.key of mutual TLS, if any."""

    address: str
    tls_dir: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeSettings:
    """Everything that ``kubelb-xds serve`` may be told.

    Times are in seconds. The last fields are those of ``xds.server``'s ``ServerOptions`` and ``Limits``.
    """

    # Where the objects come from: folders, or the management cluster's API, found by kubeconfig and context where they are
    # given, else as a pod or as kubectl finds it. Of its namespaces those count that are named or selected, or all.
    manifests: tuple[Path, ...] = ()
    kubernetes: bool = False
    kubeconfig: Path | None = None
    context: str | None = None
    namespaces: tuple[str, ...] = ()
    namespace_selector: str = ""
    # What is written back into the cluster: nothing at all if read_only. The rest of it is of no use then, but for
    # listener_ports: where Envoy listens, on the ports that the status records or on those of the spec; None for the former
    # in a cluster, and for the latter in folders.
    read_only: bool = False
    listener_ports: ListenerPorts | None = None
    services: bool = True
    patience: float = 60.0
    # Where the program runs and which of its replicas this is; found out where they are None.
    own_namespace: str | None = None
    replica: str | None = None
    xds_address: str = DEFAULT_XDS_ADDRESS
    # The files of mutual TLS on the xDS listener, plaintext without them; and which names in a client's certificate are
    # tenants, as ``xds.server``'s ``CertificateTenants`` takes them.
    tls_cert: Path | None = None
    tls_key: Path | None = None
    tls_client_ca: Path | None = None
    trust_domain: str = ""
    tenants_domain: str = DEFAULT_TENANTS_DOMAIN
    # Where `/healthz`, `/readyz` and `/metrics` are. ``OFF`` is nowhere, here and for the next two.
    ops_address: str = DEFAULT_OPS_ADDRESS
    # Where gRPC health and reflection are; off loopback over mutual TLS with the same certificate, for clients of these authorities.
    admin_address: str = DEFAULT_ADMIN_ADDRESS
    admin_client_ca: Path | None = None
    # Where the status page is, for a browser.
    status_page_address: str = DEFAULT_STATUS_PAGE_ADDRESS
    # What the objects become: what policy Verify without a CA yields, on which stream Envoys ask for endpoints and in which
    # variant of the protocol if it is one of its own, what their listeners bind.
    verify_without_ca: VerifyWithoutCa = "plain"
    eds: Eds = "ads"
    eds_api: EdsApi = "delta"
    listener_address: str = "0.0.0.0"  # noqa: S104 — a load balancer's purpose
    ca_expiry_warning_days: int = 30
    # How long a Secret or Addresses object that is still named outlives its removal, and streams SIGTERM.
    linger: float = 0.5
    drain: float = 2.0
    keepalive: float = 20.0
    connection_age: float = 1800.0
    connection_age_grace: float = 5.0
    max_streams: int = 24_000
    max_node_streams: int = 12_000
    max_names: int = 50_000


DEFAULT_CCM_OPS_ADDRESS = "127.0.0.1:18011"

NodeAddressType: TypeAlias = Literal["ExternalIP", "InternalIP", "Hostname"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CcmSettings:
    """Everything that ``kubelb-xds ccm`` may be told.

    ``cluster_name``: the tenant's; its namespace in the management cluster is ``tenant-`` and this. The tenant's own cluster is
    found by ``kubeconfig`` and ``context`` where they are given, else as a pod or as kubectl finds it; the management
    cluster by ``management_kubeconfig`` and ``management_context``. ``node_address_type``: under which of their addresses
    the nodes are reached. ``use_loadbalancer_class``: whether only Services of class ``kubelb`` are taken. ``own_namespace``
    and ``replica`` say where the lease is, in the tenant's cluster, and which replica this is; found out where they are
    None. ``ops_address``: where `/healthz`, `/readyz` and `/metrics` are; ``OFF`` for nowhere.
    """

    cluster_name: str
    management_kubeconfig: Path
    management_context: str | None = None
    kubeconfig: Path | None = None
    context: str | None = None
    node_address_type: NodeAddressType = "ExternalIP"
    use_loadbalancer_class: bool = False
    own_namespace: str | None = None
    replica: str | None = None
    ops_address: str = DEFAULT_CCM_OPS_ADDRESS
