"""The messages that this project uses, and those that they can contain."""

from collections.abc import Iterator
from typing import Any, Final

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

from xds import messages
from xds.messages import message_class

EXPORTED: Final[dict[str, type[Any]]] = {
    name: getattr(messages, name)
    for name in messages.__all__
    if isinstance(getattr(messages, name), type) and issubclass(getattr(messages, name), Message)
}

# Made on demand: an L7 listener's filter, and a message with timestamps, which no exported one has.
ON_DEMAND: Final[dict[str, type[Any]]] = {
    name.rpartition(".")[2]: message_class(name)
    for name in (
        "envoy.data.accesslog.v3.TCPAccessLogEntry",
        "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
    )
}

IN_USE: Final = EXPORTED | ON_DEMAND


def _reachable() -> Iterator[Descriptor]:
    rest = [cls.DESCRIPTOR for cls in IN_USE.values()]
    seen: set[str] = set()
    while rest:
        descriptor = rest.pop()
        if descriptor.full_name in seen or descriptor.file.package == "google.protobuf":
            continue
        seen.add(descriptor.full_name)
        rest += [field.message_type for field in descriptor.fields if field.message_type is not None]
        if not descriptor.GetOptions().map_entry:
            yield descriptor


REACHABLE: Final = {descriptor.full_name: descriptor for descriptor in _reachable()}
"""By full name, the messages in use and every message that one of their fields is, however deep; less protobuf's own."""
