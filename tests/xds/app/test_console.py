"""What strangers wrote, printed for people."""

import pytest
from rich.text import Text

from xds.app.inspect.console import console_of
from xds.app.inspect.events import event_line
from xds.messages import debug_pb2 as pb

ESCAPES = "\x1b]0;owned\x07\x1b[2J\x9b31m"


def test_nothing_steers_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """The words of an Envoy's NACK, which may be a tenant's, are shown less their escape sequences."""
    event = pb.Event(nack=pb.Event.Nack(version="v", text=f"no {ESCAPES}such thing"))
    console_of().print(event_line(event), soft_wrap=True)
    shown = capsys.readouterr().out
    assert "such thing" in shown
    assert shown.rstrip("\n").isprintable()


def test_colours_and_lines_stay(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The program's own colours and ends of lines are as they were."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    console_of().print(Text(f"one\ntwo{ESCAPES}", "red"))
    shown = capsys.readouterr().out
    assert shown.startswith("\x1b[31mone\x1b[0m\n\x1b[31mtwo")
    assert "\x1b]" not in shown
