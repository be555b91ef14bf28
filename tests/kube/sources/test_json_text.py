from __future__ import annotations

import pytest

from kube.sources.json_text import parse_json
from kube.sources.parsed import Unparsable


def test_documents_may_follow_each_other() -> None:
    """Several values in a row are several documents, each with the line it begins in."""
    parsed = list(parse_json('{"a": 1}\n\n {"b":\n 2}{"c": 3}\n'))
    assert [(document.content, document.line) for document in parsed] == [
        ({"a": 1}, 1),
        ({"b": 2}, 3),
        ({"c": 3}, 4),
    ]


def test_escapes_are_characters() -> None:
    """A pair of escapes outside the basic plane is one character."""
    (parsed,) = parse_json(r'{"a": "\ud83d\ude00 \u00e9"}')
    assert parsed.content == {"a": "\U0001f600 \xe9"}


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ('{"a": 1,\n "a": 2}', 2, 'the key "a" stands twice in the object that ends here: remove one'),
        (
            '{"x": {}}\n{"a": [{"s": "}\\""},\n{"b": 1,\n"b": 2\n}]}',
            5,
            'the key "b" stands twice in the object that ends here: remove one',
        ),
        ('{"a b": 1, "a b": 2}', 1, "a key stands twice in the object that ends here: remove one"),
        ('{"a": 1,\n}', 2, "Expecting property name enclosed in double quotes (column 1)"),
        ('{"a": 1}\nx', 2, "Expecting value (column 1)"),
        ('{"a": 1}\n{"a": NaN}', 2, "a number that no field can hold"),
        ('{"a": ' + "9" * 5000 + "}", 1, "a number that no field can hold"),
        ("\n" + "[" * 100_000, 2, "nested deeper than any manifest is"),
        (
            '{"a": "\\ud83d"}',
            1,
            "an escape that is half a character (\\ud800 to \\udfff) without its other half",
        ),
    ],
)
def test_an_error_says_where_and_why(text: str, line: int, reason: str) -> None:
    """What is wrong is said with its line."""
    with pytest.raises(Unparsable) as raised:
        list(parse_json(text))
    assert (raised.value.line, raised.value.reason) == (line, reason)
