"""Service: what is needed of one that leads to Envoy. Core's own kind, read from the API server only, never from manifests.

Who set a field stands in `metadata.managedFields`. Of that no more is kept than what this program applied: what it wants no
longer can be told from what others added. Does not know what a Service is to be.
"""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Final

import msgspec
from msgspec import Raw

from kube.objects.faults import ObjectRef
from kube.objects.loadbalancer import StatusPort
from kube.objects.metadata import ObjectMeta
from kube.objects.structs import KubeStruct

FIELD_MANAGER: Final = "kubelb-xds"
"""The name under which this program applies (server-side apply)."""


class Owner(KubeStruct, frozen=True, kw_only=True):
    """An owner reference."""

    api_version: str = ""
    kind: str = ""
    name: str = ""
    uid: str = ""
    controller: bool = False
    block_owner_deletion: bool = False


class Applied(msgspec.Struct, frozen=True):
    """What this program has applied and owns: keys of annotations and labels, ports by number and protocol."""

    annotations: frozenset[str] = frozenset()
    labels: frozenset[str] = frozenset()
    ports: frozenset[tuple[int, str]] = frozenset()


class Service(msgspec.Struct, frozen=True, kw_only=True):
    """The object of kind Service. `applied` is None where this program has applied nothing, `load_balancer` is core's as it is."""

    KIND: ClassVar[str] = "Service"

    metadata: ObjectMeta
    owners: tuple[Owner, ...] = ()
    applied: Applied | None = None
    type: str = ""
    selector: Mapping[str, str] = {}
    ports: tuple[StatusPort, ...] = ()
    external_traffic_policy: str = ""
    load_balancer: Mapping[str, Any] = {}

    @property
    def ref(self) -> ObjectRef:
        """Which object this is."""
        return ObjectRef(self.KIND, self.metadata.namespace, self.metadata.name)

    @property
    def controller(self) -> Owner | None:
        """The owner that manages it."""
        return next((owner for owner in self.owners if owner.controller), None)


class _ManagedFields(KubeStruct, frozen=True):
    manager: str = ""
    operation: str = ""
    subresource: str = ""
    fields: Raw = msgspec.field(name="fieldsV1", default=Raw(b"{}"))


class _Metadata(ObjectMeta, frozen=True, kw_only=True):
    owner_references: tuple[Owner, ...] = ()
    managed_fields: tuple[_ManagedFields, ...] = ()


class _Spec(KubeStruct, frozen=True):
    type: str = ""
    selector: Mapping[str, str] = {}
    ports: tuple[StatusPort, ...] = ()
    external_traffic_policy: str = ""


class _Status(KubeStruct, frozen=True):
    load_balancer: Mapping[str, Any] = {}


class _Document(KubeStruct, frozen=True):
    metadata: _Metadata
    spec: _Spec = _Spec()
    status: _Status = _Status()


class _Port(KubeStruct, frozen=True):
    port: int
    protocol: str = "TCP"


_SERVICE: Final = msgspec.json.Decoder(_Document)
_PORT: Final = msgspec.json.Decoder(_Port)


def read_service(document: bytes | Raw) -> Service:
    """Return the Service that the API server's JSON describes; raise msgspec.DecodeError."""
    found = _SERVICE.decode(document)
    return Service(
        metadata=ObjectMeta(**{name: getattr(found.metadata, name) for name in ObjectMeta.__struct_fields__}),
        owners=found.metadata.owner_references,
        applied=_applied(found.metadata.managed_fields),
        type=found.spec.type,
        selector=found.spec.selector,
        ports=found.spec.ports,
        external_traffic_policy=found.spec.external_traffic_policy,
        load_balancer=found.status.load_balancer,
    )


def _applied(entries: tuple[_ManagedFields, ...]) -> Applied | None:
    for entry in entries:
        if entry.manager == FIELD_MANAGER and entry.operation == "Apply" and not entry.subresource:
            fields = msgspec.json.decode(entry.fields)
            return Applied(
                frozenset(
                    key[2:] for key in _below(fields, "f:metadata", "f:annotations") if key[:2] == "f:"
                ),
                frozenset(key[2:] for key in _below(fields, "f:metadata", "f:labels") if key[:2] == "f:"),
                frozenset(_ports(fields)),
            )
    return None


def _ports(fields: Any) -> Iterator[tuple[int, str]]:
    for key in _below(fields, "f:spec", "f:ports"):
        if key.startswith("k:"):
            port = _PORT.decode(key[2:])
            yield port.port, port.protocol


def _below(fields: Any, *path: str) -> Mapping[str, Any]:
    """Return what stands at a path of a field set (sigs.k8s.io/structured-merge-diff: `f:` a field, `k:` an item by its keys)."""
    for key in path:
        fields = fields.get(key, {}) if isinstance(fields, dict) else {}
    return fields if isinstance(fields, dict) else {}
