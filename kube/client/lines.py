"""Bytes as they come from a connection, cut into lines. Pure; linear in the input, however it is chunked."""

from typing import Final

MAX_LINE: Final = 64 * 1024 * 1024
"""Bytes of a line. etcd's largest object has 1.5 MiB unless told otherwise; its JSON may have several times as many."""


class LineTooLong(Exception):  # noqa: N818  # says what was met
    """A line has more than MAX_LINE bytes."""


class LineSplitter:
    """Takes chunks and gives the lines that they complete, without their newlines.

    What follows the last newline is kept for the next chunk. At the end it may be half a line: whoever reads drops it.
    """

    def __init__(self, max_line: int = MAX_LINE) -> None:
        self._max_line = max_line
        self._begun: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> list[bytes]:
        """Return the lines that this chunk completes; raise LineTooLong as soon as one is."""
        first, *others = chunk.split(b"\n")
        self._begin(first)
        if not others:
            return []
        lines = [b"".join(self._begun), *others[:-1]]
        if any(len(line) > self._max_line for line in lines):
            raise LineTooLong
        self._begun, self._size = [], 0
        self._begin(others[-1])
        return lines

    def _begin(self, part: bytes) -> None:
        self._begun.append(part)
        self._size += len(part)
        if self._size > self._max_line:
            raise LineTooLong
