"""What the two backend-TLS annotations ask for: without I/O."""

import pytest

from kube.ccm.backend_tls import (
    CA_SECRET_UNUSED,
    INVALID_CA_SECRET,
    INVALID_POLICY,
    backend_tls,
)
from tests.kube.ccm.clusters import CA, POLICY


def test_none_of_them_is_plain_tcp() -> None:
    """Without annotations nothing is set, and nothing is wrong."""
    assert backend_tls({"example.com/other": "x"}) == (None, True, ())


def test_insecure() -> None:
    """`Insecure` is the policy alone."""
    assert backend_tls({POLICY: "Insecure"}) == ({"policy": "Insecure"}, True, ())


def test_verify() -> None:
    """`Verify` with a CA is what the reference shows."""
    found = backend_tls({POLICY: "Verify", CA: "my-backend-ca"})
    assert found == ({"policy": "Verify", "caSecretRef": {"name": "my-backend-ca"}}, True, ())


def test_verify_without_a_ca() -> None:
    """The policy alone is set: what that yields, the control plane says."""
    assert backend_tls({POLICY: "Verify"}) == ({"policy": "Verify"}, True, ())


def test_insecure_with_a_ca() -> None:
    """A CA is consumed with `Verify` only, so it is not copied."""
    assert backend_tls({POLICY: "Insecure", CA: "my-backend-ca"}) == ({"policy": "Insecure"}, True, ())


@pytest.mark.parametrize(
    "value", ["verify", "insecure", "VERIFY", "None", "", " Verify", "Verify ", "true", "x" * 5000]
)
def test_any_other_policy_is_wrong(value: str) -> None:
    """It means neither plain TCP nor TLS, and the message names the annotation, the value and what is allowed."""
    found = backend_tls({POLICY: value, CA: "my-backend-ca"})
    assert not found.valid
    (finding,) = found.findings
    assert finding.reason == INVALID_POLICY
    assert POLICY in finding.message
    assert repr(value[:20])[:-1] in finding.message
    assert "exactly Insecure or Verify" in finding.message
    assert len(finding.message) < 500


@pytest.mark.parametrize("value", ["", "  "])
def test_an_empty_ca_under_verify_is_wrong(value: str) -> None:
    """An annotation that is there and says nothing is a mistake, and not the wish for plain TCP."""
    found = backend_tls({POLICY: "Verify", CA: value})
    assert not found.valid
    assert [finding.reason for finding in found.findings] == [INVALID_CA_SECRET]
    assert CA in found.findings[0].message


def test_a_ca_without_a_policy_sets_nothing() -> None:
    """It is plain TCP, and a warning says that the annotation has no effect."""
    found = backend_tls({CA: "my-backend-ca"})
    assert (found.upstream_tls, found.valid) == (None, True)
    (finding,) = found.findings
    assert finding.reason == CA_SECRET_UNUSED
    assert "'my-backend-ca' has no effect" in finding.message
    assert f"without {POLICY}: set that to Insecure or Verify" in finding.message
