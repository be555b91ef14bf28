import io
import json
import logging
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import structlog

from tests.support.objects import secret
from xds.app import logs
from xds.app.settings import LogFormat, LogLevel

KEY_MATERIAL = "bm90IGZvciBhbnlib2R5"


class Terminal(io.StringIO):
    """A stream that says that a person reads it."""

    def isatty(self) -> bool:
        """Say so."""
        return True


class BrokenPipe(io.StringIO):
    """A stream whose reader has gone."""

    def write(self, _: str) -> int:
        """Find nobody there."""
        raise BrokenPipeError

    def flush(self) -> None:
        """Find nobody there."""
        raise BrokenPipeError


@pytest.fixture(autouse=True)
def _logs_are_restored() -> Iterator[None]:
    """Bring back what logging was set up to be, since other tests run in this process, too."""
    root, before = logging.getLogger(), structlog.get_config()
    handlers, level = root.handlers[:], root.level
    root.handlers.clear()  # else configuring closes those of pytest
    yield
    logging.captureWarnings(capture=False)
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.configure(**before)


def read(stream: io.StringIO) -> list[dict[str, Any]]:
    """Return the lines that were logged as JSON."""
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_json_lines_begin_with_time_level_logger_and_event() -> None:
    """A line of JSON has what every line has in front, its time in ISO format and UTC."""
    out = io.StringIO()
    logs.configure(log_format="json", stream=out)
    before = datetime.now(UTC)
    structlog.get_logger("xds.app").info("push", node="envoy-1", count=3)
    (line,) = read(out)
    assert list(line) == ["timestamp", "level", "logger", "event", "node", "count"]
    assert line | {"timestamp": ""} == {
        "timestamp": "",
        "level": "info",
        "logger": "xds.app",
        "event": "push",
        "node": "envoy-1",
        "count": 3,
    }
    assert line["timestamp"].endswith("Z")
    assert before <= datetime.fromisoformat(line["timestamp"]) <= datetime.now(UTC)


def test_auto_is_human_on_a_terminal() -> None:
    """On a terminal a line is text with colours."""
    out = Terminal()
    logs.configure(stream=out)
    structlog.get_logger("xds.app").info("push", node="envoy-1")
    assert "push" in out.getvalue()
    assert "\x1b[" in out.getvalue()
    assert not out.getvalue().startswith("{")


def test_auto_is_json_elsewhere() -> None:
    """Where no person reads, a line is JSON."""
    out = io.StringIO()
    logs.configure(stream=out)
    structlog.get_logger().info("push")
    assert read(out)[0]["event"] == "push"


def test_human_lines_have_no_colours_elsewhere() -> None:
    """Text that goes to a file has no colours in it."""
    out = io.StringIO()
    logs.configure(log_format="human", stream=out)
    structlog.get_logger("xds.app").warning("NACK", node="envoy-1")
    line = out.getvalue()
    assert "[warning  ] NACK" in line
    assert "[xds.app]" in line
    assert "node=envoy-1" in line
    assert "\x1b[" not in line


def test_human_lines_steer_no_terminal() -> None:
    """What a stranger wrote is shown without the characters that a terminal takes for commands."""
    out = Terminal()
    logs.configure(log_format="human", stream=out)
    structlog.get_logger("xds.server").warning("NACK", error="\x1b]0;owned\x07\x9b2J")
    shown = out.getvalue()
    assert "owned" in shown
    assert not [each for each in ("\x1b]", "\x07", "\x9b") if each in shown]


def test_no_color_is_heeded(monkeypatch: pytest.MonkeyPatch) -> None:
    """NO_COLOR leaves a terminal's lines without colours."""
    monkeypatch.setenv("NO_COLOR", "1")
    out = Terminal()
    logs.configure(stream=out)
    structlog.get_logger().info("push")
    assert "push" in out.getvalue()
    assert "\x1b[" not in out.getvalue()


def test_lower_levels_are_left_out() -> None:
    """Only the chosen level and those above it are logged."""
    out = io.StringIO()
    logs.configure(log_format="json", level="warning", stream=out)
    log = structlog.get_logger()
    for level in ("debug", "info", "warning", "error"):
        getattr(log, level)(level)
    assert [line["event"] for line in read(out)] == ["warning", "error"]


