"""Where answers for people are printed: as wide as they need, and whatever strangers wrote steers no terminal."""

from collections.abc import Iterable, Iterator
from typing import Final

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from xds.app.printable import printable

PIPE_WIDTH: Final = 160


def console_of() -> Console:
    """Return stdout, as wide as its terminal, or wide enough for every table."""
    console = _Console(highlight=False)
    if not console.is_terminal:
        console.width = max(console.width, PIPE_WIDTH)
    return console


class _Console(Console):
    """Rich's own, which leaves out only some of the characters that terminals take for commands."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        return _safe(super().render(renderable, options))


def _safe(segments: Iterable[Segment]) -> Iterator[Segment]:
    for segment in segments:
        yield segment if segment.control else segment._replace(text=printable(segment.text))
