"""From what a page shows to HTML. Whatever is written into a template is text: escaped, printable, and of bounded length.

The names and words on the page are those of tenants and of whoever connects as an Envoy.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

from google.protobuf.timestamp_pb2 import Timestamp
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from xds.app.inspect.moments import length

LONGEST: Final = 2000
"""Characters of one text: as much as is kept of a NACK."""

_FOLDER: Final = Path(__file__).parent
_STATIC: Final = {
    "/page.css": "text/css; charset=utf-8",
    "/page.js": "text/javascript; charset=utf-8",
    "/icon.svg": "image/svg+xml",
}


def plain(value: Any) -> Any:
    """Return what may be written of a value: text without control characters and without what reverses its direction."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    cut = value if len(value) <= LONGEST else value[: LONGEST - 1] + "…"
    return "".join(
        letter if letter.isprintable() or letter == "\n" else "\N{REPLACEMENT CHARACTER}" for letter in cut
    )


def render(template: str, now: datetime, **view: Any) -> bytes:
    """Return a page. ``now`` is what moments are held against."""
    text: str = _environment().get_template(f"{template}.html").render(now=now, **view)
    return text.encode(errors="replace")


def static(path: str) -> tuple[str, bytes] | None:
    """Return media type and content of a file of the pages, None for any other path."""
    media_type = _STATIC.get(path)
    return None if media_type is None else (media_type, _content(path))


@cache
def _content(path: str) -> bytes:
    return (_FOLDER / "static" / path.removeprefix("/")).read_bytes()


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_FOLDER / "templates"),
        autoescape=True,
        auto_reload=False,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=plain,
    )
    filters: Mapping[str, Any] = {"moment": _moment, "span": length, "stamp": _stamp}
    environment.filters.update(filters)
    return environment


def _moment(value: datetime | Timestamp) -> datetime:
    return value.ToDatetime(UTC) if isinstance(value, Timestamp) else value


def _stamp(moment: datetime) -> str:
    """Return a moment as HTML and JavaScript read it."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
