"""Service: what is needed of one that leads to Envoy, and of a tenant's own. Core's kind, read from the API server only.

Of `metadata.managedFields` no more is kept than what this program applied (`managed`). Does not know what a Service is to be.
"""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Final

import msgspec
from msgspec import Raw

from kube.objects.faults import ObjectRef
from kube.objects.loadbalancer import StatusPort
from kube.objects.managed import ManagedFields, applied_by, below, keys
from kube.objects.metadata import Condition, ObjectMeta
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
    load_balancer_class: str = ""
    session_affinity: str = ""
    load_balancer: Mapping[str, Any] = {}
    conditions: tuple[Condition, ...] = ()

    @property
    def ref(self) -> ObjectRef:
        """Which object this is."""
        return ObjectRef(self.KIND, self.metadata.namespace, self.metadata.name)

    @property
    def controller(self) -> Owner | None:
        """The owner that manages it."""
        return next((owner for owner in self.owners if owner.controller), None)


class _Metadata(ObjectMeta, frozen=True, kw_only=True):
    owner_references: tuple[Owner, ...] = ()
    managed_fields: tuple[ManagedFields, ...] = ()


class _Spec(KubeStruct, frozen=True):
    type: str = ""
    selector: Mapping[str, str] = {}
    ports: tuple[StatusPort, ...] = ()
    external_traffic_policy: str = ""
    load_balancer_class: str = ""
    session_affinity: str = ""


class _Status(KubeStruct, frozen=True):
    load_balancer: Mapping[str, Any] = {}
    conditions: tuple[Condition, ...] = ()


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
        load_balancer_class=found.spec.load_balancer_class,
        session_affinity=found.spec.session_affinity,
        load_balancer=found.status.load_balancer,
        conditions=found.status.conditions,
    )


def _applied(entries: tuple[ManagedFields, ...]) -> Applied | None:
    fields = applied_by(entries, FIELD_MANAGER)
    if fields is None:
        return None
    return Applied(
        keys(fields, "f:metadata", "f:annotations"),
        keys(fields, "f:metadata", "f:labels"),
        frozenset(_ports(fields)),
    )


def _ports(fields: Mapping[str, Any]) -> Iterator[tuple[int, str]]:
    for key in below(fields, "f:spec", "f:ports"):
        if key.startswith("k:"):
            port = _PORT.decode(key[2:])
            yield port.port, port.protocol
