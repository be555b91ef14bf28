import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.examples import examples
from tests.support.pki import block
from tests.xds.translate.ca_boringssl import read_pem
from xds.translate import pem

ONE = block("CERTIFICATE", bytes(range(200)))
OTHER = block("X509 CRL", b"other" * 30)
ONE_LINES = ONE.splitlines(keepends=True)


def with_line(index: int, line: bytes) -> bytes:
    """Return ONE with another line in this place."""
    return b"".join([*ONE_LINES[:index], line, *ONE_LINES[index + 1 :]])


def clean(der: bytes) -> dict[str, bytes]:
    """Return texts with one clean block."""
    one = block("CERTIFICATE", der)
    begin, *others = one.splitlines(keepends=True)
    return {
        "alone": one,
        "CRLF": one.replace(b"\n", b"\r\n"),
        "no final newline": one.rstrip(b"\n"),
        "text around": b"# a comment\nsubject=CN=\xc3\x9cmlaut, \xff\n" + one + b"trailing text",
        "spaces and NUL at the ends of boundaries": one.replace(b"E-----\n", b"E----- \t\0\n"),
        "indented base64": begin + b"  \t" + b"".join(others),
        "base64 in one line": block("CERTIFICATE", der, width=9999),
        "base64 in lines of three": block("CERTIFICATE", der, width=3),
        "a blank line first": begin + b"\r\n" + b"".join(others),
        "every line followed by a blank one": one.replace(b"\n", b"\n\n"),
        "hundreds of spaces behind boundaries": one.replace(b"E-----\n", b"E-----" + b" " * 600 + b"\n"),
        "a BEGIN line in a comment": b"  # -----BEGIN CERTIFICATE-----\n" + one,
        "a block in comments": b"".join(b"#" + line for line in (begin, *others)) + one,
    }


CLEAN = clean(bytes(range(200)))


@pytest.mark.parametrize("text", CLEAN.values(), ids=CLEAN)
def test_what_envoy_reads_as_it_is_meant_is_clean(text: bytes) -> None:
    """Text around blocks, line ends and the layout of base64 leave a block what it is."""
    framing = pem.frame(text)
    (found,) = framing.blocks
    assert (found.label, pem.decode(found)) == ("CERTIFICATE", bytes(range(200)))
    assert framing.oddities == ()
    assert not pem.has_odd_layout(found)


def test_blocks_are_numbered_and_know_their_line() -> None:
    """A block's number counts blocks, its line counts lines, both from 1."""
    framing = pem.frame(b"text\n\n" + ONE + b"more\n" + OTHER)
    assert [(found.number, found.line, found.label) for found in framing.blocks] == [
        (1, 3, "CERTIFICATE"),
        (2, 3 + len(ONE_LINES) + 1, "X509 CRL"),
    ]
    assert framing.blocks[0].where == "block 1 (line 3)"


@pytest.mark.parametrize("between", [b"", b" ", b"\t ", b"\r"])
def test_joined_blocks_are_told_apart(between: bytes) -> None:
    """Files that were joined without a newline yield all their blocks, and the line on which two of them meet."""
    framing = pem.frame(ONE.rstrip(b"\n") + between + OTHER.rstrip(b"\n") + ONE)
    assert [found.label for found in framing.blocks] == ["CERTIFICATE", "X509 CRL", "CERTIFICATE"]
    first_meeting = len(ONE_LINES)
    assert framing.oddities[0] == pem.Oddity("joined", first_meeting)
    assert [oddity.kind for oddity in framing.oddities] == ["joined", "joined"]
    assert framing.blocks[1].line == first_meeting


def test_a_byte_order_mark_hides_no_block() -> None:
    """A byte-order mark before a block, first of all or within joined files, is an oddity and nothing else."""
    framing = pem.frame(pem.BOM + ONE + pem.BOM + OTHER.rstrip(b"\n") + pem.BOM + ONE)
    assert len(framing.blocks) == 3
    assert [(oddity.kind, oddity.line) for oddity in framing.oddities] == [
        ("byte-order mark", 1),
        ("byte-order mark", len(ONE_LINES) + 1),
        ("joined", framing.blocks[2].line),
        ("byte-order mark", framing.blocks[2].line),
    ]


ODD_LAYOUTS = {
    "a blank line in the middle": with_line(2, b" \n" + ONE_LINES[2]),
    "a blank line before the end": with_line(len(ONE_LINES) - 1, b"\n" + ONE_LINES[-1]),
    "a line of 253 characters": block("CERTIFICATE", bytes(range(256)), width=253),
    "a line of 506 characters": block("CERTIFICATE", bytes(512), width=506),
    "a line with 253 spaces at its end": with_line(2, ONE_LINES[2].rstrip() + b" " * 300 + b"\n"),
}


