"""What is to be done next for one Service and its LoadBalancer, from how both stand. Pure: a function of the present, of no event.

The order is what makes it safe to be killed between any two steps: the finalizer is there before the LoadBalancer, and the
LoadBalancer is gone before the finalizer is.
"""

from datetime import datetime
from enum import Enum
from typing import NamedTuple

from kube.ccm.copies import Copy
from kube.ccm.findings import Finding
from kube.ccm.names import TENANT_CLUSTER, Tenant
from kube.ccm.statuses import Patched, brought_back, taken_back
from kube.ccm.wanted import Judged, differences, is_ours, is_taken, judge
from kube.coordination.finalizer import FINALIZER
from kube.objects.service import Service


class Step(Enum):
    """What is to be done."""

    NOTHING = "nothing"
    WAIT = "wait for what others do"
    GUARD = "add the finalizer to the Service"
    APPLY = "apply the LoadBalancer"
    TELL = "write the Service's status"
    DELETE = "delete the LoadBalancer, and remove the finalizer once it is gone"
    ORPHANED = "delete the LoadBalancer if its Service is gone"


class Plan(NamedTuple):
    """The next step, and what it needs."""

    step: Step
    judged: Judged = Judged(None)
    status: Patched | None = None
    findings: tuple[Finding, ...] = ()


def plan(
    service: Service | None,
    copy: Copy | None,
    *,
    tenant: Tenant,
    cluster: str,
    by_class: bool,
    now: datetime,
    refusal: Finding | None = None,
) -> Plan:
    """Return what is to be done.

    `service` is None where there is none, or none that is of use; `copy` is the LoadBalancer of that uid. `cluster` is the uid of
    the tenant's kube-system, empty while that is not known. `refusal` is why the management cluster did not take the LoadBalancer.
    """
    if service is None:
        return Plan(_of_orphan(copy, tenant, cluster))
    if not is_taken(service, by_class=by_class):
        return _leaving(service, copy, now)
    if not cluster:
        return Plan(Step.WAIT)
    return _taken(service, copy, judge(service, copy, tenant, cluster), refusal, now)


def _taken(
    service: Service, copy: Copy | None, judged: Judged, refusal: Finding | None, now: datetime
) -> Plan:
    """Return what is to be done for a Service that is to have a LoadBalancer, if it can."""
    findings, wanted = judged.findings, judged.wanted
    due = wanted is not None and (copy is None or bool(differences(wanted, copy)))
    if wanted is not None and FINALIZER not in service.metadata.finalizers:
        return Plan(Step.GUARD)
    if wanted is not None and copy is not None and copy.ending:
        return Plan(Step.WAIT)
    if due and refusal is None:
        return Plan(Step.APPLY, judged)
    if due and refusal is not None:
        findings = (*findings, refusal)
    status = brought_back(service, copy, findings, now)
    if status is not None:
        return Plan(Step.TELL, judged, status, findings)
    # What was refused is tried again, once that was told.
    return Plan(Step.APPLY, judged) if due else Plan(Step.NOTHING)


def _leaving(service: Service, copy: Copy | None, now: datetime) -> Plan:
    """Return what is to be done for a Service that is deleted, or is of another type or class now."""
    if FINALIZER not in service.metadata.finalizers:
        return Plan(Step.NOTHING)
    if service.metadata.deletion_timestamp is None:
        status = taken_back(service, copy, now)
        if status is not None:
            return Plan(Step.TELL, status=status)
    return Plan(Step.WAIT if copy is not None and copy.ending else Step.DELETE)


def _of_orphan(copy: Copy | None, tenant: Tenant, cluster: str) -> Step:
    """Return what is to be done for a LoadBalancer without a Service: one of another cluster is not ours to delete."""
    if copy is None or copy.ending or not is_ours(copy, tenant):
        return Step.NOTHING
    return Step.ORPHANED if copy.metadata.annotations.get(TENANT_CLUSTER) == cluster else Step.NOTHING
