from __future__ import annotations

import pytest

from kube.sources.documents import Document, Stray, documents
from kube.sources.parsed import Unparsable


def of_yaml(text: str) -> list[Document | Stray]:
    """Return what a YAML file holds."""
    return list(documents(text.encode(), is_json=False))


def test_each_document_is_one() -> None:
    """A file holds its documents in their order; those without contents are none."""
    assert of_yaml("---\n# nothing\n---\nkind: A\n---\nkind: B\n---\n") == [
        Document(4, {"kind": "A"}),
        Document(6, {"kind": "B"}),
    ]


def test_a_comment_alone_holds_nothing() -> None:
    """A file with nothing but comments is in order, and holds nothing."""
    assert of_yaml("# nothing left\n") == []


@pytest.mark.parametrize("data", [b"", b" \n\t\n", b"\xef\xbb\xbf", b"\xef\xbb\xbf\n"])
@pytest.mark.parametrize("is_json", [False, True])
def test_an_empty_file_cannot_be_parsed(data: bytes, *, is_json: bool) -> None:
    """A file in which there is nothing at all is being written, and says what to do if it is not."""
    with pytest.raises(Unparsable, match="the file is empty: delete it, or leave a comment in it") as raised:
        list(documents(data, is_json=is_json))
    assert raised.value.line is None


@pytest.mark.parametrize("is_json", [False, True])
def test_a_byte_order_mark_is_no_contents(*, is_json: bool) -> None:
    """A byte-order mark in front of UTF-8 is left out."""
    assert list(documents(b'\xef\xbb\xbf{"kind": "A"}', is_json=is_json)) == [Document(1, {"kind": "A"})]


@pytest.mark.parametrize(
    ("data", "line"), [(b"a: 1\nb: \xff", 2), (b"a: 1\nb: \xed\xa0\x80", 2), ("\na: 1".encode("utf-16"), 1)]
)
def test_what_is_not_utf8_cannot_be_parsed(data: bytes, line: int) -> None:
    """Bytes that are not UTF-8 are said with their line."""
    with pytest.raises(Unparsable, match="the text is not UTF-8: save the file as UTF-8") as raised:
        list(documents(data, is_json=False))
    assert raised.value.line == line


def test_a_list_is_its_items() -> None:
    """The items of a List are objects of their own, with lines of their own, at any depth."""
    text = "apiVersion: v1\nkind: List\nitems:\n- kind: A\n- kind: List\n  items:\n  - kind: B\n- kind: C\n"
    assert of_yaml(text) == [
        Document(4, {"kind": "A"}),
        Document(7, {"kind": "B"}),
        Document(8, {"kind": "C"}),
    ]


def test_the_items_of_a_typed_list_are_what_it_says() -> None:
    """An item of a typed list has the list's kind and version, unless it has its own."""
    text = "apiVersion: x/v1\nkind: ThingList\nitems:\n- metadata: {}\n- {kind: Other, apiVersion: y/v1}\n"
    assert of_yaml(text) == [
        Document(4, {"apiVersion": "x/v1", "kind": "Thing", "metadata": {}}),
        Document(5, {"apiVersion": "y/v1", "kind": "Other"}),
    ]


def test_a_json_list_is_its_items() -> None:
    """A list as `kubectl get -o json` writes it is its items, which have the list's line."""
    data = b'\n{"kind": "List", "apiVersion": "v1",\n "items": [{"kind": "A"},\n {"kind": "B"}]}'
    assert list(documents(data, is_json=True)) == [Document(2, {"kind": "A"}), Document(2, {"kind": "B"})]


@pytest.mark.parametrize("items", ["", "null", "[]"])
def test_a_list_may_be_empty(items: str) -> None:
    """A list without items holds nothing."""
    assert of_yaml(f"kind: List\nitems: {items}\n") == []


def test_a_kind_that_only_sounds_like_a_list_is_an_object() -> None:
    """An object whose kind ends in List and that has no items is an object."""
    assert of_yaml("kind: AllowList\n") == [Document(1, {"kind": "AllowList"})]


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("\njust words", 2, "no object: a manifest is a mapping with apiVersion, kind and metadata"),
        ("- kind: A", 1, "no object: a manifest is a mapping with apiVersion, kind and metadata"),
        (
            "kind: List\nitems:\n- 1",
            1,
            "no object: a manifest is a mapping with apiVersion, kind and metadata",
        ),
        ("apiVersion: v1", 1, "an object without a kind: say what it is with apiVersion and kind"),
        ("kind: ''", 1, "an object without a kind: say what it is with apiVersion and kind"),
        ("kind: [A]", 1, "an object without a kind: say what it is with apiVersion and kind"),
        ("kind: ThingList\nitems: {a: 1}", 1, "the items of a ThingList must be a list"),
    ],
)
def test_what_is_no_object_is_said_so(text: str, line: int, reason: str) -> None:
    """Something that stands where an object belongs is told with its line, and what follows is read."""
    assert of_yaml(text + "\n---\nkind: B\n")[:-1] == [Stray(line, reason)]
