"""How the tutorial looks: commands can be copied, prose fits, and what is not as expected is marked."""

import io

from rich.console import Console

from tests.tutorial.screen import WIDTH, Screen
from tests.tutorial.shell import Typed
from tests.tutorial.steps import STEPS, Seen
from xds.app.demo.evidence import Caption, Evidence


def shown(*seen: Seen) -> list[str]:
    """Return what is printed of these, on a screen that is narrower than any of it."""
    out = io.StringIO()
    screen = Screen(Console(file=out, width=40, highlight=False))
    for each in seen:
        screen.seen(each)
    return out.getvalue().splitlines()


def test_a_command_and_what_it_printed() -> None:
    """The command stands behind its cluster's prompt, in one line; tables stay as they are, longer lines are broken."""
    table = f"NAME{' ' * 100}AGE\nweb {' ' * 100}1s"
    command, *lines = shown(Typed("tenant", f"kubectl get {'x' * 100}", table, holds=True))
    assert command == f"tenant$ kubectl get {'x' * 100}"
    assert lines == [f"  {line}" for line in table.splitlines()]
    _, *lines = shown(Typed("tenant", "kubectl", "word " * 50, holds=True))
    assert len(lines) == 3
    assert max(map(len, lines)) <= WIDTH


def test_a_command_that_printed_nothing() -> None:
    """It is said so."""
    assert shown(Typed("tenant", "true", "", holds=True)) == ["tenant$ true", "  (nothing)"]


def test_of_a_brief_one_only_the_number_counts() -> None:
    """Unless it went wrong: then all of it is shown."""
    printed = "one created\ntwo created"
    assert shown(Typed("tenant", "apply", printed, holds=True, brief=True)) == [
        "tenant$ apply",
        "  (2 objects)",
    ]
    wrong = shown(Typed("tenant", "apply", printed, holds=False, brief=True))
    assert wrong == ["!! tenant$ apply", "  one created", "  two created"]


def test_what_is_not_as_expected_is_marked() -> None:
    """Good evidence is ok, bad is !!, and captions are in brackets."""
    assert shown(
        Evidence("wire", "all in TLS records", holds=True),
        Evidence("wire", "readable", holds=False),
        Caption("the backend changes"),
    ) == ["ok wire        all in TLS records", "!! wire        readable", "   (the backend changes)"]


def test_a_line_of_the_reference_is_named() -> None:
    """A step shows its number, its title, and what it provokes."""
    out = io.StringIO()
    screen = Screen(Console(file=out, width=80, highlight=False))
    screen.step(6, STEPS[5])
    assert out.getvalue().splitlines() == [
        "",
        "6. Troubleshooting: the Secret does not exist",
        "   the reference: failed to get CA secret",
    ]
