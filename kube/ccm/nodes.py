"""Nodes of the tenant's cluster: which are Ready, and under which addresses the management cluster reaches them. Pure."""

from collections.abc import Iterable
from typing import ClassVar, Final, Literal, TypeAlias

import msgspec
from msgspec import Raw

from kube.objects import ObjectRef
from kube.objects.hosts import refuse_host
from kube.objects.structs import KubeStruct

NodeAddressType: TypeAlias = Literal["ExternalIP", "InternalIP", "Hostname"]

NO_READY_NODES: Final = "NoReadyNodes"
"""Reason of the Event on every Service when no node is left."""


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """The object of kind Node: whether it is Ready, and its addresses by type."""

    KIND: ClassVar[str] = "Node"

    name: str
    ready: bool
    addresses: tuple[tuple[str, str], ...]

    @property
    def ref(self) -> ObjectRef:
        """Which object this is."""
        return ObjectRef(self.KIND, "", self.name)


class _Metadata(KubeStruct, frozen=True):
    name: str


class _Address(KubeStruct, frozen=True):
    type: str = ""
    address: str = ""


class _Condition(KubeStruct, frozen=True):
    type: str = ""
    status: str = ""


class _Status(KubeStruct, frozen=True):
    addresses: tuple[_Address, ...] = ()
    conditions: tuple[_Condition, ...] = ()


class _Document(KubeStruct, frozen=True):
    metadata: _Metadata
    status: _Status = _Status()


_NODE: Final = msgspec.json.Decoder(_Document)


def read_node(document: bytes | Raw) -> Node:
    """Return the Node that the API server's JSON describes; raise msgspec.DecodeError."""
    found = _NODE.decode(document)
    return Node(
        name=found.metadata.name,
        ready=any(each.type == "Ready" and each.status == "True" for each in found.status.conditions),
        addresses=tuple((each.type, each.address) for each in found.status.addresses),
    )


def addresses_of(nodes: Iterable[Node], of_type: NodeAddressType) -> tuple[dict[str, str], ...]:
    """Return the Ready nodes' addresses of a type as an Addresses object lists them: sorted, each once.

    What neither Envoy nor the API server would take for a host is left out.
    """
    field = "hostname" if of_type == "Hostname" else "ip"
    found = {
        address
        for node in nodes
        if node.ready
        for kind, address in node.addresses
        if kind == of_type and address and refuse_host(address) is None
    }
    return tuple({field: address} for address in sorted(found))


def no_nodes(nodes: Iterable[Node], of_type: NodeAddressType, *, known: bool) -> str:
    """Return what to say when no address is left; `known`: there is a list from before, which stays."""
    count = len(tuple(nodes))
    stays = "the last list of addresses stays in use" if known else "no connection can be forwarded"
    return (
        f"none of the cluster's {count} nodes is Ready and has an address of type {of_type}: {stays}; "
        "look at kubectl get nodes -o wide, or give the cloud controller manager another --node-address-type"
    )
