"""What the Service for Envoy of one LoadBalancer is to be, how one that stands differs, and what to do about it. Pure.

Does not know how a Service is read or written (`exposure`), nor which listener ports there are: these are given.
"""

from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from hashlib import sha256
from typing import Any, Final, NamedTuple

import msgspec

from kube.coordination.finalizer import FINALIZER
from kube.objects import API_VERSION, LoadBalancer, ObjectMeta, StatusPort
from kube.objects.reasons import Reason
from kube.objects.service import FIELD_MANAGER, Applied, Owner, Service

MANAGED_BY: Final = "kubelb.k8c.io/managed-by"
TENANT: Final = "kubelb.k8c.io/tenant"
ORIGINS: Final = ("kubelb.k8c.io/origin-name", "kubelb.k8c.io/origin-ns")
"""Labels of a LoadBalancer that its Service has as well."""

LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"
"""The annotation in which kubectl keeps the whole LoadBalancer."""

NAME_TAKEN: Final = "ServiceNameTaken"
"""Reason of condition Accepted: a Service of that name exists and is somebody else's."""

SERVICE_REFUSED: Final = "ServiceRefused"
"""Reason of condition Accepted: the API server does not take the Service."""

_PREFIX: Final = "envoy-"
_LONGEST_NAME: Final = 63
"""Characters of a Service's name, a DNS label."""
_DIGITS: Final = 10
"""Hexadecimal digits of the hash: two of 10,000 long names of one tenant share it with a chance of 1 in 20,000."""


class ServiceRefusal(NamedTuple):
    """Why there is no Service as it is to be: `message` names the remedy, `path` the field that it is about."""

    reason: Reason
    message: str
    path: str


class AssignedPort(NamedTuple):
    """What the cluster added to a port of the Service; 0 and empty where it added nothing."""

    node_port: int = 0
    app_protocol: str = ""


class Exposed(NamedTuple):
    """What a LoadBalancer's status is to say of its Service: all empty while there is none.

    `load_balancer` is the Service's own status, `ports` what belongs to a port, by its number and protocol.
    """

    load_balancer: Mapping[str, Any] = {}
    ports: Mapping[tuple[int, str], AssignedPort] = {}
    refusal: ServiceRefusal | None = None

    def complete(self, ports: Sequence[StatusPort]) -> tuple[StatusPort, ...]:
        """Return a status' ports with what the Service has added to them, and without what it has not."""
        return tuple(
            msgspec.structs.replace(
                port, **self.ports.get((port.port, port.protocol), AssignedPort())._asdict()
            )
            for port in ports
        )


class Wanted(NamedTuple):
    """A Service as it is to be."""

    namespace: str
    name: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    owner: Owner
    selector: Mapping[str, str]
    external_traffic_policy: str
    ports: tuple[StatusPort, ...]

    def document(self, uid: str = "") -> dict[str, Any]:
        """Return what to apply. With a `uid` it is refused (409) unless that very Service still stands."""
        metadata = {
            "name": self.name,
            "namespace": self.namespace,
            "labels": self.labels,
            "annotations": self.annotations,
            "ownerReferences": [self.owner],
        }
        return {
            "apiVersion": "v1",
            "kind": Service.KIND,
            "metadata": {**metadata, "uid": uid} if uid else metadata,
            "spec": {
                "type": "LoadBalancer",
                "externalTrafficPolicy": self.external_traffic_policy,
                "selector": self.selector,
                "ports": [_port(port) for port in self.ports],
            },
        }


class Step(Enum):
    """What is to be done next for a LoadBalancer."""

    NOTHING = "nothing"
    WAIT = "wait for what others do"
    GUARD = "add the finalizer"
    APPLY = "apply the Service"
    DELETE = "delete the Service"
    RELEASE = "remove the finalizer"
    REFUSE = "say that the name is taken"


