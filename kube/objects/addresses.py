"""Addresses: a list of hosts that several LoadBalancers share, usually the nodes of a tenant. Does not know who refers to it."""

from typing import Annotated, ClassVar, Final

from msgspec import Meta

from kube.objects.faults import ObjectRef
from kube.objects.hosts import MAX_HOST
from kube.objects.metadata import ObjectMeta
from kube.objects.structs import KubeStruct, RuledStruct, host, one_of

MAX_ADDRESSES: Final = 10_000  # twice the nodes of the largest cluster that Kubernetes supports; bounds what the CRD's rules cost

Host = Annotated[str, Meta(max_length=MAX_HOST)]


class EndpointAddress(RuledStruct, frozen=True, kw_only=True):
    """Where a backend is. `ip` wins over `hostname`; a host name in `ip` counts as one."""

    RULES = (
        host("ip"),
        host("hostname"),
        one_of("ip", "hostname", allowed="must have `ip` or `hostname`"),
    )

    ip: Host = ""
    hostname: Host = ""


EndpointAddresses = tuple[EndpointAddress, ...]


class AddressesSpec(KubeStruct, frozen=True, kw_only=True):
    """The hosts, at least one."""

    addresses: Annotated[EndpointAddresses, Meta(min_length=1, max_length=MAX_ADDRESSES)]


class Addresses(KubeStruct, frozen=True, kw_only=True):
    """The object of kind Addresses."""

    KIND: ClassVar[str] = "Addresses"

    metadata: ObjectMeta
    spec: AddressesSpec

    @property
    def ref(self) -> ObjectRef:
        """Which object this is."""
        return ObjectRef(self.KIND, self.metadata.namespace, self.metadata.name)
