"""Derive protobuf descriptors from envoy-data-plane's dataclasses.

envoy-data-plane carries Envoy's whole API as betterproto2 dataclasses: complete and free of name clashes, but a hundred
times slower to build and encode than protobuf's C runtime. Its dataclasses know each field's number, type, oneof, map and
wrapper, and its pool each message's full name; that is all a descriptor needs. So the package is the schema and upb the
engine, and nothing of Envoy's has to be vendored.

This module only reads dataclasses and returns ``FileDescriptorProto``s; who puts them into a pool is not its concern.
"""

from __future__ import annotations

import importlib
from collections.abc import Container, Iterator
from typing import Any

import betterproto2
from betterproto2 import FieldMetadata
from envoy_data_plane.message_pool import default_message_pool
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
)

# betterproto2's dataclasses are the input here, and they have no static type worth naming.
Dataclass = type[Any]

WELL_KNOWN_PACKAGE = "google.protobuf."
WELL_KNOWN_FILES = tuple(
    f"google/protobuf/{name}.proto"
    for name in ("any", "duration", "empty", "field_mask", "struct", "timestamp", "wrappers")
)
_URL_PREFIX = "type.googleapis.com/"
_ROOT = "envoy_data_plane."

_SCALARS: dict[str, FieldDescriptorProto.Type.ValueType] = {
    betterproto2.TYPE_BOOL: FieldDescriptorProto.TYPE_BOOL,
    betterproto2.TYPE_INT32: FieldDescriptorProto.TYPE_INT32,
    betterproto2.TYPE_INT64: FieldDescriptorProto.TYPE_INT64,
    betterproto2.TYPE_UINT32: FieldDescriptorProto.TYPE_UINT32,
    betterproto2.TYPE_UINT64: FieldDescriptorProto.TYPE_UINT64,
    betterproto2.TYPE_SINT32: FieldDescriptorProto.TYPE_SINT32,
    betterproto2.TYPE_SINT64: FieldDescriptorProto.TYPE_SINT64,
    betterproto2.TYPE_FLOAT: FieldDescriptorProto.TYPE_FLOAT,
    betterproto2.TYPE_DOUBLE: FieldDescriptorProto.TYPE_DOUBLE,
    betterproto2.TYPE_FIXED32: FieldDescriptorProto.TYPE_FIXED32,
    betterproto2.TYPE_SFIXED32: FieldDescriptorProto.TYPE_SFIXED32,
    betterproto2.TYPE_FIXED64: FieldDescriptorProto.TYPE_FIXED64,
    betterproto2.TYPE_SFIXED64: FieldDescriptorProto.TYPE_SFIXED64,
    betterproto2.TYPE_STRING: FieldDescriptorProto.TYPE_STRING,
    betterproto2.TYPE_BYTES: FieldDescriptorProto.TYPE_BYTES,
}


class UnknownMessageError(LookupError):
    """A full name that envoy-data-plane does not have."""


def full_name(dataclass: Dataclass) -> str:
    """Return the protobuf full name of a betterproto2 message class, such as ``envoy.config.core.v3.Node``."""
    return default_message_pool.type_to_url[dataclass].removeprefix(_URL_PREFIX)


def dataclass_of(name: str) -> Dataclass:
    """Return envoy-data-plane's class for a full name, importing its module.

    Raises ``UnknownMessageError`` where the package has no such message.
    """
    parts = name.split(".")
    # Envoy's packages are lower case and its messages are not.
    length = next((i for i, part in enumerate(parts) if part[:1].isupper()), len(parts))
    try:
        importlib.import_module(_ROOT + ".".join(parts[:length]))
        return default_message_pool.url_to_type[_URL_PREFIX + name]
    except (ImportError, KeyError):
        raise UnknownMessageError(f"envoy-data-plane has no message {name!r}") from None


