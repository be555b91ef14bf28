"""`make demo-kubernetes` as a user runs it: the reference's tutorial and its whole Troubleshooting list, followed literally with kubectl."""

import re
import signal
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.support.demo_process import running
from tests.tutorial.steps import STEPS

pytestmark = [pytest.mark.process, pytest.mark.usefixtures("kube_programs", "envoy_binary")]

TUTORIAL: Final = (sys.executable, "-m", "tests.tutorial")
PATIENCE: Final = 300.0
"""Seconds that all of it may take on a machine that others use as well; alone it takes a twentieth."""

TROUBLESHOOTING: Final = (
    "caSecretRef is required for Verify policy",
    "failed to get CA secret",
    "secret <name> missing 'ca.crt' key",
    "Handshake fails with certificate verify failed",
    'Connection resets / TLS alerts with a "plain" backend',
    "Changes to the CA Secret are not picked up",
)
"""The beginning of each line of the reference's list, in its order."""


def test_no_line_of_the_reference_is_left_out() -> None:
    """The steps provoke each line of Troubleshooting, in order."""
    assert tuple(step.reference for step in STEPS if step.reference) == TROUBLESHOOTING


def test_every_step_is_as_the_reference_has_it(tmp_path: Path) -> None:
    """All steps are played and shown, each by commands and by what was seen; nothing is said on stderr, and nothing is left."""
    with running(tmp_path, TUTORIAL) as demo:
        assert demo.ended(within=PATIENCE) == (0, "")
    assert demo.left == []
    shown = [line for line in demo.lines if re.match(r"\d+\. ", line)]
    assert shown == [f"{number}. {step.title}" for number, step in enumerate(STEPS, 1)]
    assert demo.lines[-1].startswith(f"All {len(STEPS)} steps are as the reference has them")
    assert not any(line.startswith("!!") for line in demo.lines)
    # What the log, the condition and the Event say of a line stands in all three places.
    text = " ".join(" ".join(demo.lines).split())
    for said in ("caSecretRef is required for Verify policy: set", "failed to get CA secret: spec"):
        assert text.count(said) == 3
    assert "CERTIFICATE_VERIFY_FAILED" in text
    assert "WRONG_VERSION_NUMBER" in text


@pytest.mark.parametrize(
    ("line", "number"),
    [("kubelb-xds tutorial:", signal.SIGINT), ("1. ", signal.SIGTERM)],
    ids=["while starting", "while playing"],
)
def test_a_signal_halfway_leaves_nothing(line: str, number: signal.Signals, tmp_path: Path) -> None:
    """Whatever is under way is ended and removed, both API servers with it, and the exit code names the signal."""
    with running(tmp_path, TUTORIAL) as demo:
        demo.read_until(line)
        demo.end(number)
        assert demo.ended(within=PATIENCE) == (128 + number, "")
    assert demo.lines[-1] == "Stopped; nothing is left running."
    assert demo.left == []


def test_kept_running_until_a_signal(tmp_path: Path) -> None:
    """With --keep everything runs on after the last step but one, it is said what to try, and a signal ends it with 0."""
    with running(tmp_path, (*TUTORIAL, "--keep")) as demo:
        demo.read_until(f"All {len(STEPS) - 1} steps are as the reference has them")
        demo.read_until("Everything goes on running until Ctrl-C.")
        folder = Path(demo.read_until("    cd ").split()[-1])
        demo.read_until("    curl -s ")
        assert {"tenant.conf", "management.conf", "control-plane.log", "ccm.log"} <= {
            path.name for path in folder.iterdir()
        }
        demo.end(signal.SIGINT)
        assert demo.ended(within=PATIENCE) == (0, "")
    assert demo.lines[-1] == "Stopped; nothing is left running."
    assert demo.left == []


@pytest.mark.parametrize(
    ("sabotage", "step", "witness"),
    [("plaintext", 2, "!! wire"), ("silent", 5, "!! tenant$ kubectl describe service")],
)
def test_a_step_that_is_not_as_expected_ends_it(
    sabotage: str, step: int, witness: str, tmp_path: Path
) -> None:
    """A broken control plane, and a broken CCM, are found by the step and the witness that are to find them: exit code 1."""
    command = (sys.executable, "-m", "tests.tutorial.sabotaged", sabotage)
    with running(tmp_path, command) as demo:
        assert demo.ended(within=PATIENCE) == (1, "")
    marked = [line for line in demo.lines if line.startswith("!!")]
    assert any(line.startswith(witness) for line in marked), marked
    assert any(line.startswith(f"Step {step} is not as expected") for line in demo.lines)
    assert not any(line.startswith(f"{step + 1}. ") for line in demo.lines)
    assert demo.left == []
