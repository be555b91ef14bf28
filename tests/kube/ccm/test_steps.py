"""What is done next, from how both stand: without I/O. The order is what a kill between two steps relies on."""

from datetime import UTC, datetime
from typing import Any

import pytest

from kube.ccm.copies import Copy
from kube.ccm.findings import Finding
from kube.ccm.names import TENANT_CLUSTER
from kube.ccm.statuses import MISCONFIGURED
from kube.ccm.steps import Plan, Step, plan
from kube.ccm.wanted import judge
from kube.objects.service import Service
from tests.kube.ccm.clusters import POLICY
from tests.kube.ccm.things import CLUSTER, TENANT, copy_of, service

NOW = datetime(2026, 7, 1, tzinfo=UTC)


def planned(made: Service | None, copy: Copy | None, **how: Any) -> Plan:
    """Return the next step."""
    settings: dict[str, Any] = {"cluster": CLUSTER, "by_class": False} | how
    return plan(made, copy, tenant=TENANT, now=NOW, **settings)


def applied(made: Service | None = None, **how: Any) -> Copy:
    """Return a Service's LoadBalancer."""
    return copy_of(judge(made or service(), None, TENANT, CLUSTER).wanted, **how)


def test_first_the_finalizer_then_the_loadbalancer() -> None:
    """Whoever is killed between the two leaves a Service that is cleaned up."""
    assert planned(service(guarded=False), None).step is Step.GUARD
    assert planned(service(), None).step is Step.APPLY
    assert planned(service(), applied()).step is Step.NOTHING


def test_nothing_is_done_before_the_cluster_is_known() -> None:
    """A LoadBalancer without its cluster's name could never be told from an orphan."""
    assert planned(service(guarded=False), None, cluster="").step is Step.WAIT


def test_one_that_is_being_deleted_by_hand_is_waited_for() -> None:
    """It cannot be brought back; when it is gone, there will be another."""
    assert planned(service(), applied(ending=True)).step is Step.WAIT


@pytest.mark.parametrize("how", [{"deleted": True}, {"kind": "ClusterIP"}, {"by_class": True}])
def test_first_the_loadbalancer_goes_then_the_finalizer(how: dict[str, Any]) -> None:
    """Deleted, of another type or of another class: it is the same, and a LoadBalancer that takes its time is waited for."""
    by_class = how.pop("by_class", False)
    gone = service(**how)
    assert planned(gone, applied(), by_class=by_class).step is Step.DELETE
    assert planned(gone, applied(ending=True), by_class=by_class).step is Step.WAIT
    # Whether it is gone is asked of the API server: what is not known here may be there.
    assert planned(gone, None, by_class=by_class).step is Step.DELETE
    without = service(guarded=False, **how)
    assert planned(without, None, by_class=by_class).step is Step.NOTHING


def test_the_address_is_taken_back_first() -> None:
    """A Service that is no longer a load balancer shows no address of ours, and keeps one of somebody else's."""
    ingress = {"loadBalancer": {"ingress": [{"ip": "203.0.113.7", "ipMode": "VIP"}]}}
    copy = applied(status={"loadBalancer": {"ingress": [{"ip": "203.0.113.7"}]}})
    gone = service(kind="ClusterIP", status=ingress)
    found = planned(gone, copy)
    assert found.step is Step.TELL
    assert found.status is not None
    assert found.status.status == {"loadBalancer": {"ingress": None}}
    others = service(kind="ClusterIP", status={"loadBalancer": {"ingress": [{"hostname": "other"}]}})
    assert planned(others, copy).step is Step.DELETE
    assert planned(service(deleted=True, status=ingress), copy).step is Step.DELETE


def test_a_wrong_policy_gets_no_finalizer() -> None:
    """What has no LoadBalancer needs nobody's leave to go; the Service's status says what is wrong."""
    found = planned(service(annotations={POLICY: "yes"}, guarded=False), None)
    assert found.step is Step.TELL
    assert found.status is not None
    assert [condition.type for condition in found.status.changed] == [MISCONFIGURED]


def test_what_is_said_already_is_not_said_again() -> None:
    """A restart finds the condition in the status, and has nothing to do."""
    made = service(annotations={POLICY: "yes"}, guarded=False)
    status = planned(made, None).status
    assert status is not None
    again = service(annotations={POLICY: "yes"}, guarded=False, status=status.status)
    assert planned(again, None).step is Step.NOTHING


def test_what_the_management_cluster_refuses_is_told_and_tried_again() -> None:
    """The refusal is a condition as long as something is to be written, and no longer."""
    refusal = Finding("RefusedByManagementCluster", "a quota")
    first = planned(service(), None, refusal=refusal)
    assert first.step is Step.TELL
    assert first.status is not None
    told = service(status=first.status.status)
    assert planned(told, None, refusal=refusal).step is Step.APPLY
    healed = planned(told, applied(), refusal=refusal)
    assert healed.step is Step.TELL
    assert healed.status is not None
    assert healed.status.status == {"conditions": None}


def test_an_orphan_goes_and_another_clusters_stays() -> None:
    """Only what this very cluster had made is ever deleted for want of a Service."""
    assert planned(None, applied()).step is Step.ORPHANED
    assert planned(None, applied(ending=True)).step is Step.NOTHING
    assert planned(None, applied(annotations={TENANT_CLUSTER: "another"})).step is Step.NOTHING
    assert planned(None, applied(), cluster="").step is Step.NOTHING
    assert planned(None, None).step is Step.NOTHING
