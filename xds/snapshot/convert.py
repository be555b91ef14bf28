"""Any message of Envoy's API as a resource, whichever classes it was built with.

A library user has messages of ``xds.messages``, of envoy-data-plane, of classes that they generated themselves, or ready
``google.protobuf.Any``s. All that is needed of one is its full name, its bytes and the name that Envoy asks for it by.
"""

import sys
from typing import Any, Final, Protocol

from google.protobuf.message import DecodeError, Message

from xds.messages import TYPE_URL_PREFIX, UnknownMessageError, message_class
from xds.snapshot.resource import InvalidResourceError, Resource
from xds.snapshot.types import CLUSTER, ENDPOINT, LISTENER, ROUTE, SECRET

_ANY: Final = TYPE_URL_PREFIX + "google.protobuf.Any"
# The field that Envoy takes the resource's name from.
_NAME_FIELDS: Final = {
    CLUSTER: "name",
    ENDPOINT: "cluster_name",
    LISTENER: "name",
    ROUTE: "name",
    SECRET: "name",
}


class EnvoyMessage(Protocol):
    """A message of any generated class: protobuf's own, or envoy-data-plane's."""

    def SerializeToString(self) -> bytes:  # noqa: N802 — protobuf's
        """Return the encoded message."""


def resource_of(message: EnvoyMessage, *, name: str = "", version: str = "") -> Resource:
    """Encode a message as a resource.

    ``message`` is of ``xds.messages``, of envoy-data-plane, of any other generated class, or a ``google.protobuf.Any`` of
    either kind, whose bytes are kept as they are. Clusters, assignments, listeners, route configurations and secrets say
    their names themselves; ``name`` is that of a resource of another type. ``version`` is one of your own in place of the
    hash of the content.

    Raises ``InvalidResourceError`` for what is no message, has no name, has another name than the one that is given, or
    for an ``Any`` whose bytes are not what its type says.
    """
    for field, text in (("name", name), ("version", version)):
        if not isinstance(text, str):
            raise InvalidResourceError(f"the {field} of a resource is {text!r}: write a text")
    type_url, value = _encoded(message)
    name_field = _NAME_FIELDS.get(type_url)
    if name_field is not None:
        own = _own_name(message, type_url, value, name_field)
        if name and name != own:
            raise InvalidResourceError(
                f"{_short(type_url)} {own!r} cannot be served as {name!r}: Envoy takes the name from its {name_field}"
            )
        name = own
    elif not name:
        raise InvalidResourceError(
            f"a resource of type {type_url} says no name itself: write resource_of(message, name=...)"
        )
    return Resource(type_url=type_url, name=name, value=value, version=version)


def _encoded(message: Any) -> tuple[str, bytes]:
    """Return the type URL and the bytes of a message, or of what an ``Any`` holds."""
    type_url = _type_url(message)
    if type_url == _ANY:
        if not message.type_url:
            raise InvalidResourceError("an Any without type_url: nobody could tell what it holds")
        return message.type_url, message.value
    if isinstance(message, Message):
        return type_url, message.SerializeToString(deterministic=True)
    return type_url, _canonical(type_url, message.SerializeToString())


def _type_url(message: Any) -> str:
    if not isinstance(message, type) and hasattr(message, "SerializeToString"):
        type_url = _of_envoy_data_plane(message)
        if type_url is not None:
            return type_url
        full_name = getattr(getattr(message, "DESCRIPTOR", None), "full_name", None)
        if isinstance(full_name, str):
            return TYPE_URL_PREFIX + full_name
    what = f"the class {message.__name__}" if isinstance(message, type) else f"a {type(message).__name__}"
    raise InvalidResourceError(
        f"{what} is no message of Envoy's: give one of xds.messages, of envoy-data-plane, of generated protobuf "
        "classes, or a google.protobuf.Any"
    )


def _canonical(type_url: str, value: bytes) -> bytes:
    """Return the bytes with each map in protobuf's own order: equal messages are to have equal versions."""
    try:
        cls = message_class(type_url.removeprefix(TYPE_URL_PREFIX))
    except UnknownMessageError:
        return value
    canonical: bytes = cls.FromString(value).SerializeToString(deterministic=True)
    return canonical


def _of_envoy_data_plane(message: Any) -> str | None:
    """Return the type URL of a message of envoy-data-plane's: whoever has one has loaded the pool that knows it, and others need not."""
    pool = sys.modules.get("envoy_data_plane.message_pool")
    return pool.default_message_pool.type_to_url.get(type(message)) if pool is not None else None


def _own_name(message: Any, type_url: str, value: bytes, field: str) -> str:
    if _type_url(message) == _ANY:
        try:
            message = message_class(type_url.removeprefix(TYPE_URL_PREFIX)).FromString(value)
        except DecodeError:
            raise InvalidResourceError(
                f"an Any of type {type_url} holds {len(value)} bytes that are no {_short(type_url)}"
            ) from None
    name: str = getattr(message, field)
    if not name:
        raise InvalidResourceError(f"a {_short(type_url)} without name: its {field} is empty")
    return name


def _short(type_url: str) -> str:
    return type_url.rpartition(".")[2]
