"""LoadBalancer: what the tenant's cloud controller asks for, and what the control plane answers in its status.

Field names and defaults are those of KubeLB's `kubelb.k8c.io/v1alpha1`. Does not know what becomes of it in Envoy, except
where two entries would get the same name there.
"""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Final, Literal

from msgspec import Meta, field

from kube.objects.addresses import MAX_ADDRESSES, Addresses, EndpointAddresses
from kube.objects.faults import ObjectRef
from kube.objects.metadata import Condition, ObjectMeta, ObjectReference, PortName, PortNumber, Protocol
from kube.objects.secret import Secret
from kube.objects.structs import KubeStruct, RuledStruct, distinct, one_of

# KubeLB itself makes one group. The CRD compares port names pairwise, and with more of either the API server refuses it for
# what that may cost (measured on 1.36: 4 x 256 passes, 16 x 256 is 3.5 times too much).
MAX_GROUPS: Final = 4
MAX_PORTS: Final = 256

_DISTINCT_NAMES = distinct("ports", "name", why="ports are matched by name")


class EndpointPort(KubeStruct, frozen=True, kw_only=True):
    """A port that the backends listen on."""

    name: PortName = ""
    port: PortNumber
    protocol: Protocol = "TCP"


class EndpointGroup(RuledStruct, frozen=True, kw_only=True):
    """Backends that listen on the same ports. `addresses_reference`, the name of an Addresses object, overrides `addresses`."""

    RULES = (
        one_of("addresses", "addresses_reference", allowed="must have `addresses` or `addressesReference`"),
        _DISTINCT_NAMES,
        distinct(
            "ports", "port", "protocol", why="Envoy's cluster and listener are named after port and protocol"
        ),
    )

    name: Annotated[str, Meta(max_length=253)] = ""
    addresses: Annotated[EndpointAddresses, Meta(max_length=MAX_ADDRESSES)] = ()
    addresses_reference: ObjectReference | None = None
    ports: Annotated[tuple[EndpointPort, ...], Meta(min_length=1, max_length=MAX_PORTS)]


class ServicePort(KubeStruct, frozen=True, kw_only=True):
    """A port that clients connect to."""

    name: PortName = ""
    protocol: Protocol = "TCP"
    port: PortNumber


class Persistence(KubeStruct, frozen=True, kw_only=True):
    """How clients stick to a backend."""

    type: Literal["SourceIP"]


class UpstreamTLS(KubeStruct, frozen=True, kw_only=True):
    """TLS from Envoy to the backends.

    `policy` is `Insecure` or `Verify`. Any other text is read all the same: to refuse the object would leave an earlier version of
    it serving, perhaps in the clear, so a wrong policy is left to translation, which fails closed.
    """

    policy: str
    ca_secret_ref: ObjectReference | None = None


class LoadBalancerSpec(RuledStruct, frozen=True, kw_only=True):
    """What is asked for."""

    RULES = (
        _DISTINCT_NAMES,
        distinct("ports", "port", "protocol", why="each needs a listener of its own"),
    )

    endpoints: Annotated[tuple[EndpointGroup, ...], Meta(min_length=1, max_length=MAX_GROUPS)]
    ports: Annotated[tuple[ServicePort, ...], Meta(max_length=MAX_PORTS)] = ()
    type: Literal["ClusterIP", "NodePort", "LoadBalancer"] = "ClusterIP"
    external_traffic_policy: Literal["Cluster", "Local"] | None = None
    hostname: Annotated[str, Meta(max_length=253)] | None = None
    persistence: Persistence | None = None
    upstream_tls: UpstreamTLS | None = field(name="upstreamTLS", default=None)


class StatusPort(KubeStruct, frozen=True, kw_only=True):
    """A port of the Service for Envoy as it stands: `target_port` is the listener's, `upstream_target_port` the endpoint's."""

    OPEN = True

    name: str = ""
    protocol: str = "TCP"
    port: int = 0
    target_port: int | str = 0
    node_port: int = 0
    app_protocol: str = ""
    upstream_target_port: int = 0


class ServiceStatus(KubeStruct, frozen=True, kw_only=True):
    """The Service for Envoy; the allocated listener ports are read back from here."""

    OPEN = True

    ports: tuple[StatusPort, ...] = ()


class LoadBalancerStatus(KubeStruct, frozen=True, kw_only=True):
    """What came of it. Without limits, as others write here too; `load_balancer` is core's LoadBalancerStatus, as it is."""

    OPEN = True

    conditions: tuple[Condition, ...] = ()
    service: ServiceStatus = ServiceStatus()
    load_balancer: Mapping[str, Any] = {}

    def __hash__(self) -> int:
        return hash((self.conditions, self.service))  # a mapping has no hash


class LoadBalancerHead(KubeStruct, frozen=True, kw_only=True):
    """A LoadBalancer less what is asked for: which one it is, and what came of it."""

    metadata: ObjectMeta
    status: LoadBalancerStatus = LoadBalancerStatus()

    @property
    def ref(self) -> ObjectRef:
        """Which object this is."""
        return ObjectRef(LoadBalancer.KIND, self.metadata.namespace, self.metadata.name)


class LoadBalancer(KubeStruct, frozen=True, kw_only=True):
    """The object of kind LoadBalancer."""

    KIND: ClassVar[str] = "LoadBalancer"

    metadata: ObjectMeta
    spec: LoadBalancerSpec
    status: LoadBalancerStatus = LoadBalancerStatus()

    @property
    def ref(self) -> ObjectRef:
        """Which object this is."""
        return ObjectRef(self.KIND, self.metadata.namespace, self.metadata.name)

    @property
    def references(self) -> frozenset[ObjectRef]:
        """The objects that its configuration depends on, whether they exist or not.

        A Secret is among them only when policy is `Verify`: under any other it is not read.
        """
        namespace = self.metadata.namespace
        named = {
            ObjectRef(Addresses.KIND, namespace, group.addresses_reference.name)
            for group in self.spec.endpoints
            if group.addresses_reference
        }
        tls = self.spec.upstream_tls
        if tls and tls.policy == "Verify" and tls.ca_secret_ref:
            named.add(ObjectRef(Secret.KIND, namespace, tls.ca_secret_ref.name))
        return frozenset(named)
