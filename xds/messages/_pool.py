"""The private descriptor pool, and the message classes made from it on demand.

The pool is private so that these classes live beside any others for the same messages (a library user's own ``xds-protos``,
say): protobuf refuses a second definition of a name only within one pool.
"""

from typing import Any

from google.protobuf import (
    any_pb2,
    descriptor_pool,
    duration_pb2,
    empty_pb2,
    field_mask_pb2,
    message_factory,
    struct_pb2,
    timestamp_pb2,
    wrappers_pb2,
)

from xds.messages._schema import WELL_KNOWN_PACKAGE, Deriver, dataclass_of

POOL = descriptor_pool.DescriptorPool()
for _module in (any_pb2, duration_pb2, empty_pb2, field_mask_pb2, struct_pb2, timestamp_pb2, wrappers_pb2):
    POOL.AddSerializedFile(_module.DESCRIPTOR.serialized_pb)

_deriver = Deriver()


def message_class(full_name: str) -> type[Any]:
    """Return the upb class of a message by its full name, such as ``envoy.config.route.v3.RouteConfiguration``.

    The descriptor of what it needs is derived once. Raises ``UnknownMessageError`` for a name that Envoy's API, as
    envoy-data-plane has it, does not contain.
    """
    try:
        descriptor = POOL.FindMessageTypeByName(full_name)
    except KeyError:
        if full_name.startswith(WELL_KNOWN_PACKAGE):
            raise
        for file in _deriver.files_for(dataclass_of(full_name)):
            POOL.Add(file)
        descriptor = POOL.FindMessageTypeByName(full_name)
    return message_factory.GetMessageClass(descriptor)