class Deriver:
    """Hands out each descriptor file once: what a message needs, less what was needed before.

    A file holds one cycle of top-level messages (files cannot import each other in a circle), or one enum.
    """

    def __init__(self) -> None:
        self._file_of: dict[Dataclass, str] = {}

    def files_for(self, dataclass: Dataclass) -> Iterator[FileDescriptorProto]:
        """Yield the files that a message needs and that were not yielded yet, each after those that it imports."""
        for cycle in _cycles(_top_level(dataclass), self._file_of):
            # The first in the alphabet names the file, so that the name does not depend on the way in.
            file = FileDescriptorProto(name=f"{min(map(full_name, cycle))}.derived", syntax="proto3")
            self._file_of.update(dict.fromkeys(cycle, file.name))
            imports: dict[str, None] = {}
            for member in cycle:
                file.package = full_name(member).rpartition(".")[0]
                file.message_type.append(_message(member))
                for dependency in _dependencies(member):
                    if _is_enum(dependency) and dependency not in self._file_of:
                        enum_file = _enum_file(dependency)
                        self._file_of[dependency] = enum_file.name
                        yield enum_file
                    imports[self._file_of[dependency]] = None
            imports.pop(file.name, None)
            file.dependency.extend((*imports, *WELL_KNOWN_FILES))
            yield file


def _top_level(dataclass: Dataclass) -> Dataclass:
    """Return the outermost message that a nested one is declared in, or the message itself."""
    parts = full_name(dataclass).split(".")
    for length in range(1, len(parts)):
        outer = default_message_pool.url_to_type.get(_URL_PREFIX + ".".join(parts[:length]))
        if outer is not None:
            return outer
    return dataclass


def _nested(dataclass: Dataclass) -> list[Dataclass]:
    """Return the messages that are declared directly in this one."""
    children: list[Dataclass] = _nested_index(dataclass.__module__).get(full_name(dataclass), [])
    return children


_NESTED: dict[str, dict[str, list[Dataclass]]] = {}


def _nested_index(module: str) -> dict[str, list[Dataclass]]:
    index = _NESTED.get(module)
    if index is None:
        index = _NESTED[module] = {}
        for cls, url in default_message_pool.type_to_url.items():
            if cls.__module__ == module:
                index.setdefault(url.removeprefix(_URL_PREFIX).rpartition(".")[0], []).append(cls)
    return index


def _family(dataclass: Dataclass) -> Iterator[Dataclass]:
    yield dataclass
    for child in _nested(dataclass):
        yield from _family(child)


def _field_types(dataclass: Dataclass) -> Iterator[Dataclass]:
    """Yield the class behind every message-typed or enum-typed field, wrappers unwrapped to their message."""
    meta = dataclass._betterproto  # noqa: SLF001 — the schema lies there, and nowhere else
    for name, field in meta.meta_by_field_name.items():
        cls = meta.cls_by_field[name]
        if field.proto_type == betterproto2.TYPE_MAP:
            value = field.map_meta[1]
            if value.proto_type in (betterproto2.TYPE_MESSAGE, betterproto2.TYPE_ENUM):
                yield value.unwrap() if value.unwrap else meta.cls_by_field[f"{name}.value"]
        elif field.proto_type in (betterproto2.TYPE_MESSAGE, betterproto2.TYPE_ENUM):
            yield field.unwrap() if field.unwrap else cls


def _dependencies(top: Dataclass) -> list[Dataclass]:
    """Return what a top-level message's fields, nested ones included, need: top-level messages and enums.

    Well-known types are left out: every file imports them.
    """
    found: dict[Dataclass, None] = {}
    for member in _family(top):
        for cls in _field_types(member):
            if _is_enum(cls):
                found[cls] = None
            elif not full_name(cls).startswith(WELL_KNOWN_PACKAGE):
                found[_top_level(cls)] = None
    found.pop(top, None)
    return list(found)


def _is_enum(dataclass: Dataclass) -> bool:
    return issubclass(dataclass, betterproto2.Enum)


def _cycles(root: Dataclass, known: Container[Dataclass]) -> list[list[Dataclass]]:
    """Tarjan's strongly connected components of top-level messages from ``root``, each after what it depends on.

    Iterative, since Envoy's API is deeper than Python likes to recurse. What is ``known`` is not looked into.
    """
    index: dict[Dataclass, int] = {}
    low: dict[Dataclass, int] = {}
    stack: list[Dataclass] = []
    work: list[tuple[Dataclass, Iterator[Dataclass]]] = []
    done: list[list[Dataclass]] = []

    def enter(node: Dataclass) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        work.append((node, iter(_dependencies(node))))

    if root not in known:
        enter(root)
    while work:
        node, rest = work[-1]
        for dependency in rest:
            if _is_enum(dependency) or dependency in known:
                continue
            if dependency not in index:
                enter(dependency)
                break
            if dependency in stack:
                low[node] = min(low[node], index[dependency])
        else:
            work.pop()
            if work:
                low[work[-1][0]] = min(low[work[-1][0]], low[node])
            if low[node] == index[node]:
                start = stack.index(node)
                done.append(stack[start:])
                del stack[start:]
    return done


