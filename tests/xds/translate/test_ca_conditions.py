from hypothesis import given
from hypothesis import strategies as st

from xds.translate.findings import ACCEPTED, CA_CERTIFICATE_EXPIRING, RESOLVED_REFS, Finding, conditions

WARNING = Finding("warning", RESOLVED_REFS, "CACertificateExpired", "CN=old expired")
ERROR = Finding("error", RESOLVED_REFS, "InvalidCACertificateRef", "ca.crt is empty")
OTHER_ERROR = Finding("error", RESOLVED_REFS, "InvalidCACertificateRef", "failed to get CA secret")
EXPIRING = Finding("warning", CA_CERTIFICATE_EXPIRING, "CRLExpiring", "the CRL expires")
REFUSED = Finding("error", ACCEPTED, "UnknownUpstreamTLSPolicy", "policy is wrong", "spec.upstreamTLS.policy")


def test_without_findings_all_is_well() -> None:
    """Both conditions are there and True, with their own name as reason and nothing to say."""
    accepted, resolved = conditions((), 7)
    assert (accepted.type, accepted.status, accepted.reason, accepted.message) == (
        "Accepted",
        "True",
        "Accepted",
        "",
    )
    assert (resolved.type, resolved.status, resolved.reason) == ("ResolvedRefs", "True", "ResolvedRefs")
    assert accepted.observed_generation == resolved.observed_generation == 7
    assert accepted.last_transition_time == ""


def test_a_warning_speaks_and_changes_nothing_else() -> None:
    """A condition with warnings alone stays True, its reason too; the message has their texts."""
    _, resolved = conditions((WARNING,), 1)
    assert (resolved.status, resolved.reason, resolved.message) == ("True", "ResolvedRefs", "CN=old expired")


def test_an_error_makes_its_own_condition_false() -> None:
    """The first error gives the reason; errors speak before warnings; the other condition stays True."""
    accepted, resolved = conditions((WARNING, ERROR, OTHER_ERROR), 1)
    assert accepted.status == "True"
    assert (resolved.status, resolved.reason) == ("False", "InvalidCACertificateRef")
    assert resolved.message == "ca.crt is empty; failed to get CA secret; CN=old expired"


def test_accepted_is_false_by_its_own_errors() -> None:
    """What is wrong with the LoadBalancer itself is no matter of references."""
    accepted, resolved = conditions((REFUSED,), 1)
    assert (accepted.status, accepted.reason, accepted.message) == (
        "False",
        "UnknownUpstreamTLSPolicy",
        "policy is wrong",
    )
    assert resolved.status == "True"


def test_other_conditions_are_there_only_when_found() -> None:
    """What begins to expire is a condition that is True, with the finding's reason, behind the two that are always there."""
    *_, expiring = conditions((EXPIRING, WARNING), 1)
    assert (expiring.type, expiring.status, expiring.reason) == (
        "CACertificateExpiring",
        "True",
        "CRLExpiring",
    )
    assert len(conditions((WARNING,), 1)) == 2


def test_equal_messages_are_said_once() -> None:
    """Two ports with the same trouble do not say it twice."""
    _, resolved = conditions((WARNING, ERROR, WARNING, ERROR), 1)
    assert resolved.message == "ca.crt is empty; CN=old expired"


def test_a_message_fits_into_a_status() -> None:
    """It is cut at what the API server takes: 32,768 characters."""
    many = [Finding("warning", RESOLVED_REFS, "CRLExpired", f"{number:0100}") for number in range(1000)]
    _, resolved = conditions(many, 1)
    assert len(resolved.message) == 32768
    assert resolved.message.endswith("…")


FINDINGS = st.builds(
    Finding,
    st.sampled_from(["error", "warning"]),
    st.sampled_from([ACCEPTED, RESOLVED_REFS, CA_CERTIFICATE_EXPIRING, "Another"]),
    st.sampled_from(["A", "B"]),
    st.sampled_from(["x", "y", "z"]),
)


@given(st.lists(FINDINGS))
def test_conditions_come_one_a_type_and_in_one_order(findings: list[Finding]) -> None:
    """Whatever the order of the findings, types and statuses are the same, and no type is there twice."""
    made = conditions(findings, 1)
    types = [condition.type for condition in made]
    assert types[:2] == ["Accepted", "ResolvedRefs"]
    assert types[2:] == sorted({finding.condition for finding in findings} - {"Accepted", "ResolvedRefs"})
    turned = conditions(reversed(findings), 1)
    assert [(each.type, each.status) for each in turned] == [(each.type, each.status) for each in made]
