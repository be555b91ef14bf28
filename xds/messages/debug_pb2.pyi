import datetime

from google.protobuf import any_pb2 as _any_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Status(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    STATUS_UNSPECIFIED: _ClassVar[Status]
    STATUS_SYNCED: _ClassVar[Status]
    STATUS_NOT_SENT: _ClassVar[Status]
    STATUS_STALE: _ClassVar[Status]
    STATUS_NACK: _ClassVar[Status]
STATUS_UNSPECIFIED: Status
STATUS_SYNCED: Status
STATUS_NOT_SENT: Status
STATUS_STALE: Status
STATUS_NACK: Status

class ListTenantsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Tenant(_message.Message):
    __slots__ = ("name", "types", "envoys")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TYPES_FIELD_NUMBER: _ClassVar[int]
    ENVOYS_FIELD_NUMBER: _ClassVar[int]
    name: str
    types: _containers.RepeatedCompositeFieldContainer[ServedType]
    envoys: int
    def __init__(self, name: _Optional[str] = ..., types: _Optional[_Iterable[_Union[ServedType, _Mapping]]] = ..., envoys: _Optional[int] = ...) -> None: ...

class ServedType(_message.Message):
    __slots__ = ("type_url", "version", "resources")
    TYPE_URL_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    RESOURCES_FIELD_NUMBER: _ClassVar[int]
    type_url: str
    version: str
    resources: int
    def __init__(self, type_url: _Optional[str] = ..., version: _Optional[str] = ..., resources: _Optional[int] = ...) -> None: ...

class ListEnvoysRequest(_message.Message):
    __slots__ = ("tenant", "node")
    TENANT_FIELD_NUMBER: _ClassVar[int]
    NODE_FIELD_NUMBER: _ClassVar[int]
    tenant: str
    node: str
    def __init__(self, tenant: _Optional[str] = ..., node: _Optional[str] = ...) -> None: ...

class Envoy(_message.Message):
    __slots__ = ("tenant", "node", "peer", "build", "delta", "aggregated", "streams", "connected_at", "types")
    TENANT_FIELD_NUMBER: _ClassVar[int]
    NODE_FIELD_NUMBER: _ClassVar[int]
    PEER_FIELD_NUMBER: _ClassVar[int]
    BUILD_FIELD_NUMBER: _ClassVar[int]
    DELTA_FIELD_NUMBER: _ClassVar[int]
    AGGREGATED_FIELD_NUMBER: _ClassVar[int]
    STREAMS_FIELD_NUMBER: _ClassVar[int]
    CONNECTED_AT_FIELD_NUMBER: _ClassVar[int]
    TYPES_FIELD_NUMBER: _ClassVar[int]
    tenant: str
    node: str
    peer: str
    build: str
    delta: bool
    aggregated: bool
    streams: int
    connected_at: _timestamp_pb2.Timestamp
    types: _containers.RepeatedCompositeFieldContainer[TypeStatus]
    def __init__(self, tenant: _Optional[str] = ..., node: _Optional[str] = ..., peer: _Optional[str] = ..., build: _Optional[str] = ..., delta: _Optional[bool] = ..., aggregated: _Optional[bool] = ..., streams: _Optional[int] = ..., connected_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., types: _Optional[_Iterable[_Union[TypeStatus, _Mapping]]] = ...) -> None: ...

class TypeStatus(_message.Message):
    __slots__ = ("type_url", "status", "resources", "synced", "served_version", "acked_version", "acked_at", "waiting_since", "open", "open_total")
    TYPE_URL_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    RESOURCES_FIELD_NUMBER: _ClassVar[int]
    SYNCED_FIELD_NUMBER: _ClassVar[int]
    SERVED_VERSION_FIELD_NUMBER: _ClassVar[int]
    ACKED_VERSION_FIELD_NUMBER: _ClassVar[int]
    ACKED_AT_FIELD_NUMBER: _ClassVar[int]
    WAITING_SINCE_FIELD_NUMBER: _ClassVar[int]
    OPEN_FIELD_NUMBER: _ClassVar[int]
    OPEN_TOTAL_FIELD_NUMBER: _ClassVar[int]
    type_url: str
    status: Status
    resources: int
    synced: int
    served_version: str
    acked_version: str
    acked_at: _timestamp_pb2.Timestamp
    waiting_since: _timestamp_pb2.Timestamp
    open: _containers.RepeatedCompositeFieldContainer[ResourceStatus]
    open_total: int
    def __init__(self, type_url: _Optional[str] = ..., status: _Optional[_Union[Status, str]] = ..., resources: _Optional[int] = ..., synced: _Optional[int] = ..., served_version: _Optional[str] = ..., acked_version: _Optional[str] = ..., acked_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., waiting_since: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., open: _Optional[_Iterable[_Union[ResourceStatus, _Mapping]]] = ..., open_total: _Optional[int] = ...) -> None: ...

class ResourceStatus(_message.Message):
    __slots__ = ("name", "status", "served_version", "acked_version", "acked_at", "refusal")
    NAME_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    SERVED_VERSION_FIELD_NUMBER: _ClassVar[int]
    ACKED_VERSION_FIELD_NUMBER: _ClassVar[int]
    ACKED_AT_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    name: str
    status: Status
    served_version: str
    acked_version: str
    acked_at: _timestamp_pb2.Timestamp
    refusal: Refusal
    def __init__(self, name: _Optional[str] = ..., status: _Optional[_Union[Status, str]] = ..., served_version: _Optional[str] = ..., acked_version: _Optional[str] = ..., acked_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., refusal: _Optional[_Union[Refusal, _Mapping]] = ...) -> None: ...

class Refusal(_message.Message):
    __slots__ = ("text", "version", "at")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    text: str
    version: str
    at: _timestamp_pb2.Timestamp
    def __init__(self, text: _Optional[str] = ..., version: _Optional[str] = ..., at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class DumpSnapshotRequest(_message.Message):
    __slots__ = ("tenant", "types", "names")
    TENANT_FIELD_NUMBER: _ClassVar[int]
    TYPES_FIELD_NUMBER: _ClassVar[int]
    NAMES_FIELD_NUMBER: _ClassVar[int]
    tenant: str
    types: _containers.RepeatedScalarFieldContainer[str]
    names: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, tenant: _Optional[str] = ..., types: _Optional[_Iterable[str]] = ..., names: _Optional[_Iterable[str]] = ...) -> None: ...

class ServedResource(_message.Message):
    __slots__ = ("type_url", "name", "version", "resource", "redacted")
    TYPE_URL_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    RESOURCE_FIELD_NUMBER: _ClassVar[int]
    REDACTED_FIELD_NUMBER: _ClassVar[int]
    type_url: str
    name: str
    version: str
    resource: _any_pb2.Any
    redacted: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, type_url: _Optional[str] = ..., name: _Optional[str] = ..., version: _Optional[str] = ..., resource: _Optional[_Union[_any_pb2.Any, _Mapping]] = ..., redacted: _Optional[_Iterable[str]] = ...) -> None: ...