def service_name(loadbalancer: str) -> str:
    """Return what the Service of a LoadBalancer is called; unlike that one's name it has no dots, and at most 63 characters."""
    name = f"{_PREFIX}{loadbalancer}"
    if len(name) <= _LONGEST_NAME and "." not in name:
        return name
    digest = sha256(loadbalancer.encode()).hexdigest()[:_DIGITS]
    return f"{name[: _LONGEST_NAME - _DIGITS - 1].replace('.', '-').rstrip('-')}-{digest}"


def envoy_pods(namespace: str) -> Mapping[str, str]:
    """Return the labels of a tenant's Envoy pods."""
    return {"app.kubernetes.io/name": "kubelb-envoy", TENANT: namespace}


def wanted_service(
    lb: LoadBalancer,
    ports: Sequence[StatusPort],
    *,
    selector: Callable[[str], Mapping[str, str]] = envoy_pods,
) -> Wanted:
    """Return the Service that a LoadBalancer asks for, given its ports with their listeners'."""
    namespace = lb.metadata.namespace
    origins = {key: lb.metadata.labels[key] for key in ORIGINS if key in lb.metadata.labels}
    return Wanted(
        namespace=namespace,
        name=service_name(lb.metadata.name),
        labels={MANAGED_BY: FIELD_MANAGER, TENANT: namespace, **origins},
        annotations={key: value for key, value in lb.metadata.annotations.items() if key != LAST_APPLIED},
        owner=Owner(
            api_version=API_VERSION,
            kind=LoadBalancer.KIND,
            name=lb.metadata.name,
            uid=lb.metadata.uid,
            controller=True,
            block_owner_deletion=True,
        ),
        selector=selector(namespace),
        external_traffic_policy=lb.spec.external_traffic_policy or "Cluster",
        ports=_named(ports),
    )


def is_exposed(lb: LoadBalancer) -> bool:
    """Return whether a LoadBalancer asks for a Service: one without ports is nothing that a Service can be."""
    return lb.spec.type == "LoadBalancer" and bool(lb.spec.ports) and lb.metadata.deletion_timestamp is None


def is_its_own(lb: ObjectMeta, service: Service) -> bool:
    """Return whether a Service is that of the LoadBalancer with this metadata, and not one that happens to have the name.

    It is when the LoadBalancer is its controller. Without a controller, or with an earlier LoadBalancer of the same name (one that
    was restored has another uid), it is when this program's label says so.
    """
    controller = service.controller
    if controller is not None and controller.uid == lb.uid:
        return True
    namesake = controller is None or (controller.kind, controller.name) == (LoadBalancer.KIND, lb.name)
    return namesake and service.metadata.labels.get(MANAGED_BY) == FIELD_MANAGER


def next_step(lb: LoadBalancer, wanted: Wanted, service: Service | None, *, enabled: bool = True) -> Step:
    """Return what is to be done, `service` being what has the name. Not `enabled`: Services are left alone, only finalizers go."""
    own = enabled and service is not None and is_its_own(lb.metadata, service)
    ending = service is not None and service.metadata.deletion_timestamp is not None
    guarded = FINALIZER in lb.metadata.finalizers
    if not enabled or not is_exposed(lb):
        if own:
            return Step.WAIT if ending else Step.DELETE
        return Step.RELEASE if guarded and lb.metadata.deletion_timestamp is not None else Step.NOTHING
    if service is not None and not own:
        return Step.REFUSE
    if ending or not wanted.ports:
        return Step.WAIT
    done = guarded and service is not None and not differences(wanted, service)
    return Step.NOTHING if done else Step.APPLY if guarded else Step.GUARD


def differences(wanted: Wanted, service: Service) -> tuple[str, ...]:
    """Return the fields in which a Service is not as it is to be. What others added to labels and annotations is none."""
    applied = service.applied or Applied()
    found = {
        "metadata.managedFields": service.applied is None,
        "metadata.labels": _differs(wanted.labels, service.metadata.labels, applied.labels),
        "metadata.annotations": _differs(
            wanted.annotations, service.metadata.annotations, applied.annotations
        ),
        "metadata.ownerReferences": wanted.owner not in service.owners,
        "spec.type": service.type != "LoadBalancer",
        "spec.externalTrafficPolicy": service.external_traffic_policy != wanted.external_traffic_policy,
        "spec.selector": service.selector != wanted.selector,
        "spec.ports": {_key(port): _port(port) for port in wanted.ports}
        != {_key(port): _port(port) for port in service.ports},
    }
    return tuple(field for field, differs in found.items() if differs)


