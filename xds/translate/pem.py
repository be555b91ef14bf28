"""PEM as Envoy reads it: which blocks a text holds, and whether Envoy would see the very same ones.

Envoy reads `trusted_ca` with BoringSSL's PEM_X509_INFO_read_bio (crypto/pem). A boundary that this does not
recognise is mere text, so the block behind it is lost without a word, and one broken block fails the whole
bundle. Other parsers are lenient where it is strict, and the other way round. So the framing is done here, by
the letter: every boundary on a line of its own, else it is a PemError. What people really do, joining files
without a newline and saving them with a byte-order mark, is seen for what it is, as is a layout between the
boundaries that Envoy stumbles over: the caller encodes such a text anew.

Nothing here knows what a block holds, and no message repeats any of it.
"""

import binascii
import re
from typing import Final, Literal, NamedTuple

BOM: Final = b"\xef\xbb\xbf"
_BEGIN: Final = b"-----BEGIN "
_DASHES: Final = b"-----"
_BOUNDARY: Final = re.compile(rb"-----(?:BEGIN|END) ")
_BLANK: Final = bytes(range(33))
"""What BoringSSL strips from the end of a line. (Bytes above 127 too, but on x86 alone.)"""
_WHITESPACE: Final = b" \t\r\n"
"""What BoringSSL skips within base64."""
_PIECE: Final = 253
"""Bytes that BoringSSL reads at a time: what is left of a longer line counts as a further line."""
_MAX_LABEL: Final = 64
_MAX_PADDING: Final = 2
_LINE: Final = 64
"""Characters of base64 in a line as it is written (RFC 7468, section 2)."""

OddityKind = Literal["joined", "byte-order mark", "layout"]


class PemError(ValueError):
    """A text that cannot be framed or decoded; the message says which block, on which line, and why."""


class Block(NamedTuple):
    """What stands between two boundaries.

    `number` counts blocks from 1, `line` is that of the BEGIN line, from 1 too. `body` is not decoded yet.
    """

    number: int
    line: int
    label: str
    body: bytes

    @property
    def where(self) -> str:
        """The place, as messages name it."""
        return f"block {self.number} (line {self.line})"


class Oddity(NamedTuple):
    """Something that makes Envoy reject or misread a text whose meaning is clear all the same."""

    kind: OddityKind
    line: int


class Framing(NamedTuple):
    """The blocks of a text, in order, and the oddities of the boundaries."""

    blocks: tuple[Block, ...]
    oddities: tuple[Oddity, ...]


def frame(text: bytes) -> Framing:
    """Find the blocks of a PEM text, in time linear to its length.

    Text around blocks is skipped. A boundary in a comment (a line that begins with "#") is text as well.
    Raises PemError for any other boundary that has no partner, or is not alone on its line.
    """
    return _Framer(text).frame()


def decode(block: Block) -> bytes:
    """Return the bytes that a block's base64 stands for. Raises PemError."""
    text = block.body.translate(None, _WHITESPACE)
    padding = len(text) - len(text.rstrip(b"="))
    try:
        data = binascii.a2b_base64(text, strict_mode=True)
    except binascii.Error:
        data = None
    if data is None or len(text) % 4 or padding > _MAX_PADDING:  # strict_mode overlooks "=" in excess
        reason = (
            "has header lines, which Envoy takes for encryption"
            if b":" in block.body
            else "is damaged: what stands between its boundaries is not base64"
        )
        raise PemError(f"{block.where}, {block.label}, {reason}")
    if not data:
        raise PemError(f"{block.where}, {block.label}, is empty")
    return data


def encode(label: str, data: bytes) -> bytes:
    """Return a block by the letter of RFC 7468."""
    text = binascii.b2a_base64(data, newline=False)
    lines = [text[at : at + _LINE] for at in range(0, len(text), _LINE)]
    name = label.encode()
    return b"\n".join((b"-----BEGIN %b-----" % name, *lines, b"-----END %b-----\n" % name))