@pytest.mark.parametrize("text", ODD_LAYOUTS.values(), ids=ODD_LAYOUTS)
def test_line_ends_that_envoy_fails_over_are_noticed(text: bytes) -> None:
    """A blank line behind the first one, or what counts as one, is an odd layout of a block that decodes."""
    (found,) = pem.frame(text).blocks
    assert pem.decode(found)
    assert pem.has_odd_layout(found)


def test_a_line_of_252_or_254_characters_is_no_odd_layout() -> None:
    """Only a line whose length is a multiple of 253 leaves an empty piece behind."""
    for width in (252, 254):
        (found,) = pem.frame(block("CERTIFICATE", bytes(600), width=width)).blocks
        assert not pem.has_odd_layout(found)


MALFORMED = {
    "not terminated": (ONE + b"".join(ONE_LINES[:-1]), r"block 2 \(line 8\) is not terminated: no END line"),
    "not terminated, then another": (
        b"".join(ONE_LINES[:-1]) + OTHER,
        r"block 1 \(line 1\) is not terminated: another block begins on line 7",
    ),
    "BEGIN at the very end": (ONE + b"-----BEGIN CERTIFICATE-----", r"block 2 \(line 8\) is not terminated"),
    "another label at the end": (
        with_line(len(ONE_LINES) - 1, b"-----END X509 CRL-----\n"),
        r"block 1 \(line 1\) is not terminated: the END line 7 is damaged, or ends another kind",
    ),
    "a damaged END line": (with_line(len(ONE_LINES) - 1, b"-----END CERTIFICATE----\n"), "line 7 is damaged"),
    "END on the last line of base64": (
        ONE.replace(b"\n-----END", b"-----END"),
        "something stands before the END",
    ),
    "END indented": (
        ONE.replace(b"-----END", b" -----END"),
        "something stands before the END boundary on line 7",
    ),
    "text behind END": (ONE.rstrip(b"\n") + b" # end\n", "line 7: something stands behind an END boundary"),
    "BEGIN indented": (b" " + ONE, "line 1: a PEM boundary has to begin its line"),
    "BEGIN quoted": (b'"' + ONE, "line 1: a PEM boundary has to begin its line"),
    "NUL before BEGIN": (ONE + b"\0" + ONE, "line 8: a PEM boundary has to begin its line"),
    "text behind BEGIN": (ONE.replace(b"E-----\n", b"E-----x\n", 1), "line 1: a BEGIN boundary is damaged"),
    "base64 behind BEGIN": (ONE.replace(b"E-----\n", b"E-----", 1), "line 1: a BEGIN boundary is damaged"),
    "all on one line": (ONE.replace(b"\n", b" "), "line 1: a BEGIN boundary is damaged"),
    "carriage returns alone": (ONE.replace(b"\n", b"\r"), "line 1: a BEGIN boundary is damaged"),
    "newlines written as \\n": (ONE.replace(b"\n", b"\\n"), "line 1: a BEGIN boundary is damaged"),
    "a no-break space behind BEGIN": (
        with_line(0, b"-----BEGIN CERTIFICATE-----\xc2\xa0\n"),
        "line 1: a BEGIN",
    ),
    "an endless label": (block("X" * 65, b"x"), "line 1: a BEGIN boundary is damaged"),
    "BEGIN damaged": (ONE[1:], "line 7: no BEGIN line belongs to this END line"),
    "END first": (ONE_LINES[-1] + ONE, "line 1: no BEGIN line belongs to this END line"),
    "END again": (ONE + ONE_LINES[-1], "line 8: no BEGIN line belongs to this END line"),
    "a comment so long that Envoy might see a boundary": (
        b"#" * 253 + ONE,
        "line 1: a PEM boundary has to begin its line",
    ),
}


@pytest.mark.parametrize(("text", "message"), MALFORMED.values(), ids=MALFORMED)
def test_a_boundary_that_is_not_by_the_letter_is_an_error(text: bytes, message: str) -> None:
    """A boundary without a partner, or not alone on its line, is named with its block or line."""
    with pytest.raises(pem.PemError, match=message):
        pem.frame(text)


