"""What comes back to a Service, and what is told of it: without I/O."""

from datetime import UTC, datetime
from typing import Any

from kube.ccm.copies import Copy
from kube.ccm.findings import Finding
from kube.ccm.statuses import MISCONFIGURED, Told, brought_back, events, ingress
from kube.ccm.wanted import judge
from kube.objects.service import Service
from tests.kube.ccm.things import CLUSTER, TENANT, copy_of, service
from tests.support.kube_client import Object

NOW = datetime(2026, 7, 1, tzinfo=UTC)
BEFORE = "2026-06-01T00:00:00Z"


def condition(name: str, status: str, reason: str, message: str = "") -> Object:
    """Return a condition as a LoadBalancer has it."""
    return {
        "type": name,
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": BEFORE,
    }


def applied(*conditions: Object, **status: Any) -> Copy:
    """Return a LoadBalancer with these conditions."""
    wanted = judge(service(), None, TENANT, CLUSTER).wanted
    return copy_of(wanted, status={"conditions": [*conditions], **status})


def told(made: Service, copy: Copy | None, *findings: Finding) -> tuple[Service, tuple[Told, ...]]:
    """Bring everything back, and return the Service as it is then, and the Events."""
    patched = brought_back(made, copy, findings, NOW)
    if patched is None:
        return made, ()
    after = service(status=patched.status)
    return after, events(made, patched, findings)


def test_addresses_are_compared_as_the_api_server_has_them() -> None:
    """It adds `ipMode`, and drops what it does not know: neither is a difference."""
    ours = {"ingress": [{"ip": "192.0.2.1", "ports": [{"port": 1, "protocol": "TCP", "x": 1}], "x": 1}]}
    theirs = {"ingress": [{"ip": "192.0.2.1", "ipMode": "VIP", "ports": [{"port": 1, "protocol": "TCP"}]}]}
    assert ingress(ours) == ingress(theirs) == theirs["ingress"]
    assert ingress({}) == ingress({"ingress": None}) == []


def test_no_loadbalancer_leaves_the_address_alone() -> None:
    """It is another controller's, or that of a moment ago."""
    made = service(status={"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}})
    assert brought_back(made, None, (), NOW) is None


def test_conditions_come_with_a_prefix() -> None:
    """They stand beside others' conditions of the same name."""
    others = [condition("Programmed", "True", "Theirs")]
    made = service(status={"conditions": others})
    patched = brought_back(made, applied(condition("Programmed", "True", "Programmed")), (), NOW)
    assert patched is not None
    assert [each["type"] for each in patched.status["conditions"]] == [
        "Programmed",
        "kubelb.k8c.io/Programmed",
    ]


def test_a_failure_is_a_warning_and_its_end_is_news() -> None:
    """What changes is told, once; what stays is not."""
    failing = applied(
        condition("ResolvedRefs", "False", "InvalidCACertificateRef", "failed to get CA secret")
    )
    made, first = told(service(), failing)
    assert first == (Told(True, "InvalidCACertificateRef", "failed to get CA secret"),)
    made, again = told(made, failing)
    assert again == ()
    _, healed = told(made, applied(condition("ResolvedRefs", "True", "ResolvedRefs", "all found")))
    assert healed == (Told(False, "ResolvedRefs", "all found"),)


def test_that_all_is_well_from_the_start_is_told_once() -> None:
    """Of the conditions that are True at first only Programmed is news."""
    well = applied(condition("Accepted", "True", "Accepted"), condition("Programmed", "True", "Programmed"))
    assert told(service(), well)[1] == (Told(False, "Programmed", "Programmed is True"),)


def test_an_expiring_ca_is_a_warning() -> None:
    """It is the one condition that warns when it is True."""
    found = told(service(), applied(condition("CACertificateExpiring", "True", "Expiring", "in 3 days")))[1]
    assert found == (Told(True, "Expiring", "in 3 days"),)


def test_each_finding_is_a_warning_of_its_own() -> None:
    """The condition has all of them, and goes with them."""
    findings = Finding("A", "one"), Finding("B", "two")
    made, found = told(service(), None, *findings)
    assert found == (Told(True, "A", "one"), Told(True, "B", "two"))
    (remembered,) = made.conditions
    assert (remembered.type, remembered.reason, remembered.message) == (MISCONFIGURED, "A", "one; two")
    healed = brought_back(made, None, (), NOW)
    assert healed is not None
    assert healed.status == {"conditions": None}