def has_odd_layout(block: Block) -> bool:
    """Whether Envoy fails over the line ends of a block that decodes.

    It takes what stands before the first blank line for headers, unless that line is the first of all. And
    where it has read a piece of a line, what is left counts as a line, even if nothing is left.
    """
    lines = block.body.split(b"\n")
    lines.pop()  # behind the last newline there is no line
    if lines and len(max(lines, key=len)) >= _PIECE:
        lines = [line[at : at + _PIECE] for line in lines for at in range(0, len(line) + 1, _PIECE)]
    blank = [not line.strip(_BLANK) for line in lines]
    return any(blank) and not blank[0]


class _Framer:
    """How far a text is read (`_at`), and what was found before."""

    def __init__(self, text: bytes) -> None:
        self._text = text
        self._at = 0
        self._line = 1
        self._counted_to = 0
        self._blocks: list[Block] = []
        self._oddities: list[Oddity] = []

    def frame(self) -> Framing:
        if self._text.startswith(BOM):
            self._oddities.append(Oddity("byte-order mark", 1))
        while (begin := self._next_begin()) is not None:
            self._read_block(begin)
        return Framing(tuple(self._blocks), tuple(self._oddities))

    def _next_begin(self) -> int | None:
        """Return where the next BEGIN boundary stands, or None when only text is left."""
        text = self._text
        while found := _BOUNDARY.search(text, self._at):
            begin = found.start()
            start_of_line = max(self._at, text.rfind(b"\n", self._at, begin) + 1)
            before = text[start_of_line:begin]
            if before.lstrip(_WHITESPACE).startswith(b"#"):
                end_of_line = self._end_of_line(begin)
                if end_of_line - start_of_line < _PIECE:  # of a longer comment Envoy might see a boundary
                    self._at = end_of_line
                    continue
            line = self._line_number(begin)
            if before not in (b"", BOM):
                raise PemError(
                    f"line {line}: a PEM boundary has to begin its line, and something stands before it"
                )
            if not text.startswith(_BEGIN, begin):
                raise PemError(
                    f"line {line}: no BEGIN line belongs to this END line; that block's first line is damaged"
                )
            if before and start_of_line > 0:
                self._oddities.append(Oddity("byte-order mark", line))
            return begin
        return None

    def _read_block(self, begin: int) -> None:
        """Add the block whose BEGIN boundary stands at `begin`, and go on behind its END line."""
        text = self._text
        number, line = len(self._blocks) + 1, self._line_number(begin)
        body = self._end_of_line(begin) + 1
        boundary = text[begin:body].rstrip(_BLANK)
        label = boundary[len(_BEGIN) : -len(_DASHES)]
        if (
            not boundary.endswith(_DASHES)
            or _DASHES in label
            or not label.isascii()
            or len(label) > _MAX_LABEL
        ):
            raise PemError(f"line {line}: a BEGIN boundary is damaged, or something stands behind it")
        boundary = b"-----END %b-----" % label
        found = _BOUNDARY.search(text, body)
        end = found.start() if found else len(text)
        if not text.startswith(boundary, end) or text[end - 1 : end] != b"\n":
            raise PemError(f"block {number} (line {line}) is not terminated: {self._what_instead(end)}")
        self._blocks.append(Block(number, line, label.decode(), text[body:end]))
        end += len(boundary)
        self._at = self._end_of_line(end)
        behind = text[end : self._at].strip(_BLANK)
        if behind:
            line = self._line_number(end)
            if not behind.removeprefix(BOM).startswith(_BEGIN):
                raise PemError(
                    f"line {line}: something stands behind an END boundary, which has to end its line"
                )
            self._oddities.append(Oddity("joined", line))
            self._at = text.index(behind, end)

    def _what_instead(self, at: int) -> str:
        """Return what stands where a block's END line should: the next boundary, or nothing."""
        if at == len(self._text):
            return "no END line follows"
        line = self._line_number(at)
        if self._text.startswith(_BEGIN, at):
            return f"another block begins on line {line} before its END line"
        if self._text[at - 1 : at] != b"\n":
            return f"something stands before the END boundary on line {line}"
        return f"the END line {line} is damaged, or ends another kind of block"

    def _end_of_line(self, at: int) -> int:
        end = self._text.find(b"\n", at)
        return len(self._text) if end < 0 else end

    def _line_number(self, at: int) -> int:
        """Return the line of a position, which is never before that of an earlier call."""
        self._line += self._text.count(b"\n", self._counted_to, at)
        self._counted_to = at
        return self._line
