"""How log lines look: for people on a terminal, one JSON object a line for everything else. They go to stderr.

Whoever logs knows a logger's name and fields, and nothing of this. What other libraries log through the standard library
comes out in the same shape. Tracebacks never show local variables, which may hold what nobody should read.
"""

import logging
import os
import sys
from collections.abc import Sequence
from typing import Any, Final, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from xds.app.printable import printable
from xds.app.settings import LogFormat, LogLevel

_LEVELS: Final[dict[LogLevel, int]] = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}
_FIRST: Final = ("timestamp", "level", "logger", "event")


def configure(
    *, log_format: LogFormat = "auto", level: LogLevel = "info", stream: TextIO | None = None
) -> None:
    """Set up structlog and the standard library's logging, for the whole process; `stream` is stderr unless given.

    `auto` is `human` on a terminal, `json` elsewhere. Human lines have colours on a terminal without `NO_COLOR`
    (no-color.org). Of other libraries only warnings are shown, unless the level is `debug`. Call it before the first
    line is logged: loggers keep the configuration that they found then.
    """
    out = sys.stderr if stream is None else stream
    person = out.isatty()
    human = log_format == "human" or (log_format == "auto" and person)
    renderers = _human(colours=person and not os.environ.get("NO_COLOR")) if human else _json()
    unbreakable = _Unbreakable(out)
    number = _LEVELS[level]
    structlog.configure(
        processors=[*_common(), *renderers],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=lambda name="": _Logger(unbreakable, name),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(unbreakable)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_common(),
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderers],
        )
    )
    logging.basicConfig(
        handlers=[handler],
        level=number if number == logging.DEBUG else max(number, logging.WARNING),
        force=True,
    )
    logging.captureWarnings(capture=True)


class _Unbreakable:
    """A stream whose reader may go away: a log that nobody reads any more must stop nothing."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        try:
            self._stream.write(text)
        except OSError:
            return

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError:
            return


class _Logger(structlog.WriteLogger):
    """structlog's own, with the name that `get_logger` was given."""

    def __init__(self, stream: Any, name: str) -> None:
        super().__init__(stream)
        self.name = name


def _common() -> Sequence[Processor]:
    """Return what both formats show, and both ways to log."""
    return (
        structlog.processors.add_log_level,
        _add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    )


def _add_logger_name(logger: WrappedLogger, method: str, fields: EventDict) -> EventDict:
    """Add `logger`, where a logger was given a name."""
    fields = structlog.stdlib.add_logger_name(logger, method, fields)
    if not fields["logger"]:
        del fields["logger"]
    return fields


def _human(*, colours: bool) -> Sequence[Processor]:
    return (
        _printable,
        structlog.dev.ConsoleRenderer(colors=colours, exception_formatter=structlog.dev.plain_traceback),
    )


def _printable(_: WrappedLogger, __: str, fields: EventDict) -> EventDict:
    """Leave no character that a terminal takes for a command: some fields have the words of a tenant's Envoy."""
    return {name: printable(value) if isinstance(value, str) else value for name, value in fields.items()}


def _json() -> Sequence[Processor]:
    # Python's own encoder, not msgspec's, which would write out every field of a struct: a Secret's, too.
    return (
        structlog.processors.format_exc_info,
        _in_order,
        structlog.processors.JSONRenderer(ensure_ascii=False),
    )


def _in_order(_: WrappedLogger, __: str, fields: EventDict) -> EventDict:
    """Put first what every line has, so that lines can be read without a tool."""
    return {**{name: fields[name] for name in _FIRST if name in fields}, **fields}
