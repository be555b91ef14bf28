from __future__ import annotations

import collections
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube.client.lines import LineSplitter, LineTooLong

LINES = st.lists(st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]), max_size=20))


@given(LINES, st.binary(max_size=20).filter(lambda rest: b"\n" not in rest), st.data())
def test_any_chunking_gives_the_lines(lines: list[str], rest: bytes, draw: st.DataObject) -> None:
    """Lines come out as they went in, wherever the chunks are cut, and what follows the last newline does not."""
    content = "".join(f"{line}\n" for line in lines).encode() + rest
    cuts = sorted(draw.draw(st.lists(st.integers(0, len(content)), max_size=20)))
    splitter = LineSplitter()
    chunks = [content[start:end] for start, end in zip([0, *cuts], [*cuts, len(content)], strict=True)]
    got = [line for chunk in chunks for line in splitter.feed(chunk)]
    assert got == [line.encode() for line in lines]


def test_a_long_line_takes_time_by_its_length() -> None:
    """A line of 20 MB in chunks of 8 kB takes well under a second."""
    chunk = b"x" * 8192
    splitter = LineSplitter()
    start = time.perf_counter()
    for _ in range(20_000_000 // len(chunk)):
        assert splitter.feed(chunk) == []
    (line,) = splitter.feed(b"\n")
    assert time.perf_counter() - start < 1
    assert len(line) == 20_000_000 // 8192 * 8192


@pytest.mark.parametrize(
    "chunks",
    [
        [b"x" * 11],
        [b"x" * 6, b"x" * 5],
        [b"x" * 11 + b"\n"],
        [b"a\n" + b"x" * 11 + b"\nb\n"],
        [b"x" * 6, b"x" * 5 + b"\n"],
    ],
    ids=["at once", "in chunks", "with its newline", "among others", "completed"],
)
def test_a_line_over_the_limit_is_refused(chunks: list[bytes]) -> None:
    """A line longer than the limit is refused as soon as it is, however it comes."""
    splitter = LineSplitter(max_line=10)
    with pytest.raises(LineTooLong):
        collections.deque(map(splitter.feed, chunks), maxlen=0)


def test_a_line_at_the_limit_is_taken() -> None:
    """The limit is the longest line, and counts each line for itself."""
    splitter = LineSplitter(max_line=3)
    assert [line for _ in range(9) for line in splitter.feed(b"a\nxyz\n")] == [b"a", b"xyz"] * 9
