"""Answers of an API server as bytes: they are understood, or said not to be, and nothing else happens."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube.informer import wire
from kube.informer.wire import ObjectMeta, Status, Unintelligible

if TYPE_CHECKING:
    from collections.abc import Callable

DEEP = b"[" * 100_000 + b"]" * 100_000


def as_raw(decode: Callable[[msgspec.Raw], object]) -> Callable[[bytes], object]:
    """Return what takes bytes in the place of a part of an answer."""
    return lambda data: decode(msgspec.Raw(data))


DECODERS = [wire.page, wire.event, as_raw(wire.meta), as_raw(wire.status)]
IDS = ["page", "event", "meta", "status"]
KEYS = st.sampled_from(
    ["metadata", "items", "type", "object", "name", "namespace", "resourceVersion", "continue", "code"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


def test_a_page() -> None:
    """Of a list the version, the place of the next page, and each object's own bytes are taken."""
    found = wire.page(
        b'{"kind":"SecretList","metadata":{"resourceVersion":"12","continue":"abc","remainingItemCount":3},'
        b'"items":[{"metadata":{"name":"a"}},{ "b": 1 }]}'
    )
    assert (found.metadata.resource_version, found.metadata.continue_) == ("12", "abc")
    assert [bytes(item) for item in found.items] == [b'{"metadata":{"name":"a"}}', b'{ "b": 1 }']


def test_the_last_page() -> None:
    """A list without a place of a next page is its last one."""
    assert wire.page(b'{"metadata":{"resourceVersion":"12"},"items":[]}').metadata.continue_ == ""


@pytest.mark.parametrize("kind", ["ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"])
def test_an_event(kind: str) -> None:
    """Of a watch's line the type and the object's own bytes are taken."""
    found = wire.event(b'{"type":"%s","object":{"metadata": {}}}' % kind.encode())
    assert (found.type, bytes(found.object)) == (kind, b'{"metadata": {}}')


def test_meta() -> None:
    """Of an object name, namespace and version are taken, whatever the rest of it is."""
    document = b'{"spec":[],"metadata":{"name":"a","namespace":"b","resourceVersion":"7","labels":{"x":"y"}}}'
    assert wire.meta(msgspec.Raw(document)) == ObjectMeta("a", "b", "7")


def test_status() -> None:
    """Of what an ERROR event carries code, reason and message are taken, as far as they are there."""
    assert wire.status(msgspec.Raw(b'{"kind":"Status","code":410,"reason":"Expired"}')) == Status(
        410, "Expired"
    )


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"404 page not found\n",
        b'{"items":[]}',
        b'{"metadata":{"resourceVersion":""},"items":[]}',
        b'{"metadata":{"resourceVersion":"1"}}',
        b'{"metadata":{"resourceVersion":"1"},"items":null}',
        b'{"metadata":{"resourceVersion":"1"},"items":[{"a"',
        b'{"metadata":{"resourceVersion":"1"},"items":[' + DEEP + b"]}",
        b'{"metadata":{"resourceVersion":"\xff"},"items":[]}',
    ],
)
def test_no_page(body: bytes) -> None:
    """What is no whole list of objects with a version is said to be none, with its length."""
    with pytest.raises(Unintelligible, match=f"^{len(body)} bytes that are no list"):
        wire.page(body)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{}",
        b'{"type":"ADDED"}',
        b'{"type":"NEWS","object":{}}',
        b'{"type":"\xff","object":{}}',
        b'{"type":"ADDED","object":{"a":',
        b'{"type":"ADDED","object":' + DEEP + b"}",
    ],
)
def test_no_event(line: bytes) -> None:
    """What is no whole event of a known type is said to be none, with its length."""
    with pytest.raises(Unintelligible, match=f"^{len(line)} bytes that are no watch event"):
        wire.event(line)


@pytest.mark.parametrize("document", [b"5", b"{}", b'{"metadata":5}', b'{"metadata":{"name":"\xff"}}', DEEP])
def test_no_meta(document: bytes) -> None:
    """What has no metadata is said to have none."""
    with pytest.raises(Unintelligible, match="without metadata"):
        wire.meta(msgspec.Raw(document))


@pytest.mark.parametrize("decode", DECODERS, ids=IDS)
@given(data=st.data())
def test_any_bytes(decode: Callable[[bytes], object], data: st.DataObject) -> None:
    """Bytes of any kind are a value, or Unintelligible."""
    content = data.draw(st.binary(max_size=60))
    with suppress(Unintelligible):
        decode(content)


@pytest.mark.parametrize("decode", DECODERS, ids=IDS)
@given(data=st.data())
def test_any_json(decode: Callable[[bytes], object], data: st.DataObject) -> None:
    """JSON of any shape, cut anywhere, with any byte in it, is a value, or Unintelligible."""
    content = bytearray(json.dumps(data.draw(JSON)).encode())
    content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with suppress(Unintelligible):
        decode(bytes(content[: data.draw(st.integers(0, len(content)))]))
