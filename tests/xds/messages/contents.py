"""What may be in a message of any type: hypothesis strategies and extreme values, both derived from its descriptor.

Left out are values that envoy-data-plane's own classes cannot carry though protobuf can: negative zero, which they take for
the default, and durations that are negative, finer than a microsecond or longer than a float counts in microseconds.
"""

from collections.abc import Iterator
from functools import cache
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message_factory import GetMessageClass
from hypothesis import strategies as st

from xds.messages import Address, TcpProxy, UpstreamTlsContext, from_dict, message_class, pack

Duration = message_class("google.protobuf.Duration")
Struct = message_class("google.protobuf.Struct")
Timestamp = message_class("google.protobuf.Timestamp")

# Few enough that an example takes some milliseconds in the slow classes.
MAX_FIELDS = 5
MAX_ITEMS = 2
MAX_DEPTH = 3

SCALARS: dict[int, st.SearchStrategy[Any]] = {
    FieldDescriptor.CPPTYPE_BOOL: st.booleans(),
    FieldDescriptor.CPPTYPE_INT32: st.integers(-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: st.integers(-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT32: st.integers(0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: st.integers(0, 2**64 - 1),
    FieldDescriptor.CPPTYPE_FLOAT: st.floats(width=32).map(lambda value: value or 0.0),
    FieldDescriptor.CPPTYPE_DOUBLE: st.floats().map(lambda value: value or 0.0),
    FieldDescriptor.CPPTYPE_STRING: st.text(max_size=8),
}
EXTREMES: dict[int, Any] = {
    FieldDescriptor.CPPTYPE_BOOL: True,
    FieldDescriptor.CPPTYPE_INT32: -(2**31),
    FieldDescriptor.CPPTYPE_INT64: -(2**63),
    FieldDescriptor.CPPTYPE_UINT32: 2**32 - 1,
    FieldDescriptor.CPPTYPE_UINT64: 2**64 - 1,
    FieldDescriptor.CPPTYPE_FLOAT: (2 - 2**-23) * 2.0**127,
    FieldDescriptor.CPPTYPE_DOUBLE: 5e-324,
    FieldDescriptor.CPPTYPE_STRING: "\0é\N{GRINNING FACE}",
}
WELL_KNOWN = {
    "google.protobuf.Any": pack(Address(pipe={"path": "/run/x"})),
    "google.protobuf.Duration": Duration(seconds=2**32, nanos=999_999_000),
    "google.protobuf.Struct": from_dict(Struct, {"": [None, 0.5, {"a": False}]}),
    "google.protobuf.Timestamp": Timestamp(seconds=253_402_300_799, nanos=999_999_000),
}

MICROSECONDS = st.integers(0, 999_999).map(lambda value: value * 1000)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=MAX_ITEMS) | st.dictionaries(st.text(max_size=4), inner, max_size=MAX_ITEMS)
    ),
    max_leaves=4,
)


@cache
def contents(descriptor: Descriptor, depth: int = MAX_DEPTH) -> st.SearchStrategy[Any]:
    """Return a strategy for messages with some of their fields set, and below that some of theirs, as deep as this."""
    match descriptor.full_name:
        case "google.protobuf.Any":
            held = st.sampled_from((Address, TcpProxy, UpstreamTlsContext))
            return held.flatmap(lambda cls: contents(cls.DESCRIPTOR, depth)).map(pack)
        case "google.protobuf.Duration":
            return st.builds(Duration, seconds=st.integers(0, 2**32), nanos=MICROSECONDS)
        case "google.protobuf.Struct":
            fields = st.dictionaries(st.text(max_size=4), JSON, max_size=MAX_ITEMS)
            return fields.map(lambda value: from_dict(Struct, value))
        case "google.protobuf.Timestamp":
            # The years 1 to 9999.
            seconds = st.integers(-62_135_596_800, 253_402_300_799)
            return st.builds(Timestamp, seconds=seconds, nanos=MICROSECONDS)
    cls = GetMessageClass(descriptor)
    if not descriptor.fields or depth == 0:
        return st.builds(cls)

    def some(fields: list[FieldDescriptor]) -> st.SearchStrategy[Any]:
        # In one order, since hypothesis caches builds() by its keywords whatever their order was.
        chosen = {_exclusive(field): field for field in sorted(fields, key=lambda field: field.number)}
        return st.builds(cls, **{field.name: _value(field, depth - 1) for field in chosen.values()})

    return st.lists(st.sampled_from(tuple(descriptor.fields)), min_size=1, max_size=MAX_FIELDS).flatmap(some)


def complete(descriptor: Descriptor) -> Iterator[Any]:
    """Yield messages with all fields set to extreme values: as many as it takes to set each member of every oneof."""
    choices: dict[str, list[FieldDescriptor]] = {}
    for field in descriptor.fields:
        choices.setdefault(_exclusive(field), []).append(field)
    for turn in range(max(map(len, choices.values()), default=1)):
        fields = [choice[turn % len(choice)] for choice in choices.values()]
        yield GetMessageClass(descriptor)(**{field.name: _extreme(field) for field in fields})


def _exclusive(field: FieldDescriptor) -> str:
    """Return what only one set field of a message can have: its oneof, else its own name."""
    return field.containing_oneof.name if field.containing_oneof else field.name


def map_entry(field: FieldDescriptor) -> tuple[FieldDescriptor, ...]:
    """Return the key and the value that a map's field has; nothing for any other field."""
    if field.message_type is None or not field.message_type.GetOptions().map_entry:
        return ()
    return tuple(field.message_type.fields)


def _value(field: FieldDescriptor, depth: int) -> st.SearchStrategy[Any]:
    """Return a strategy for what a message's constructor takes for this field."""
    if entry := map_entry(field):
        key, item = entry
        return st.dictionaries(_item(key, depth), _item(item, depth), max_size=MAX_ITEMS)
    if field.is_repeated:
        return st.lists(_item(field, depth), max_size=MAX_ITEMS)
    return _item(field, depth)


def _item(field: FieldDescriptor, depth: int) -> st.SearchStrategy[Any]:
    if field.message_type is not None:
        return contents(field.message_type, depth)
    if field.enum_type is not None:
        return st.sampled_from([value.number for value in field.enum_type.values])
    if field.type == FieldDescriptor.TYPE_BYTES:  # for C++ bytes are a string
        return st.binary(max_size=8)
    return SCALARS[field.cpp_type]


def _extreme(field: FieldDescriptor) -> Any:
    if entry := map_entry(field):
        key, item = entry
        return {_extreme(key): _extreme(item)}
    return [_extreme_item(field)] * 2 if field.is_repeated else _extreme_item(field)


def _extreme_item(field: FieldDescriptor) -> Any:
    if field.message_type is not None:
        return WELL_KNOWN.get(field.message_type.full_name, GetMessageClass(field.message_type)())
    if field.enum_type is not None:
        return field.enum_type.values[-1].number
    if field.type == FieldDescriptor.TYPE_BYTES:
        return b"\0\xff"
    return EXTREMES[field.cpp_type]