@pytest.mark.parametrize(("level", "heard"), [("info", ["warning"]), ("debug", ["debug", "info", "warning"])])
def test_libraries_are_heard_when_they_warn(level: LogLevel, heard: list[str]) -> None:
    """Of what goes through the standard library only warnings are logged, and everything at level debug."""
    out = io.StringIO()
    logs.configure(log_format="json", level=level, stream=out)
    library = logging.getLogger("watchfiles.main")
    library.debug("%s", "debug")
    library.info("%s", "info")
    library.warning("%s", "warning")
    assert [line["event"] for line in read(out)] == heard


@pytest.mark.parametrize("log_format", ["json", "human"])
def test_libraries_lines_look_like_ours(log_format: LogFormat) -> None:
    """A line of the standard library's logging differs from ours in nothing but its contents."""
    out = io.StringIO()
    logs.configure(log_format=log_format, stream=out)
    structlog.get_logger("some.name").warning("something")
    logging.getLogger("some.name").warning("something")
    ours, theirs = out.getvalue().splitlines()
    length = len("2026-11-23T15:06:23.497851Z")
    at = ours.index("20")
    assert ours[:at] + ours[at + length :] == theirs[:at] + theirs[at + length :]


def test_python_warnings_are_logged() -> None:
    """What `warnings` has to say is a line of log."""
    out = io.StringIO()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logs.configure(log_format="json", stream=out)
        warnings.warn("out of date", DeprecationWarning, stacklevel=1)
    (line,) = read(out)
    assert (line["level"], line["logger"]) == ("warning", "py.warnings")
    assert "DeprecationWarning: out of date" in line["event"]


@pytest.mark.parametrize("log_format", ["json", "human"])
@pytest.mark.parametrize("library", [True, False])
def test_tracebacks_show_no_local_variables(log_format: LogFormat, *, library: bool) -> None:
    """An exception is logged with its traceback and without the values that variables had."""
    out = Terminal() if log_format == "human" else io.StringIO()
    logs.configure(log_format=log_format, stream=out)
    password = KEY_MATERIAL
    try:
        int(password and "no number")
    except ValueError:
        log = logging.getLogger("library") if library else structlog.get_logger()
        log.exception("failed")
    assert "ValueError: invalid literal" in out.getvalue()
    assert KEY_MATERIAL not in out.getvalue()


@pytest.mark.parametrize("log_format", ["json", "human"])
def test_secrets_are_not_printed(log_format: LogFormat) -> None:
    """A Secret that somebody logs by mistake shows nothing that it holds, wherever in a value it stands."""
    out = io.StringIO()
    logs.configure(log_format=log_format, stream=out)
    held = secret("ca", KEY_MATERIAL)
    structlog.get_logger().info("stored", one=held, many=[held], named={"a": (held,)})
    assert "tenant-a/ca" in out.getvalue()
    assert KEY_MATERIAL not in out.getvalue()


def test_a_line_is_one_line() -> None:
    """A line break in a value, such as that of an Envoy's NACK, does not begin a new line."""
    out = io.StringIO()
    logs.configure(log_format="human", stream=out)
    structlog.get_logger().warning("NACK", error="first\nsecond")
    assert out.getvalue().count("\n") == 1


@pytest.mark.parametrize("log_format", ["json", "human"])
def test_a_reader_that_has_gone_stops_nothing(log_format: LogFormat) -> None:
    """Logging goes on without an exception when nobody reads the log any more."""
    logs.configure(log_format=log_format, stream=BrokenPipe())
    structlog.get_logger().warning("unheard")
    logging.getLogger("library").warning("unheard")


def test_the_second_configuration_replaces_the_first() -> None:
    """Configuring again leaves nothing of what was before."""
    first, second = io.StringIO(), io.StringIO()
    logs.configure(log_format="json", stream=first)
    logs.configure(log_format="json", stream=second)
    structlog.get_logger().info("ours")
    logging.getLogger("library").warning("theirs")
    assert first.getvalue() == ""
    assert [line["event"] for line in read(second)] == ["ours", "theirs"]
