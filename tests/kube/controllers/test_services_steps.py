"""What is to be done next for a LoadBalancer, by what there is."""

from typing import Any

import msgspec
import pytest

from kube.controllers.services import (
    MANAGED_BY,
    Exposed,
    Step,
    Wanted,
    differences,
    exposed_by,
    has_foreign_ports,
    is_its_own,
    next_step,
    wanted_service,
)
from kube.objects import LoadBalancer, ObjectMeta, StatusPort, decode
from kube.objects.service import Applied, Owner, Service, read_service
from tests.kube.controllers.exposing import FINALIZER, listeners, loadbalancer

MOMENT = "2026-11-23T18:00:00Z"


def lb(*finalizers: str, deleted: bool = False, kind: str = "LoadBalancer") -> LoadBalancer:
    """Return a LoadBalancer with the uid 1."""
    found = decode(loadbalancer("tenant-a", kind=kind))
    assert isinstance(found, LoadBalancer)
    metadata = msgspec.structs.replace(
        found.metadata, uid="1", finalizers=finalizers, deletion_timestamp=MOMENT if deleted else None
    )
    return msgspec.structs.replace(found, metadata=metadata)


def wanted(ports: tuple[StatusPort, ...] | None = None) -> Wanted:
    """Return what that LoadBalancer wants."""
    return wanted_service(lb(), listeners(lb()) if ports is None else ports)


def service(*, deleted: bool = False, **other: Any) -> Service:
    """Return the Service as it is to be, but for what is other."""
    it = wanted()
    made = Service(
        metadata=ObjectMeta(
            name=it.name,
            namespace="tenant-a",
            labels=it.labels,
            deletion_timestamp=MOMENT if deleted else None,
        ),
        owners=(it.owner,),
        applied=Applied(labels=frozenset(it.labels), ports=frozenset({(443, "TCP")})),
        type="LoadBalancer",
        selector=it.selector,
        ports=(msgspec.structs.replace(it.ports[0], node_port=30001),),
        external_traffic_policy="Cluster",
        load_balancer={"ingress": []},
    )
    return msgspec.structs.replace(made, **other)


FOREIGN = service(owners=(Owner(kind="Deployment", name="x", uid="2", controller=True),))
EDITED = service(selector={})
KUBELBS = service(
    metadata=ObjectMeta(
        name="envoy-web",
        namespace="tenant-a",
        labels={
            MANAGED_BY: "kubelb",
            "kubelb.k8c.io/lb-name": "web",
            "kubelb.k8c.io/lb-namespace": "tenant-a",
        },
    ),
    owners=(),
    applied=None,
)
"""As KubeLB's manager makes it."""


@pytest.mark.parametrize(
    ("of", "standing", "step"),
    [
        (lb(), None, Step.GUARD),
        (lb("other"), None, Step.GUARD),
        (lb(FINALIZER), None, Step.APPLY),
        (lb(FINALIZER), service(), Step.NOTHING),
        (lb(), service(), Step.GUARD),
        (lb(FINALIZER), EDITED, Step.APPLY),
        (lb(FINALIZER), service(deleted=True), Step.WAIT),
        (lb(FINALIZER), FOREIGN, Step.REFUSE),
        (lb(), FOREIGN, Step.REFUSE),
        (lb(FINALIZER, kind="ClusterIP"), None, Step.NOTHING),
        (lb(FINALIZER, kind="ClusterIP"), service(), Step.DELETE),
        (lb(FINALIZER, kind="ClusterIP"), service(deleted=True), Step.WAIT),
        (lb(FINALIZER, kind="ClusterIP"), FOREIGN, Step.NOTHING),
        (lb(kind="NodePort"), None, Step.NOTHING),
        (lb(FINALIZER), KUBELBS, Step.APPLY),
        (lb(kind="ClusterIP"), KUBELBS, Step.NOTHING),
        (lb(FINALIZER, kind="ClusterIP"), KUBELBS, Step.NOTHING),
        (lb(FINALIZER, deleted=True), KUBELBS, Step.DELETE),
        (lb(FINALIZER, deleted=True, kind="ClusterIP"), KUBELBS, Step.DELETE),
        (lb(FINALIZER, deleted=True), service(), Step.DELETE),
        (lb(FINALIZER, deleted=True), service(deleted=True), Step.WAIT),
        (lb(FINALIZER, deleted=True), None, Step.RELEASE),
        (lb(FINALIZER, deleted=True), FOREIGN, Step.RELEASE),
        (lb("other", deleted=True), None, Step.NOTHING),
        (lb("other", deleted=True), service(), Step.DELETE),
        (lb(FINALIZER, deleted=True, kind="ClusterIP"), None, Step.RELEASE),
    ],
)
def test_next_step(of: LoadBalancer, standing: Service | None, step: Step) -> None:
    """Every combination of LoadBalancer, finalizer and Service has one next step."""
    assert next_step(of, wanted(), standing) is step


@pytest.mark.parametrize(
    ("of", "standing", "step"),
    [
        (lb(), None, Step.NOTHING),
        (lb(FINALIZER), None, Step.NOTHING),
        (lb(FINALIZER), service(), Step.NOTHING),
        (lb(FINALIZER, deleted=True), None, Step.RELEASE),
        (lb(FINALIZER, deleted=True), service(), Step.RELEASE),
        (lb("other", deleted=True), service(), Step.NOTHING),
    ],
)
def test_next_step_while_services_are_off(of: LoadBalancer, standing: Service | None, step: Step) -> None:
    """Turned off, there is nothing to do but to remove the finalizer of what is being deleted."""
    assert next_step(of, wanted(), standing, enabled=False) is step


