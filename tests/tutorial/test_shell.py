"""A command that is typed counts as what it was to do, and never as more."""

from pathlib import Path

import pytest

from tests.tutorial import shell
from tests.tutorial.shell import Shell
from xds.app.demo.waiting import poll


@pytest.fixture
def typing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """Return a shell without kubectl, that waits for a second."""
    monkeypatch.setattr(shell, "BOUND", 1.0)
    return Shell("tenant", tmp_path, tmp_path, tmp_path / "kubeconfig")


async def test_a_command_that_succeeds_and_one_that_fails(typing: Shell) -> None:
    """What both wrote is kept, stderr as well, and the exit code decides."""
    done = await typing.does("echo out; echo err >&2")
    assert (done.printed, done.holds) == ("out\nerr", True)
    failed = await typing.does("echo broken; exit 3")
    assert (failed.printed, failed.holds) == ("broken", False)


async def test_it_is_typed_again_until_it_shows_what_is_waited_for(typing: Shell) -> None:
    """Only what it printed the last time is kept."""
    seen = await typing.shows("echo x >> file; wc -l < file", "^ *3$")
    assert (seen.printed.strip(), seen.holds) == ("3", True)


async def test_what_never_comes_is_told(typing: Shell) -> None:
    """It does not hold, and shows what was printed, and what was expected; what is shown by a command that fails does not count."""
    seen = await typing.shows("echo here; exit 1", "here")
    assert (seen.printed, seen.holds) == ("here\nexpected: here", False)


async def test_all_that_is_printed_counts(typing: Shell) -> None:
    """Where an exact text is expected, neither more nor less is that text."""
    assert (await typing.prints("printf '{\"a\":1}'", '{"a":1}')).holds
    assert not (await typing.prints("echo more; printf '{}'", "{}")).holds
    assert (await typing.prints("true", "")).holds


async def test_a_command_that_hangs_is_ended(typing: Shell, tmp_path: Path) -> None:
    """It is ended with its children, and does not hold."""
    seen = await typing.does("sleep 60 & echo $! > child; wait")
    assert (seen.printed, seen.holds) == ("no end within 1 s", False)
    state = Path(f"/proc/{tmp_path.joinpath('child').read_text().strip()}/stat")

    async def is_over() -> bool:
        return not state.exists() or state.read_text().rpartition(")")[2].split()[0] in "XZ"

    await poll(is_over, bool, within=10, what="the end of the child")


async def test_kubectl_is_the_clusters_own(typing: Shell, tmp_path: Path) -> None:
    """PATH begins with the programs' folder, and KUBECONFIG is the cluster's."""
    seen = await typing.does("echo ${PATH%%:*} $KUBECONFIG")
    assert seen.printed == f"{tmp_path} {tmp_path / 'kubeconfig'}"
