"""What the parsers of both syntaxes give: a document with its lines, or what is wrong and where.

Nothing here holds or quotes contents: a manifest may be a Secret, so a reason says what is wrong, never what
stands there. The one exception are the names of equal keys, where they look like names.
"""

import re
from typing import Any, Final, NamedTuple

_NAME: Final = re.compile(r"[A-Za-z0-9._/-]{1,63}")


class Parsed(NamedTuple):
    """One document: its contents, the line it begins in (from 1), and the line of each mapping, by `id()`.

    JSON's parser knows the lines of documents only: its mappings have none.
    """

    content: Any
    line: int
    lines: dict[int, int]


class Unparsable(ValueError):  # noqa: N818 - it states what the file is; nothing went wrong in the program
    """The contents of a file cannot be understood, from `line` (from 1, or None) on; `reason` says why."""

    def __init__(self, line: int | None, reason: str) -> None:
        self.line = line
        self.reason = reason
        super().__init__(reason if line is None else f"line {line}: {reason}")


def the_key(key: str) -> str:
    """Return words for a key: with its name, unless that is so odd that it may be a value gone astray."""
    return f'the key "{key}"' if _NAME.fullmatch(key) else "a key"
