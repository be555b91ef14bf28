"""The private descriptor pool, and the message classes made from it on demand.

The pool is private so that these classes live beside any others for the same messages (a library user's own ``xds-protos``,
say): protobuf refuses a second definition of a name only within one pool. It fills itself from the schema, a package at a
time, whenever it is asked for a message that it does not hold, by ``message_class`` or by the JSON of an ``Any``.
"""

from typing import Any

from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

from xds.messages._kept import KeptSchema, folder

POOL = DescriptorPool(KeptSchema(folder()))


class UnknownMessageError(LookupError):
    """A full name that no message of Envoy's API has, as far as envoy-data-plane knows it."""


def message_class(full_name: str) -> type[Any]:
    """Return the upb class of a message by its full name, such as ``envoy.config.route.v3.RouteConfiguration``.

    The messages of its package and of those that it needs are derived once, some milliseconds for each package.
    Raises ``UnknownMessageError`` for a name that envoy-data-plane does not have.
    """
    try:
        descriptor = POOL.FindMessageTypeByName(full_name)
    except (KeyError, TypeError):  # protobuf's word for a service's name, whose file it has already
        raise UnknownMessageError(
            f"Envoy's API has no message {full_name!r}, as far as envoy-data-plane knows it"
        ) from None
    return GetMessageClass(descriptor)
