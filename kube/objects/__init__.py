"""The Kubernetes objects that this project reads, as immutable structs: `decode` makes one or says everything that is wrong.

Knows neither where objects come from nor what becomes of them.
"""

from kube.objects.addresses import Addresses, AddressesSpec, EndpointAddress
from kube.objects.decode import API_VERSION, KINDS, KubeObject, decode
from kube.objects.faults import Fault, InvalidObject, ObjectRef, UnknownKind
from kube.objects.loadbalancer import (
    EndpointGroup,
    EndpointPort,
    LoadBalancer,
    LoadBalancerHead,
    LoadBalancerSpec,
    LoadBalancerStatus,
    Persistence,
    ServicePort,
    ServiceStatus,
    StatusPort,
    UpstreamTLS,
)
from kube.objects.metadata import Condition, ObjectMeta, ObjectReference
from kube.objects.secret import Secret

__all__ = [
    "API_VERSION",
    "KINDS",
    "Addresses",
    "AddressesSpec",
    "Condition",
    "EndpointAddress",
    "EndpointGroup",
    "EndpointPort",
    "Fault",
    "InvalidObject",
    "KubeObject",
    "LoadBalancer",
    "LoadBalancerHead",
    "LoadBalancerSpec",
    "LoadBalancerStatus",
    "ObjectMeta",
    "ObjectRef",
    "ObjectReference",
    "Persistence",
    "Secret",
    "ServicePort",
    "ServiceStatus",
    "StatusPort",
    "UnknownKind",
    "UpstreamTLS",
    "decode",
]
