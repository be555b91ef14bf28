"""An object of the management cluster as the cloud controller manager sees it: what stands there, and what it applied itself.

The spec stays as it is, unread: whatever somebody made of it by hand, it only has to be compared. Does not know what it is to be.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec import Raw

from kube.ccm.names import MANAGER
from kube.objects import Condition, ObjectMeta, ObjectRef
from kube.objects.managed import ManagedFields, applied_by, keys
from kube.objects.structs import KubeStruct


class Copy(msgspec.Struct, frozen=True, kw_only=True):
    """A LoadBalancer or an Addresses object. `annotations` and `labels` are the keys that this program has applied."""

    kind: str
    metadata: ObjectMeta
    annotations: frozenset[str] = frozenset()
    labels: frozenset[str] = frozenset()
    spec: Mapping[str, Any] = {}
    load_balancer: Mapping[str, Any] = {}
    conditions: tuple[Condition, ...] = ()

    @property
    def ref(self) -> ObjectRef:
        """Which object this is."""
        return ObjectRef(self.kind, self.metadata.namespace, self.metadata.name)

    @property
    def ending(self) -> bool:
        """Whether it is being deleted."""
        return self.metadata.deletion_timestamp is not None


class _Metadata(ObjectMeta, frozen=True, kw_only=True):
    managed_fields: tuple[ManagedFields, ...] = ()


class _Status(KubeStruct, frozen=True):
    load_balancer: Mapping[str, Any] = {}
    conditions: tuple[Condition, ...] = ()


class _Document(KubeStruct, frozen=True):
    metadata: _Metadata
    spec: Mapping[str, Any] = {}
    status: _Status = _Status()


_DOCUMENT = msgspec.json.Decoder(_Document)


def reader(kind: str) -> Callable[[bytes | Raw], Copy]:
    """Return what reads the API server's JSON of a kind; it raises msgspec.DecodeError."""

    def read(document: bytes | Raw) -> Copy:
        found = _DOCUMENT.decode(document)
        metadata = {name: getattr(found.metadata, name) for name in ObjectMeta.__struct_fields__}
        fields = applied_by(found.metadata.managed_fields, MANAGER) or {}
        return Copy(
            kind=kind,
            metadata=ObjectMeta(**metadata),
            annotations=keys(fields, "f:metadata", "f:annotations"),
            labels=keys(fields, "f:metadata", "f:labels"),
            spec=found.spec,
            load_balancer=found.status.load_balancer,
            conditions=found.status.conditions,
        )

    return read
