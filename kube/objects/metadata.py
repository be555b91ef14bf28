"""The parts that objects of every kind share: metadata, references by name, conditions. Knows none of the kinds."""

from collections.abc import Mapping
from typing import Annotated, Literal, TypeAlias

from msgspec import Meta

from kube.objects.structs import KubeStruct

_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"

# The lengths and patterns are Kubernetes' own (k8s.io/apimachinery/pkg/util/validation). \Z, not $, which lets a newline pass.
DnsLabel: TypeAlias = Annotated[
    str,
    Meta(
        max_length=63,
        pattern=rf"^{_LABEL}\Z",
        description="a DNS label: at most 63 lower case letters, digits and inner hyphens",
    ),
]
DnsSubdomain: TypeAlias = Annotated[
    str,
    Meta(
        max_length=253,
        pattern=rf"^{_LABEL}(\.{_LABEL})*\Z",
        description="a DNS name: at most 253 lower case letters, digits, inner hyphens and inner dots",
    ),
]
PortName: TypeAlias = Annotated[
    str,
    Meta(
        max_length=63,
        pattern=rf"^({_LABEL})?\Z",
        description="empty or a DNS label: at most 63 lower case letters, digits and inner hyphens",
    ),
]
PortNumber: TypeAlias = Annotated[int, Meta(ge=1, le=65535)]
Protocol: TypeAlias = Literal["TCP", "UDP"]


class ObjectMeta(KubeStruct, frozen=True, kw_only=True):
    """The part of an object's metadata that is used; `namespace` is `default` when a manifest has none, as for kubectl."""

    OPEN = True

    name: DnsSubdomain
    namespace: DnsLabel = "default"
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    labels: Mapping[str, str] = {}
    annotations: Mapping[str, str] = {}
    deletion_timestamp: str | None = None
    finalizers: tuple[str, ...] = ()

    def __hash__(self) -> int:
        # The identity: mappings have no hash, and objects that are equal share these.
        return hash((self.namespace, self.name, self.uid, self.resource_version))


class ObjectReference(KubeStruct, frozen=True, kw_only=True):
    """An object of the same namespace, by name. A name that none can have is as good as one that none has."""

    name: Annotated[str, Meta(min_length=1)]


class Condition(KubeStruct, frozen=True, kw_only=True):
    """A condition as Kubernetes' metav1 has it.

    `last_transition_time` is RFC 3339 text, empty until the condition is written: who finds out a condition has no clock.
    """

    OPEN = True

    type: str
    status: Literal["True", "False", "Unknown"]
    reason: str
    message: str
    observed_generation: int = 0
    last_transition_time: str = ""
