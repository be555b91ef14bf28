"""The private descriptor pool, and the message classes made from it on demand.

The pool is private so that these classes live beside any others for the same messages (a library user's own ``xds-protos``,
say): protobuf refuses a second definition of a name only within one pool. It fills itself from the schema, a package at a
time, whenever it is asked for a message that it does not hold, by ``message_class`` or by the JSON of an ``Any``.
"""

from typing import Any

from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

from xds.messages._schema import Schema

POOL = DescriptorPool(Schema())


class UnknownMessageError(LookupError):
    """A full name that no message of envoy-data-plane has."""


def message_class(full_name: str) -> type[Any]:
    """Return the upb class of a message by its full name, such as ``envoy.config.route.v3.RouteConfiguration``.

    Raises ``UnknownMessageError`` for a name that Envoy's API, as envoy-data-plane has it, does not contain.
    """
    try:
        descriptor = POOL.FindMessageTypeByName(full_name)
    except KeyError:
        raise UnknownMessageError(f"envoy-data-plane has no message {full_name!r}") from None
    return GetMessageClass(descriptor)