class WatchRequest(_message.Message):
    __slots__ = ("tenant", "node", "types")
    TENANT_FIELD_NUMBER: _ClassVar[int]
    NODE_FIELD_NUMBER: _ClassVar[int]
    TYPES_FIELD_NUMBER: _ClassVar[int]
    tenant: str
    node: str
    types: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, tenant: _Optional[str] = ..., node: _Optional[str] = ..., types: _Optional[_Iterable[str]] = ...) -> None: ...

class Event(_message.Message):
    __slots__ = ("at", "tenant", "node", "peer", "stream", "type_url", "opened", "push", "ack", "nack", "closed", "missed")
    class Opened(_message.Message):
        __slots__ = ("delta", "known")
        DELTA_FIELD_NUMBER: _ClassVar[int]
        KNOWN_FIELD_NUMBER: _ClassVar[int]
        delta: bool
        known: bool
        def __init__(self, delta: _Optional[bool] = ..., known: _Optional[bool] = ...) -> None: ...
    class Push(_message.Message):
        __slots__ = ("version", "nonce", "resources", "changed", "removed", "seconds")
        VERSION_FIELD_NUMBER: _ClassVar[int]
        NONCE_FIELD_NUMBER: _ClassVar[int]
        RESOURCES_FIELD_NUMBER: _ClassVar[int]
        CHANGED_FIELD_NUMBER: _ClassVar[int]
        REMOVED_FIELD_NUMBER: _ClassVar[int]
        SECONDS_FIELD_NUMBER: _ClassVar[int]
        version: str
        nonce: str
        resources: int
        changed: _containers.RepeatedScalarFieldContainer[str]
        removed: _containers.RepeatedScalarFieldContainer[str]
        seconds: float
        def __init__(self, version: _Optional[str] = ..., nonce: _Optional[str] = ..., resources: _Optional[int] = ..., changed: _Optional[_Iterable[str]] = ..., removed: _Optional[_Iterable[str]] = ..., seconds: _Optional[float] = ...) -> None: ...
    class Ack(_message.Message):
        __slots__ = ("version", "nonce", "seconds")
        VERSION_FIELD_NUMBER: _ClassVar[int]
        NONCE_FIELD_NUMBER: _ClassVar[int]
        SECONDS_FIELD_NUMBER: _ClassVar[int]
        version: str
        nonce: str
        seconds: float
        def __init__(self, version: _Optional[str] = ..., nonce: _Optional[str] = ..., seconds: _Optional[float] = ...) -> None: ...
    class Nack(_message.Message):
        __slots__ = ("version", "nonce", "seconds", "text", "held")
        VERSION_FIELD_NUMBER: _ClassVar[int]
        NONCE_FIELD_NUMBER: _ClassVar[int]
        SECONDS_FIELD_NUMBER: _ClassVar[int]
        TEXT_FIELD_NUMBER: _ClassVar[int]
        HELD_FIELD_NUMBER: _ClassVar[int]
        version: str
        nonce: str
        seconds: float
        text: str
        held: _containers.RepeatedScalarFieldContainer[str]
        def __init__(self, version: _Optional[str] = ..., nonce: _Optional[str] = ..., seconds: _Optional[float] = ..., text: _Optional[str] = ..., held: _Optional[_Iterable[str]] = ...) -> None: ...
    class Closed(_message.Message):
        __slots__ = ("status", "reason")
        STATUS_FIELD_NUMBER: _ClassVar[int]
        REASON_FIELD_NUMBER: _ClassVar[int]
        status: str
        reason: str
        def __init__(self, status: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...
    class Missed(_message.Message):
        __slots__ = ("events",)
        EVENTS_FIELD_NUMBER: _ClassVar[int]
        events: int
        def __init__(self, events: _Optional[int] = ...) -> None: ...
    AT_FIELD_NUMBER: _ClassVar[int]
    TENANT_FIELD_NUMBER: _ClassVar[int]
    NODE_FIELD_NUMBER: _ClassVar[int]
    PEER_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    TYPE_URL_FIELD_NUMBER: _ClassVar[int]
    OPENED_FIELD_NUMBER: _ClassVar[int]
    PUSH_FIELD_NUMBER: _ClassVar[int]
    ACK_FIELD_NUMBER: _ClassVar[int]
    NACK_FIELD_NUMBER: _ClassVar[int]
    CLOSED_FIELD_NUMBER: _ClassVar[int]
    MISSED_FIELD_NUMBER: _ClassVar[int]
    at: _timestamp_pb2.Timestamp
    tenant: str
    node: str
    peer: str
    stream: int
    type_url: str
    opened: Event.Opened
    push: Event.Push
    ack: Event.Ack
    nack: Event.Nack
    closed: Event.Closed
    missed: Event.Missed
    def __init__(self, at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., tenant: _Optional[str] = ..., node: _Optional[str] = ..., peer: _Optional[str] = ..., stream: _Optional[int] = ..., type_url: _Optional[str] = ..., opened: _Optional[_Union[Event.Opened, _Mapping]] = ..., push: _Optional[_Union[Event.Push, _Mapping]] = ..., ack: _Optional[_Union[Event.Ack, _Mapping]] = ..., nack: _Optional[_Union[Event.Nack, _Mapping]] = ..., closed: _Optional[_Union[Event.Closed, _Mapping]] = ..., missed: _Optional[_Union[Event.Missed, _Mapping]] = ...) -> None: ...

class ExplainRequest(_message.Message):
    __slots__ = ("namespace", "name")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    name: str
    def __init__(self, namespace: _Optional[str] = ..., name: _Optional[str] = ...) -> None: ...

class Explanation(_message.Message):
    __slots__ = ("namespace", "name", "generation", "tls", "endpoints", "ports", "conditions", "findings", "envoys", "invalid")
    class Tls(_message.Message):
        __slots__ = ("policy", "ca_secret", "ca_secret_found", "certificates", "revocation_lists")
        POLICY_FIELD_NUMBER: _ClassVar[int]
        CA_SECRET_FIELD_NUMBER: _ClassVar[int]
        CA_SECRET_FOUND_FIELD_NUMBER: _ClassVar[int]
        CERTIFICATES_FIELD_NUMBER: _ClassVar[int]
        REVOCATION_LISTS_FIELD_NUMBER: _ClassVar[int]
        policy: str
        ca_secret: str
        ca_secret_found: bool
        certificates: _containers.RepeatedCompositeFieldContainer[Explanation.Certificate]
        revocation_lists: _containers.RepeatedCompositeFieldContainer[Explanation.RevocationList]
        def __init__(self, policy: _Optional[str] = ..., ca_secret: _Optional[str] = ..., ca_secret_found: _Optional[bool] = ..., certificates: _Optional[_Iterable[_Union[Explanation.Certificate, _Mapping]]] = ..., revocation_lists: _Optional[_Iterable[_Union[Explanation.RevocationList, _Mapping]]] = ...) -> None: ...
    class Certificate(_message.Message):
        __slots__ = ("subject", "issuer", "not_before", "not_after", "sha256")
        SUBJECT_FIELD_NUMBER: _ClassVar[int]
        ISSUER_FIELD_NUMBER: _ClassVar[int]
        NOT_BEFORE_FIELD_NUMBER: _ClassVar[int]
        NOT_AFTER_FIELD_NUMBER: _ClassVar[int]
        SHA256_FIELD_NUMBER: _ClassVar[int]
        subject: str
        issuer: str
        not_before: _timestamp_pb2.Timestamp
        not_after: _timestamp_pb2.Timestamp
        sha256: str
        def __init__(self, subject: _Optional[str] = ..., issuer: _Optional[str] = ..., not_before: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., not_after: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., sha256: _Optional[str] = ...) -> None: ...
    class RevocationList(_message.Message):
        __slots__ = ("issuer", "next_update", "revoked")
        ISSUER_FIELD_NUMBER: _ClassVar[int]
        NEXT_UPDATE_FIELD_NUMBER: _ClassVar[int]
        REVOKED_FIELD_NUMBER: _ClassVar[int]
        issuer: str
        next_update: _timestamp_pb2.Timestamp
        revoked: int
        def __init__(self, issuer: _Optional[str] = ..., next_update: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., revoked: _Optional[int] = ...) -> None: ...
    class Endpoints(_message.Message):
        __slots__ = ("addresses_reference", "found", "addresses")
        ADDRESSES_REFERENCE_FIELD_NUMBER: _ClassVar[int]
        FOUND_FIELD_NUMBER: _ClassVar[int]
        ADDRESSES_FIELD_NUMBER: _ClassVar[int]
        addresses_reference: str
        found: bool
        addresses: _containers.RepeatedScalarFieldContainer[str]
        def __init__(self, addresses_reference: _Optional[str] = ..., found: _Optional[bool] = ..., addresses: _Optional[_Iterable[str]] = ...) -> None: ...
    class Port(_message.Message):
        __slots__ = ("resource", "group", "protocol", "endpoint_port", "listener_port", "tls", "detail", "endpoints", "discovery", "served")
        RESOURCE_FIELD_NUMBER: _ClassVar[int]
        GROUP_FIELD_NUMBER: _ClassVar[int]
        PROTOCOL_FIELD_NUMBER: _ClassVar[int]
        ENDPOINT_PORT_FIELD_NUMBER: _ClassVar[int]
        LISTENER_PORT_FIELD_NUMBER: _ClassVar[int]
        TLS_FIELD_NUMBER: _ClassVar[int]
        DETAIL_FIELD_NUMBER: _ClassVar[int]
        ENDPOINTS_FIELD_NUMBER: _ClassVar[int]
        DISCOVERY_FIELD_NUMBER: _ClassVar[int]
        SERVED_FIELD_NUMBER: _ClassVar[int]
        resource: str
        group: int
        protocol: str
        endpoint_port: int
        listener_port: int
        tls: str
        detail: str
        endpoints: int
        discovery: str
        served: _containers.RepeatedCompositeFieldContainer[Explanation.ServedVersion]
        def __init__(self, resource: _Optional[str] = ..., group: _Optional[int] = ..., protocol: _Optional[str] = ..., endpoint_port: _Optional[int] = ..., listener_port: _Optional[int] = ..., tls: _Optional[str] = ..., detail: _Optional[str] = ..., endpoints: _Optional[int] = ..., discovery: _Optional[str] = ..., served: _Optional[_Iterable[_Union[Explanation.ServedVersion, _Mapping]]] = ...) -> None: ...
    class ServedVersion(_message.Message):
        __slots__ = ("type_url", "version")
        TYPE_URL_FIELD_NUMBER: _ClassVar[int]
        VERSION_FIELD_NUMBER: _ClassVar[int]
        type_url: str
        version: str
        def __init__(self, type_url: _Optional[str] = ..., version: _Optional[str] = ...) -> None: ...
    class Condition(_message.Message):
        __slots__ = ("type", "status", "reason", "message")
        TYPE_FIELD_NUMBER: _ClassVar[int]
        STATUS_FIELD_NUMBER: _ClassVar[int]
        REASON_FIELD_NUMBER: _ClassVar[int]
        MESSAGE_FIELD_NUMBER: _ClassVar[int]
        type: str
        status: str
        reason: str
        message: str
        def __init__(self, type: _Optional[str] = ..., status: _Optional[str] = ..., reason: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...
    class Finding(_message.Message):
        __slots__ = ("level", "condition", "reason", "message", "path")
        LEVEL_FIELD_NUMBER: _ClassVar[int]
        CONDITION_FIELD_NUMBER: _ClassVar[int]
        REASON_FIELD_NUMBER: _ClassVar[int]
        MESSAGE_FIELD_NUMBER: _ClassVar[int]
        PATH_FIELD_NUMBER: _ClassVar[int]
        level: str
        condition: str
        reason: str
        message: str
        path: str
        def __init__(self, level: _Optional[str] = ..., condition: _Optional[str] = ..., reason: _Optional[str] = ..., message: _Optional[str] = ..., path: _Optional[str] = ...) -> None: ...
    class EnvoyStanding(_message.Message):
        __slots__ = ("node", "peer", "connected_at", "status", "resources", "wants_listeners")
        NODE_FIELD_NUMBER: _ClassVar[int]
        PEER_FIELD_NUMBER: _ClassVar[int]
        CONNECTED_AT_FIELD_NUMBER: _ClassVar[int]
        STATUS_FIELD_NUMBER: _ClassVar[int]
        RESOURCES_FIELD_NUMBER: _ClassVar[int]
        WANTS_LISTENERS_FIELD_NUMBER: _ClassVar[int]
        node: str
        peer: str
        connected_at: _timestamp_pb2.Timestamp
        status: Status
        resources: _containers.RepeatedCompositeFieldContainer[Explanation.Resource]
        wants_listeners: bool
        def __init__(self, node: _Optional[str] = ..., peer: _Optional[str] = ..., connected_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., status: _Optional[_Union[Status, str]] = ..., resources: _Optional[_Iterable[_Union[Explanation.Resource, _Mapping]]] = ..., wants_listeners: _Optional[bool] = ...) -> None: ...
    class Resource(_message.Message):
        __slots__ = ("type_url", "status")
        TYPE_URL_FIELD_NUMBER: _ClassVar[int]
        STATUS_FIELD_NUMBER: _ClassVar[int]
        type_url: str
        status: ResourceStatus
        def __init__(self, type_url: _Optional[str] = ..., status: _Optional[_Union[ResourceStatus, _Mapping]] = ...) -> None: ...
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    TLS_FIELD_NUMBER: _ClassVar[int]
    ENDPOINTS_FIELD_NUMBER: _ClassVar[int]
    PORTS_FIELD_NUMBER: _ClassVar[int]
    CONDITIONS_FIELD_NUMBER: _ClassVar[int]
    FINDINGS_FIELD_NUMBER: _ClassVar[int]
    ENVOYS_FIELD_NUMBER: _ClassVar[int]
    INVALID_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    name: str
    generation: int
    tls: Explanation.Tls
    endpoints: _containers.RepeatedCompositeFieldContainer[Explanation.Endpoints]
    ports: _containers.RepeatedCompositeFieldContainer[Explanation.Port]
    conditions: _containers.RepeatedCompositeFieldContainer[Explanation.Condition]
    findings: _containers.RepeatedCompositeFieldContainer[Explanation.Finding]
    envoys: _containers.RepeatedCompositeFieldContainer[Explanation.EnvoyStanding]
    invalid: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, namespace: _Optional[str] = ..., name: _Optional[str] = ..., generation: _Optional[int] = ..., tls: _Optional[_Union[Explanation.Tls, _Mapping]] = ..., endpoints: _Optional[_Iterable[_Union[Explanation.Endpoints, _Mapping]]] = ..., ports: _Optional[_Iterable[_Union[Explanation.Port, _Mapping]]] = ..., conditions: _Optional[_Iterable[_Union[Explanation.Condition, _Mapping]]] = ..., findings: _Optional[_Iterable[_Union[Explanation.Finding, _Mapping]]] = ..., envoys: _Optional[_Iterable[_Union[Explanation.EnvoyStanding, _Mapping]]] = ..., invalid: _Optional[_Iterable[str]] = ...) -> None: ...
