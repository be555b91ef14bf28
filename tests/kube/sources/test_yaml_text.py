from __future__ import annotations

import pytest

from kube.sources.parsed import Unparsable
from kube.sources.yaml_text import MAX_DEPTH, parse_yaml


def contents(text: str) -> list[object]:
    """Return the contents of each document."""
    return [parsed.content for parsed in parse_yaml(text.encode())]


def error(text: str) -> Unparsable:
    """Return why a text cannot be parsed."""
    with pytest.raises(Unparsable) as raised:
        contents(text)
    return raised.value


def test_documents_have_the_lines_they_begin_in() -> None:
    """Each document's line is that of its first value, each mapping's that of its first key."""
    text = "# comment\n---\na: 1\nb:\n  - c: 2\n...\n---\n\nd: 3\n"
    first, second = parse_yaml(text.encode())
    assert (first.content, first.line) == ({"a": 1, "b": [{"c": 2}]}, 3)
    assert first.lines[id(first.content["b"][0])] == 5
    assert (second.content, second.line) == ({"d": 3}, 9)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("443", 443),
        ("-1", -1),
        ("0x1F", 31),
        ("0b11", 3),
        ("010", 8),
        ("0o10", 8),
        ("1_000", 1000),
        ("08", 8.0),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("9" * 5000, float("inf")),
        ("yes", True),
        ("Off", False),
        ("true", True),
        ("~", None),
        ("null", None),
        ("", None),
        ("'443'", "443"),
        ('"yes"', "yes"),
        ("!!str 443", "443"),
        ("10.0.0.1", "10.0.0.1"),
        ("10.0", 10.0),
        ("1.2.3", "1.2.3"),
        ("12:30", "12:30"),
        ("2026-01-31", "2026-01-31"),
        ("2026-01-31T10:00:00Z", "2026-01-31T10:00:00Z"),
        ("=", "="),
        ("+", "+"),
        (".", "."),
        ("١٢", "١٢"),
        ("|\n  a\n  b\n", "a\nb\n"),
        (">-\n  a\n  b\n", "a b"),
    ],
)
def test_words_mean_what_they_mean_to_kubectl(text: str, value: object) -> None:
    """A word without quotes is the number, truth value, null or text that sigs.k8s.io/yaml takes it for."""
    (content,) = contents(f"a: {text}")
    assert content == {"a": value}
    assert isinstance(content, dict)
    assert type(content["a"]) is type(value)


def test_keys_are_text() -> None:
    """A key is the text that stands there, whatever it would mean as a value."""
    assert contents("1: a\nyes: b\n? c\n: d\n") == [{"1": "a", "yes": "b", "c": "d"}]


def test_aliases_stand_for_what_they_name() -> None:
    """An alias is the value that its anchor marks, in every place; an anchor may be set anew."""
    assert contents("a: &x [1]\nb: *x\nc: &x 2\nd: *x\n") == [{"a": [1], "b": [1], "c": 2, "d": 2}]


def test_merge_keys_bring_what_is_not_there() -> None:
    """A merge key brings the keys of a mapping, or of several of which the first counts, that are not given beside it."""
    text = "x: &x {p: 1, q: 1}\ny: &y {q: 2, r: 2}\none: {<<: *x, p: 9}\nboth: {p: 9, <<: [*x, *y]}\n"
    (content,) = contents(text)
    assert isinstance(content, dict)
    assert content["one"] == {"p": 9, "q": 1}
    assert content["both"] == {"p": 9, "q": 1, "r": 2}
    assert contents("'<<': 1") == [{"<<": 1}]


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, 'the key "a" stands twice in one mapping, first in line 1: remove one'),
        ("- {a: 1,\n   a: 2}", 2, 'the key "a" stands twice in one mapping, first in line 1: remove one'),
        (
            "a: 1\n---\nb: 1\nb: 2\n",
            4,
            'the key "b" stands twice in one mapping, first in line 3: remove one',
        ),
        ("- <<: {a: 1}\n  <<: {b: 1}", 2, "a key stands twice in one mapping, first in line 1: remove one"),
        ("a:\n\tb: 1", 2, "a tab: YAML is indented with spaces (column 1)"),
        ("a: b: c", 1, "mapping values are not allowed in this context (column 5)"),
        (
            'a: 1\nb: "x\n\n\n',
            5,
            "found unexpected end of stream while scanning a quoted scalar that begins in line 2 (column 1)",
        ),
        ("{", 1, "did not find expected node content while parsing a flow node (column 1)"),
        ("a: é\nb: \x01\n", 2, "a control character, which YAML does not allow: is this a text file?"),
        ("a: *b", 1, "an alias (*) of something that is not defined before it"),
        ("a: &a\n  b: *a", 2, "an alias (*) of something that is not defined before it"),
        ("a: !x b", 1, "a tag (!) that a manifest cannot have: remove it, or put the value in quotes"),
        ("a: !!int '1'", 1, "a tag (!) that a manifest cannot have: remove it, or put the value in quotes"),
        ("a: !!set {b}", 1, "a tag (!) that a manifest cannot have: remove it, or put the value in quotes"),
        ("a: !!omap [b]", 1, "a tag (!) that a manifest cannot have: remove it, or put the value in quotes"),
        ("a: 1\n[b]: 2", 2, "a key of a mapping must be plain text"),
        ("a: 1\n<<: 2", 2, "a merge key (<<) takes a mapping or a list of mappings"),
        ("%YAML 9.9\n---\na", 1, "found incompatible YAML document (column 1)"),
    ],
)
def test_an_error_says_where_and_why(text: str, line: int, reason: str) -> None:
    """What is wrong is said with its line and, for syntax, its column."""
    found = error(text)
    assert (found.line, found.reason) == (line, reason)
    assert str(found) == f"line {line}: {reason}"


@pytest.mark.parametrize("text", ["[" * 200_000, "- " * 20_000 + "x", "{a: " * 20_000])
def test_deep_nesting_is_an_error(text: str) -> None:
    """Nesting that would exhaust the stack of PyYAML's composer, and end the process, is refused."""
    assert error(text).reason == f"nested deeper than {MAX_DEPTH} levels, which no manifest is"


def test_nesting_as_deep_as_allowed_is_read() -> None:
    """The deepest nesting that is allowed is read."""
    assert len(contents("[" * MAX_DEPTH + "]" * MAX_DEPTH)) == 1


def test_aliases_of_aliases_are_counted() -> None:
    """A few lines of aliases that stand for a billion values are refused before anything is made of them."""
    lines = ["a0: &a0 [0, 0, 0, 0, 0, 0, 0, 0, 0, 0]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    found = error("\n".join(lines))
    assert (found.line, found.reason) == (5, "aliases (*) that stand for more than 100000 values")
