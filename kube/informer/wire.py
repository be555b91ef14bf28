"""What the API server sends for lists and watches, as far as it is needed to tell objects apart: their contents stay bytes.

Each object is decoded on its own by whoever knows its kind, so that one that cannot be decoded takes nothing else with it.
"""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Raw, Struct, field


class Unintelligible(Exception):  # noqa: N818 - it states what the bytes are
    """Bytes that are no answer of an API server; the text says where they fail."""


class ObjectMeta(Struct, frozen=True, rename="camel"):
    """What tells objects and their versions apart."""

    name: str = ""
    namespace: str = ""
    resource_version: str = ""


class Identified(Struct, frozen=True):
    """Any object, less its contents."""

    metadata: ObjectMeta


class ListMeta(Struct, frozen=True, rename="camel"):
    """A page's place in its list: ``continue_`` is empty on the last one."""

    resource_version: Annotated[str, Meta(min_length=1)]
    continue_: str = field(name="continue", default="")


class Page(Struct, frozen=True):
    """A page of a list."""

    metadata: ListMeta
    items: list[Raw]


class Status(Struct, frozen=True):
    """What the API server says instead of an object."""

    code: int = 0
    reason: str = ""
    message: str = ""


class Event(Struct, frozen=True):
    """A line of a watch."""

    type: Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"]
    object: Raw


_PAGE: Final = msgspec.json.Decoder(Page)
_EVENT: Final = msgspec.json.Decoder(Event)
_IDENTIFIED: Final = msgspec.json.Decoder(Identified)
_STATUS: Final = msgspec.json.Decoder(Status)

UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding raises: also for text that is no UTF-8, and for values that are nested too deeply."""


def page(body: bytes) -> Page:
    """Decode a list's answer. Raises Unintelligible."""
    try:
        return _PAGE.decode(body)
    except UNREADABLE as error:
        raise Unintelligible(f"{len(body)} bytes that are no list: {error}") from None


def event(line: bytes) -> Event:
    """Decode a watch's line. Raises Unintelligible."""
    try:
        return _EVENT.decode(line)
    except UNREADABLE as error:
        raise Unintelligible(f"{len(line)} bytes that are no watch event: {error}") from None


def meta(document: Raw) -> ObjectMeta:
    """Return which object this is. Raises Unintelligible."""
    try:
        return _IDENTIFIED.decode(document).metadata
    except UNREADABLE as error:
        raise Unintelligible(f"an object without metadata: {error}") from None


def status(document: Raw) -> Status:
    """Return what an event of type ERROR says. Raises Unintelligible."""
    try:
        return _STATUS.decode(document)
    except UNREADABLE as error:
        raise Unintelligible(f"an ERROR event without a Status: {error}") from None