def _enum_scope(enum: Dataclass) -> str:
    """Return a package that holds this enum alone: values of an enum are siblings of it, and would clash."""
    return f"{enum.__module__.removeprefix(_ROOT)}.{enum.__name__}"


def _enum_file(enum: Dataclass) -> FileDescriptorProto:
    scope = _enum_scope(enum)
    renamed = enum.betterproto_value_to_renamed_proto_names()
    descriptor = EnumDescriptorProto(name="Enum")
    numbers = set()
    for name, member in enum.__members__.items():
        if member.value in numbers:
            descriptor.options.allow_alias = True
        numbers.add(member.value)
        descriptor.value.add(name=renamed.get(member.value, name), number=member.value)
    return FileDescriptorProto(
        name=f"{scope}.derived", package=scope, syntax="proto3", enum_type=[descriptor]
    )


def _message(dataclass: Dataclass) -> DescriptorProto:
    meta = dataclass._betterproto  # noqa: SLF001
    descriptor = DescriptorProto(name=full_name(dataclass).rpartition(".")[2])
    oneofs: dict[str, int] = {}
    # Synthetic oneofs have to come after the real ones.
    for field in meta.meta_by_field_name.values():
        if field.group and field.group not in oneofs:
            oneofs[field.group] = len(descriptor.oneof_decl)
            descriptor.oneof_decl.add(name=field.group)
    for name in meta.sorted_field_names:
        field = meta.meta_by_field_name[name]
        # betterproto2 appends an underscore to names that are Python keywords.
        out = descriptor.field.add(name=name.rstrip("_"), number=field.number)
        out.label = FieldDescriptorProto.LABEL_OPTIONAL
        if field.proto_type == betterproto2.TYPE_MAP:
            out.label = FieldDescriptorProto.LABEL_REPEATED
            out.type = FieldDescriptorProto.TYPE_MESSAGE
            entry = _map_entry(out.name, field, meta.cls_by_field[f"{name}.value"])
            descriptor.nested_type.append(entry)
            out.type_name = f".{full_name(dataclass)}.{entry.name}"
            continue
        _set_type(out, field, meta.cls_by_field[name])
        if field.repeated:
            out.label = FieldDescriptorProto.LABEL_REPEATED
        elif field.group:
            out.oneof_index = oneofs[field.group]
        elif field.optional and out.type != FieldDescriptorProto.TYPE_MESSAGE:
            out.proto3_optional = True
            out.oneof_index = len(descriptor.oneof_decl)
            descriptor.oneof_decl.add(name=f"_{out.name}")
    descriptor.nested_type.extend(_message(child) for child in _nested(dataclass))
    return descriptor


def _map_entry(field_name: str, field: FieldMetadata, value_type: Dataclass) -> DescriptorProto:
    if field.map_meta is None:
        raise TypeError(f"{field_name} is no map")
    name = "".join(part[:1].upper() + part[1:] for part in field_name.split("_")) + "Entry"
    entry = DescriptorProto(name=name)
    entry.options.map_entry = True
    for meta, part in zip(field.map_meta, ("key", "value"), strict=True):
        out = entry.field.add(name=part, number=meta.number, label=FieldDescriptorProto.LABEL_OPTIONAL)
        _set_type(out, meta, value_type)
    return entry


def _set_type(out: FieldDescriptorProto, field: FieldMetadata, cls: Dataclass) -> None:
    if field.proto_type == betterproto2.TYPE_ENUM:
        out.type = FieldDescriptorProto.TYPE_ENUM
        out.type_name = f".{_enum_scope(cls)}.Enum"
    elif field.proto_type == betterproto2.TYPE_MESSAGE:
        out.type = FieldDescriptorProto.TYPE_MESSAGE
        out.type_name = f".{full_name(field.unwrap() if field.unwrap else cls)}"
    else:
        out.type = _SCALARS[field.proto_type]