@pytest.mark.parametrize("standing", [None, service()])
def test_no_ports_yet(standing: Service | None) -> None:
    """While no port is allocated nothing is made, and what stands stays."""
    assert next_step(lb(FINALIZER), wanted(()), standing) is Step.WAIT


@pytest.mark.parametrize(
    ("other", "field"),
    [
        ({"applied": None}, "metadata.managedFields"),
        ({"owners": ()}, "metadata.ownerReferences"),
        ({"type": "NodePort"}, "spec.type"),
        ({"external_traffic_policy": "Local"}, "spec.externalTrafficPolicy"),
        ({"selector": {"app": "x"}}, "spec.selector"),
        ({"ports": ()}, "spec.ports"),
        ({"ports": (*service().ports, StatusPort(port=1))}, "spec.ports"),
        ({"ports": (StatusPort(name="https", port=443, target_port="https"),)}, "spec.ports"),
    ],
)
def test_differences(other: dict[str, Any], field: str) -> None:
    """Each field of ours that is not as it is to be is named, and no other."""
    assert differences(wanted(), service(**other)) == (field,)


def test_annotations_of_others_are_no_difference() -> None:
    """An annotation that we do not want is a difference only where we have applied it."""
    metadata = msgspec.structs.replace(service().metadata, annotations={"a": "1"})
    assert differences(wanted(), service(metadata=metadata)) == ()
    applied = Applied(annotations=frozenset({"a"}))
    assert differences(wanted(), service(metadata=metadata, applied=applied)) == ("metadata.annotations",)
    assert differences(wanted(), service(applied=applied)) == ()  # it is gone already


def test_ports_of_others() -> None:
    """A port that is neither wanted nor applied is somebody else's."""
    assert not has_foreign_ports(wanted(), service())
    assert not has_foreign_ports(wanted(()), service())
    assert has_foreign_ports(wanted(), service(ports=(*service().ports, StatusPort(port=1))))
    assert has_foreign_ports(wanted(()), service(applied=None))


@pytest.mark.parametrize(
    ("owner", "labelled", "own"),
    [
        (Owner(kind="LoadBalancer", name="web", uid="1", controller=True), False, True),
        (Owner(kind="LoadBalancer", name="web", uid="1"), False, False),
        (Owner(kind="LoadBalancer", name="web", uid="0", controller=True), True, True),
        (Owner(kind="LoadBalancer", name="web", uid="0", controller=True), False, False),
        (Owner(kind="LoadBalancer", name="other", uid="2", controller=True), True, False),
        (Owner(kind="Deployment", name="web", uid="2", controller=True), True, False),
        (None, True, True),
        (None, False, False),
    ],
)
def test_whose_it_is(owner: Owner | None, labelled: bool, own: bool) -> None:
    """A Service is its LoadBalancer's by controller, or by our label where no other object controls it."""
    labels = {MANAGED_BY: "kubelb-xds"} if labelled else {}
    metadata = ObjectMeta(name="envoy-web", namespace="tenant-a", labels=labels)
    standing = service(owners=(owner,) if owner else (), metadata=metadata)
    assert is_its_own(lb().metadata, standing) is own


@pytest.mark.parametrize(
    ("name", "namespace", "own"),
    [("web", "tenant-a", True), ("web", "tenant-b", False), ("api", "tenant-a", False)],
)
def test_what_kubelb_made(name: str, namespace: str, own: bool) -> None:
    """A Service without a controller that KubeLB made for this LoadBalancer, and not for another one, is its own."""
    labels = {"kubelb.k8c.io/lb-name": name, "kubelb.k8c.io/lb-namespace": namespace}
    metadata = ObjectMeta(name="envoy-web", namespace="tenant-a", labels=labels)
    assert is_its_own(lb().metadata, service(owners=(), metadata=metadata)) is own


def test_what_a_status_says() -> None:
    """The status follows the Service that is ours and stays; in any other case it says that there is nothing."""
    assert exposed_by(lb(), service()).load_balancer == {"ingress": []}
    assert exposed_by(lb(), service()).ports[443, "TCP"].node_port == 30001
    assert exposed_by(lb(), None) == Exposed()
    assert exposed_by(lb(), service(deleted=True)) == Exposed()
    assert exposed_by(lb(deleted=True), service()) == Exposed()
    assert exposed_by(lb(kind="ClusterIP"), service()) == Exposed()


def test_managed_fields_of_others_are_not_ours() -> None:
    """Only what our manager applied counts: not what it updated, nor what others did."""
    fields: dict[str, Any] = {
        "f:metadata": {"f:annotations": {".": {}, "f:a/b": {}}},
        "f:spec": {"f:ports": {".": {}, 'k:{"port":53,"protocol":"UDP"}': {}}},
    }
    entries = [
        {
            "manager": "kubectl",
            "operation": "Apply",
            "fieldsV1": {"f:metadata": {"f:annotations": {"f:c": {}}}},
        },
        {"manager": "kubelb-xds", "operation": "Update", "fieldsV1": "odd"},
        {"manager": "kubelb-xds", "operation": "Apply", "subresource": "status", "fieldsV1": {}},
    ]
    document = {"metadata": {"name": "a", "namespace": "b", "managedFields": entries}}
    assert read_service(msgspec.json.encode(document)).applied is None
    entries.append({"manager": "kubelb-xds", "operation": "Apply", "fieldsV1": fields})
    assert read_service(msgspec.json.encode(document)).applied == Applied(
        frozenset({"a/b"}), frozenset(), frozenset({(53, "UDP")})
    )
