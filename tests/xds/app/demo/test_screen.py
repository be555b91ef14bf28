"""What the demo prints, on terminals of several widths and in a log."""

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from rich.console import Console

from tests.xds.app.demo.machine import MachineWith
from xds.app.demo.evidence import Caption, Evidence, Row
from xds.app.demo.examples import EXAMPLES, prepare
from xds.app.demo.ports import PortChoice
from xds.app.demo.screen import Screen
from xds.app.demo.updates import Answer

GOOD = Row(
    "verify-without-secret-ref",
    "Verify, Secret bundle-with-intermediate",
    "reached over TLS: the leaf alone and an intermediate",
    (
        Evidence("Envoy's ACK", "1234 ms after the file changed", holds=True),
        Caption("the backend gets a certificate of the new CA:"),
        Evidence("backend", "9 bytes over TLSv1.3, cert 'old'", holds=True),
    ),
)
BAD = Row(
    "verify-wrong-ca",
    "Verify, Secret unrelated-ca",
    "refused",
    (Evidence("wire", "in the clear from byte 0: " + "b'hello 0' " * 20, holds=False),),
)


def _screen(width: int = 80, **options: Any) -> tuple[Screen, io.StringIO]:
    out = io.StringIO()
    return Screen(Console(file=out, width=width, highlight=False, **options)), out


@pytest.mark.parametrize("width", [80, 120, 200])
def test_the_table_is_laid_out_for_80_columns(width: int) -> None:
    """No line is longer, whatever the width, and what fits is on one line."""
    screen, out = _screen(width)
    screen.table([GOOD, BAD])
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) == 80
    assert any("ok verify-without-secret-ref" in line for line in lines)
    assert any("Envoy's ACK 1234 ms after the file changed" in line for line in lines)
    assert any("the backend gets a certificate of the new CA:" in line for line in lines)
    assert any("backend     9 bytes over TLSv1.3, cert 'old'" in line for line in lines)


def test_what_differs_is_marked() -> None:
    """Both the row and the very thing that was seen carry a mark that needs no colours."""
    screen, out = _screen()
    screen.table([GOOD, BAD])
    marked = [line for line in out.getvalue().splitlines() if "!!" in line]
    assert len(marked) == 1
    assert marked[0].startswith(" !! verify-wrong-ca")
    assert "wire        !! in the clear" in marked[0]


def test_a_narrow_terminal_gets_the_table_as_well() -> None:
    """With 50 columns words are wrapped inside their cells, and nothing that was seen is left out."""
    screen, out = _screen(50)
    screen.table([GOOD])
    rows = [line for line in out.getvalue().splitlines() if not line.startswith((" wire", " flags", " URX"))]
    assert max(map(len, rows)) == 50
    assert "TLSv1.3" in out.getvalue()


def test_a_terminal_without_unicode_gets_plain_characters() -> None:
    """In a terminal of ASCII the table's rules are hyphens, and nothing fails."""
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="ascii")
    screen = Screen(Console(file=out, width=80, highlight=False))
    screen.begin()
    screen.table([GOOD, BAD])
    screen.finished([GOOD, BAD], [], seconds=1.0)
    out.flush()
    assert b"----------" in raw.getvalue()


def test_the_last_line_when_all_is_well() -> None:
    """It counts the rows and the seconds."""
    screen, out = _screen()
    screen.finished([GOOD, GOOD], [], seconds=1.26)
    assert out.getvalue() == "All 2 rows are as expected, after 1.3 s.\n"


def test_the_last_line_when_something_differs() -> None:
    """It names the rows, and what Envoy refused comes before it."""
    screen, out = _screen()
    screen.finished([GOOD, BAD], [Answer("cds", frozenset(), frozenset(), 0.0, "no such field")], seconds=1.0)
    assert out.getvalue().splitlines() == [
        "Envoy refused an update: no such field",
        "1 of 2 rows are not as expected (!!): verify-wrong-ca",
    ]


def test_a_replaced_port_is_said_on_one_line() -> None:
    """A log shows the port, its purpose, why it could not be had, and what is used instead, unbroken."""
    screen, out = _screen()
    choice = PortChoice(
        "LoadBalancer verify-without-secret-ref", "TCP", 12345, 20006, "Address already in use"
    )
    screen.replaced([choice])
    assert out.getvalue() == f"  {choice}\n"


def test_what_is_going_on_is_for_terminals_only() -> None:
    """In a log nothing is printed that would be taken back."""
    screen, out = _screen()
    with screen.busy("Starting"):
        pass
    assert out.getvalue() == ""
    screen, out = _screen(force_terminal=True)
    with screen.busy("Starting"):
        pass
    assert "Starting" in out.getvalue()


def test_what_to_try_names_what_there_is(tmp_path: Path) -> None:
    """Every command has the ports and paths of this very run, on a line of its own that can be copied."""
    stage = SimpleNamespace(
        examples=prepare(EXAMPLES, MachineWith(), tmp_path),
        secrets=SimpleNamespace(path=tmp_path / "secrets"),
        envoy=SimpleNamespace(log=tmp_path / "envoy.log"),
    )
    screen, out = _screen()
    screen.what_to_try(cast("Any", stage), tmp_path)
    lines = out.getvalue().splitlines()
    assert [line for line in lines if line.startswith("    ")] == [
        f"    cd {tmp_path}",
        "    curl http://127.0.0.1:20003",
        "    curl http://127.0.0.1:20005",
        "    curl -s 127.0.0.1:19000/stats | grep wrong-ca | grep fail_verify",
        "    mv secrets/backend-ca.yaml .",
        "    mv backend-ca.yaml secrets/",
        f"    $EDITOR {EXAMPLES}/manifests/02-insecure.yaml",
        "    tail -f control-plane.log",
        "    curl -s 127.0.0.1:19000/config_dump | less",
        "    less envoy.log",
    ]
    assert (EXAMPLES / "manifests" / "02-insecure.yaml").is_file()


def test_complaints_are_repeated_from_the_logs(tmp_path: Path) -> None:
    """What went wrong is shown, and Envoy's warnings about its own settings are not."""
    (tmp_path / "control-plane.log").write_text(
        '{"level": "info", "event": "push"}\n{"level": "warning", "event": "NACK"}\n', encoding="utf-8"
    )
    (tmp_path / "envoy.log").write_text("[1][warning] no limit\n[1][critical] not fine\n", encoding="utf-8")
    screen, out = _screen()
    screen.complaints(tmp_path)
    assert out.getvalue().splitlines() == [
        '  control-plane.log: {"level": "warning", "event": "NACK"}',
        "  envoy.log: [1][critical] not fine",
    ]
