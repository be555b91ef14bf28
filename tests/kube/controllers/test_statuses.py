"""What is written into the status of a LoadBalancer, and what is not."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from kube.controllers.statuses import Desired, Statuses, patch
from kube.objects import Condition, LoadBalancer, LoadBalancerStatus, ServiceStatus, StatusPort
from tests.support import objects

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
PORT = StatusPort(name="main", port=443, target_port=10_001, upstream_target_port=30_443)


def lb(**status: Any) -> LoadBalancer:
    """Return a LoadBalancer of generation 3 with this status."""
    plain = objects.loadbalancer()
    metadata = msgspec.structs.replace(plain.metadata, generation=3)
    return msgspec.structs.replace(plain, metadata=metadata, status=LoadBalancerStatus(**status))


def condition(type_: str = "Accepted", status: str = "True", message: str = "", **fields: Any) -> Condition:
    """Return a condition whose reason is its type."""
    return msgspec.convert(
        {"type": type_, "status": status, "reason": type_, "message": message, **fields}, Condition
    )


def written(*conditions: Condition) -> tuple[Condition, ...]:
    """Return conditions as they are once they were written for generation 3."""
    found = patch(lb(), Desired(conditions=conditions), NOW - timedelta(hours=1))
    assert found is not None
    return found.changed


def test_nothing_is_written_where_nothing_is_new() -> None:
    """A status that says all of it is left alone, and so is one of which nothing is wanted."""
    service = ServiceStatus(ports=(PORT,))
    conditions = written(condition())
    full = lb(service=service, conditions=conditions, load_balancer={"ingress": [{"ip": "1.2.3.4"}]})
    desired = Desired(
        ports=(PORT,), conditions=(condition(),), load_balancer={"ingress": [{"ip": "1.2.3.4"}]}
    )
    assert patch(full, desired, NOW) is None
    assert patch(full, Desired(), NOW) is None


def test_ports_go_first() -> None:
    """Ports are recorded alone, and the conditions, which follow from them, are written when they are."""
    desired = Desired(ports=(PORT,), conditions=(condition(),))
    found = patch(lb(), desired, NOW)
    assert found is not None
    port = {"name": "main", "port": 443, "targetPort": 10_001, "upstreamTargetPort": 30_443}
    assert found.status == {"service": {"ports": [port]}}
    assert found.changed == ()
    found = patch(lb(service=ServiceStatus(ports=(PORT,))), desired, NOW)
    assert found is not None
    assert found.status.keys() == {"conditions"}


def test_a_condition_that_changes() -> None:
    """Only what is another status has a new transition time; what others wrote stays; what changed is told."""
    foreign = condition("Theirs", last_transition_time="2020-01-01T00:00:00Z")
    before = (*written(condition(), condition("ResolvedRefs")), foreign)
    found = patch(
        lb(conditions=before),
        Desired(conditions=(condition(message="a warning"), condition("ResolvedRefs", "False", "no Secret"))),
        NOW,
    )
    assert found is not None
    accepted, resolved, theirs = found.status["conditions"]
    assert (accepted["message"], accepted["lastTransitionTime"]) == ("a warning", "2026-11-23T11:00:00Z")
    assert (resolved["status"], resolved["lastTransitionTime"]) == ("False", "2026-11-23T12:00:00Z")
    assert accepted["observedGeneration"] == resolved["observedGeneration"] == 3
    assert theirs == msgspec.to_builtins(foreign)
    assert [each.type for each in found.changed] == ["Accepted", "ResolvedRefs"]


def test_a_condition_that_is_not_known_yet() -> None:
    """A condition of ours that is kept stays as it is, and one that is neither kept nor wanted goes."""
    before = written(condition(), condition("Programmed"))
    kept = patch(
        lb(conditions=before), Desired(conditions=(condition(),), keep=frozenset({"Programmed"})), NOW
    )
    assert kept is None
    found = patch(lb(conditions=before), Desired(conditions=(condition(),)), NOW)
    assert found is not None
    assert [each["type"] for each in found.status["conditions"]] == ["Accepted"]


def test_what_the_cloud_said_and_took_back() -> None:
    """The load balancer's status is copied, and removed when the Service has none any more."""
    ingress = {"ingress": [{"ip": "1.2.3.4"}]}
    found = patch(lb(), Desired(load_balancer=ingress), NOW)
    assert found is not None
    assert found.status == {"loadBalancer": ingress}
    found = patch(lb(load_balancer=ingress), Desired(load_balancer={}), NOW)
    assert found is not None
    assert found.status == {"loadBalancer": None}


def test_every_document_has_what_the_schema_requires() -> None:
    """An empty message is written, for metav1.Condition requires one."""
    found = patch(lb(), Desired(conditions=(condition(),)), NOW)
    assert found is not None
    (document,) = found.status["conditions"]
    assert document.keys() >= {"type", "status", "reason", "message", "lastTransitionTime"}


async def test_it_is_written_under_the_version_that_was_judged() -> None:
    """A patch that was delayed meets the same version, or a conflict: never another LoadBalancer of the same name."""
    bodies: list[Any] = []

    class Api:
        async def send(self, _: str, __: str, body: Any) -> bytes:
            bodies.append(body)
            return b'{"metadata":{"resourceVersion":"8"}}'

    found = lb()
    found = msgspec.structs.replace(
        found, metadata=msgspec.structs.replace(found.metadata, resource_version="7")
    )
    writing: list[Any] = []

    class Queue:
        def put(self, _: object, write: Any) -> None:
            writing.append(write)

    statuses = Statuses(
        Api(),  # type: ignore[arg-type]
        Queue(),  # type: ignore[arg-type]
        find=lambda _: found,
        desired=lambda _: Desired(ports=(PORT,)),
        changed=lambda *_: None,
    )
    statuses.look(found.ref)
    await writing.pop()()
    assert bodies.pop()["metadata"] == {"resourceVersion": "7"}
    # What was written has not come back: there is nothing to write meanwhile.
    statuses.look(found.ref)
    assert not writing