def has_foreign_ports(wanted: Wanted, service: Service) -> bool:
    """Return whether a Service has ports that others added: to apply what is wanted would leave them there."""
    applied = (service.applied or Applied()).ports
    wanted_keys = {_key(port) for port in wanted.ports}
    return not wanted_keys | applied >= {_key(port) for port in service.ports}


def replaced_ports(wanted: Wanted, service: Service) -> dict[str, Any]:
    """Return the merge patch that leaves a Service no other ports than those wanted, if it is still in this version.

    What the cluster added to a port (`nodePort`) stays.
    """
    standing = {_key(port): port for port in service.ports}
    ports = []
    for port in wanted.ports:
        old = standing.get(_key(port), StatusPort())
        added = {"nodePort": old.node_port, "appProtocol": old.app_protocol}
        ports.append(_port(port) | {key: value for key, value in added.items() if value})
    return {"metadata": {"resourceVersion": service.metadata.resource_version}, "spec": {"ports": ports}}


def exposed_by(lb: LoadBalancer, service: Service | None) -> Exposed:
    """Return what a LoadBalancer's status is to say of what has its Service's name."""
    if service is None or not is_exposed(lb) or service.metadata.deletion_timestamp is not None:
        return Exposed()
    if not is_its_own(lb.metadata, service):
        return Exposed(refusal=name_taken(lb, service))
    ports = {_key(port): AssignedPort(port.node_port, port.app_protocol) for port in service.ports}
    return Exposed(service.load_balancer, ports)


def name_taken(lb: LoadBalancer, service: Service) -> ServiceRefusal:
    """Return what to say when a Service of somebody else has the name."""
    controller = service.controller
    owner = f"{controller.kind} {controller.name}'s" if controller else "not kubelb-xds's"
    return ServiceRefusal(
        NAME_TAKEN,
        f"metadata.name {lb.metadata.name!r} asks for Service {service.metadata.name}, which exists in namespace "
        f"{service.metadata.namespace} and is {owner}; delete that one, or rename this LoadBalancer",
        "metadata.name",
    )


def service_refused(wanted: Wanted, text: str) -> ServiceRefusal:
    """Return what to say when the API server does not take a Service; `text` is its word."""
    return ServiceRefusal(
        SERVICE_REFUSED,
        f"the API server does not take Service {wanted.name}, which has this LoadBalancer's ports and annotations: {text}",
        "spec.type",
    )


def _differs(wanted: Mapping[str, str], standing: Mapping[str, str], applied: frozenset[str]) -> bool:
    """Return whether something that is wanted is not there, or something is there that only this program ever wanted."""
    return not wanted.items() <= standing.items() or not (applied & standing.keys()) <= wanted.keys()


def _named(ports: Sequence[StatusPort]) -> tuple[StatusPort, ...]:
    """Give each of several ports a name, as Services must have it: `<port>-<protocol>`, as KubeLB's cloud controller does."""
    if len(ports) < 2:  # noqa: PLR2004 — several
        return tuple(ports)
    taken = {port.name for port in ports}
    named = []
    for port in ports:
        name = base = port.name or f"{port.port}-{port.protocol.lower()}"
        number = 1
        while not port.name and name in taken:
            number += 1
            name = f"{base}-{number}"
        taken.add(name)
        named.append(msgspec.structs.replace(port, name=name))
    return tuple(named)


def _key(port: StatusPort) -> tuple[int, str]:
    return port.port, port.protocol


def _port(port: StatusPort) -> dict[str, Any]:
    """Return what of a port is this program's to say."""
    named = {"name": port.name} if port.name else {}
    return {**named, "port": port.port, "protocol": port.protocol, "targetPort": port.target_port}