UNDECODABLE = {
    "a letter that is none of base64's": (with_line(1, b"*" + ONE_LINES[1][1:]), "is damaged"),
    "a NUL": (with_line(1, b"\0" + ONE_LINES[1]), "is damaged"),
    "a letter missing": (with_line(1, ONE_LINES[1][1:]), "is damaged"),
    "padding in excess": (with_line(len(ONE_LINES) - 2, ONE_LINES[-2].rstrip() + b"====\n"), "is damaged"),
    "padding where none is due": (
        block("CERTIFICATE", b"123").replace(b"\n-----END", b"====\n-----END"),
        "is damaged",
    ),
    "text behind padding": (
        block("CERTIFICATE", b"1234").replace(b"\n-----END", b"MTIz\n-----END"),
        "is damaged",
    ),
    "nothing": (ONE_LINES[0] + ONE_LINES[-1], "is empty"),
    "headers": (with_line(0, ONE_LINES[0] + b"Proc-Type: 4,ENCRYPTED\n\n"), "has header lines"),
}


@pytest.mark.parametrize(("text", "message"), UNDECODABLE.values(), ids=UNDECODABLE)
def test_a_body_that_is_no_base64_is_an_error(text: bytes, message: str) -> None:
    """A body that stands for no bytes is named with its block, and none of it is repeated."""
    (found,) = pem.frame(text).blocks
    with pytest.raises(pem.PemError, match=rf"^block 1 \(line 1\), CERTIFICATE, {message}") as caught:
        pem.decode(found)
    assert ONE_LINES[2].decode().strip() not in str(caught.value)


@given(st.binary(min_size=1, max_size=300))
def test_what_is_encoded_decodes_to_itself(data: bytes) -> None:
    """A block that was written is clean and holds the same bytes."""
    framing = pem.frame(pem.encode("X509 CRL", data))
    (found,) = framing.blocks
    assert (found.label, pem.decode(found), framing.oddities) == ("X509 CRL", data, ())
    assert not pem.has_odd_layout(found)


def test_encoding_writes_lines_of_64_characters() -> None:
    """The layout is that of RFC 7468, as every tool writes it."""
    assert pem.encode("CERTIFICATE", bytes(range(200))) == ONE


PIECES = st.sampled_from(
    [
        *(ONE, OTHER, block("CERTIFICATE", bytes(512), width=506), block("FOO", b"foo", newline=b"\r\n")),
        *(
            b"-----BEGIN CERTIFICATE-----",
            b"-----END CERTIFICATE-----",
            b"-----BEGIN ",
            b"-----END ",
            b"-----",
            b"-",
        ),
        *(
            b"\n",
            b"\n\n",
            b"\r\n",
            b"\r",
            b" ",
            b"\t",
            b"\0",
            b"\x0b",
            b"\xa0",
            pem.BOM,
            b"#",
            b"text",
            b"AAAA",
            b"=",
        ),
        *(b" " * 253, b"x" * 252, b"x" * 253, b"A: b\n"),
    ]
)


@settings(max_examples=examples(300), deadline=None)
@given(st.lists(PIECES, max_size=12).map(b"".join), st.data())
def test_envoys_reader_sees_the_same_blocks_in_what_is_clean(text: bytes, data: st.DataObject) -> None:
    """What has no oddity reads the same with BoringSSL's own algorithm, on x86 and on ARM."""
    at = data.draw(st.integers(0, len(text)))
    text = text[:at] + data.draw(PIECES) + text[at:]
    try:
        framing = pem.frame(text)
        decoded = [(found.label.encode(), pem.decode(found)) for found in framing.blocks]
    except pem.PemError:
        return
    if not framing.oddities and not any(map(pem.has_odd_layout, framing.blocks)):
        assert decoded == read_pem(text, signed=True) == read_pem(text, signed=False)


HOSTILE = {
    "dashes": b"-",
    "newlines": b"\n",
    "spaces": b" ",
    "BEGIN": b"-----BEGIN ",
    "comments": b"# -----BEGIN \n",
    "one comment": b"#-----BEGIN ",
    "blocks": b"-----BEGIN A-----\n-----END A-----\n",
    "joined blocks": b"-----BEGIN A-----\n-----END A-----",
    "byte-order marks": pem.BOM + b"-----BEGIN A-----\n-----END A-----\n",
    "spaces in a block": b"-----BEGIN A-----\n" + b" " * 50,
}


@pytest.mark.parametrize("unit", HOSTILE.values(), ids=HOSTILE)
def test_framing_takes_time_in_proportion_to_the_length(unit: bytes) -> None:
    """Eight times the text takes about eight times as long, not sixty-four times."""
    short = unit * (100_000 // len(unit))
    assert seconds_to_frame(short * 8) < 0.2 + 24 * seconds_to_frame(short)


def seconds_to_frame(text: bytes) -> float:
    """Return the least processor time of three runs."""
    times = []
    for _ in range(3):
        start = time.process_time()
        try:
            for found in pem.frame(text).blocks:
                pem.has_odd_layout(found)
        except pem.PemError:
            pass
        times.append(time.process_time() - start)
    return min(times)
