"""Derive protobuf descriptors from envoy-data-plane's dataclasses.

envoy-data-plane carries Envoy's whole API as betterproto2 dataclasses: complete and free of name clashes, but a hundred
times slower to build and encode than protobuf's C runtime. Its dataclasses know each field's number, type, oneof, map and
wrapper, and its pool each message's full name; that is all a descriptor needs. So the package is the schema and upb the
engine, and nothing of Envoy's has to be vendored.

This module only reads dataclasses and returns ``FileDescriptorProto``s: ``Schema`` is the database that a protobuf
``DescriptorPool`` asks for what it does not hold yet. The pool itself and message classes are not its concern.

A derived file holds one package, in however many ``.proto`` files that was written: packages never import each other in a
circle, since Envoy builds each as one target. Its services are in it as well. An enum is a file of its own. Protobuf counts an enum's values as siblings
of the enum, so that two ``UNKNOWN`` of one package would clash, and the dataclasses do not tell which message an enum was
declared in. So an enum's full name differs from Envoy's; its values' names are Envoy's, and no encoding holds more.

Everything becomes proto3. ``io.prometheus.client`` and ``validate``, which are proto2, lose the presence of their scalar
fields, as they do in the dataclasses.
"""

import importlib
from dataclasses import fields
from types import ModuleType
from typing import Any, NamedTuple, get_args, get_type_hints

import betterproto2
from betterproto2 import FieldMetadata
from envoy_data_plane.message_pool import default_message_pool
from google.protobuf import any_pb2, duration_pb2, empty_pb2, struct_pb2, timestamp_pb2, wrappers_pb2
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto

from xds.messages._kept import package_of

# betterproto2's messages and enums are the input here, and they have no static type worth naming.
Dataclass = type[Any]

_ROOT = "envoy_data_plane."
_SERVICE = "Base"
"""What betterproto2 appends to a service's name for the class that a server derives from."""
_URL_PREFIX = "type.googleapis.com/"
_OPTIONAL = FieldDescriptorProto.LABEL_OPTIONAL
_REPEATED = FieldDescriptorProto.LABEL_REPEATED

# JSON has a form of its own for each of these messages, so they are protobuf's and not derived.
_WELL_KNOWN_PACKAGE = "google.protobuf"
_WELL_KNOWN_FILES = {
    module.DESCRIPTOR.name: module.DESCRIPTOR
    for module in (any_pb2, duration_pb2, empty_pb2, struct_pb2, timestamp_pb2, wrappers_pb2)
}
_WELL_KNOWN_FILE_OF: dict[str, str] = {
    message.full_name: file.name
    for file in _WELL_KNOWN_FILES.values()
    for message in file.message_types_by_name.values()
}


class Schema:
    """Envoy's API as a protobuf ``DescriptorDatabase``: the two methods of one that a ``DescriptorPool`` calls.

    They raise ``KeyError`` for what envoy-data-plane does not have, which the pool takes for an answer.
    """

    def FindFileContainingSymbol(self, symbol: str) -> FileDescriptorProto:  # noqa: N802 — protobuf's
        """Return the file that declares the message or the service with this full name."""
        package = package_of(symbol)
        if hasattr(_module(package), f"{symbol.removeprefix(package)[1:]}{_SERVICE}"):
            return self.FindFileByName(package)
        return self.FindFileByName(_file_of(_dataclass(symbol)))

    def FindFileByName(self, name: str) -> FileDescriptorProto:  # noqa: N802 — protobuf's
        """Return a file by the name that another file imports it by: a package, an enum or a well-known file."""
        if name in _WELL_KNOWN_FILES:
            file = FileDescriptorProto()
            _WELL_KNOWN_FILES[name].CopyToProto(file)
            return file
        package, _, last = name.rpartition(".")
        if last[:1].isupper():
            return _enum_file(name, getattr(_module(package), last))
        return _package_file(name)


class _Field(NamedTuple):
    name: str
    meta: FieldMetadata
    type: Dataclass | None
    """The message or enum that the field, or each of its items or map values, is; None for scalars."""


def _module(package: str) -> ModuleType:
    try:
        return importlib.import_module(_ROOT + package)
    except ModuleNotFoundError:
        raise KeyError(package) from None


def _dataclass(full_name: str) -> Dataclass:
    """Return envoy-data-plane's class for a message, importing its module."""
    _module(package_of(full_name))
    return default_message_pool.url_to_type[_URL_PREFIX + full_name]


def _full_name(dataclass: Dataclass) -> str:
    return default_message_pool.type_to_url[dataclass].removeprefix(_URL_PREFIX)


def _file_of(dataclass: Dataclass) -> str:
    """Return the name of the file that a message or an enum is declared in."""
    package: str = dataclass.__module__.removeprefix(_ROOT)
    if issubclass(dataclass, betterproto2.Enum):
        return f"{package}.{dataclass.__name__}"
    if package == _WELL_KNOWN_PACKAGE:
        return _WELL_KNOWN_FILE_OF[_full_name(dataclass)]
    return package


def _enum_file(name: str, enum: Dataclass) -> FileDescriptorProto:
    """Return the file of an enum; its name is also a package that the enum has for itself."""
    file = FileDescriptorProto(name=name, package=name, syntax="proto3")
    descriptor = file.enum_type.add(name="Enum")
    # betterproto2 strips a prefix that all the names share.
    renamed = enum.betterproto_value_to_renamed_proto_names()
    members = enum.__members__
    for own_name, member in members.items():
        descriptor.value.add(name=renamed.get(member.value, own_name), number=member.value)
    if len(set(members.values())) < len(members):
        descriptor.options.allow_alias = True
    return file


def _package_file(package: str) -> FileDescriptorProto:
    module = _module(package)
    messages = {
        _full_name(cls).removeprefix(f"{package}."): (cls, _fields(cls))
        for cls in (getattr(module, name) for name in module.__all__)
        if cls in default_message_pool.type_to_url
    }
    services = _services(module)
    needed = {_file_of(field.type) for _, found in messages.values() for field in found if field.type}
    needed |= {_file_of(cls) for rpcs in services.values() for rpc in rpcs.values() for cls in rpc[2:]}
    file = FileDescriptorProto(
        name=package, package=package, syntax="proto3", dependency=sorted(needed - {package})
    )
    descriptors: dict[str, DescriptorProto] = {}
    for name, (cls, found) in sorted(messages.items()):
        outer, _, own = name.rpartition(".")  # sorted, an outer message comes before those nested in it
        siblings = descriptors[outer].nested_type if outer else file.message_type
        descriptors[name] = siblings.add(name=own)
        _fill(descriptors[name], _full_name(cls), found)
    for name, rpcs in services.items():
        service = file.service.add(name=name)
        for method, rpc in rpcs.items():
            service.method.add(
                name=method,
                input_type=f".{_full_name(rpc.request_type)}",
                output_type=f".{_full_name(rpc.reply_type)}",
                client_streaming=rpc.cardinality.client_streaming,
                server_streaming=rpc.cardinality.server_streaming,
            )
    return file


def _services(module: ModuleType) -> dict[str, dict[str, Any]]:
    """Return a package's services by name, each with its methods by name, as betterproto2's handlers."""
    bases = {name: getattr(module, name) for name in module.__all__ if name.endswith(_SERVICE)}
    return {
        name.removesuffix(_SERVICE): {
            path.rpartition("/")[2]: handler for path, handler in base().__mapping__().items()
        }
        for name, base in sorted(bases.items())
        if hasattr(base, "__mapping__")
    }


def _fields(dataclass: Dataclass) -> list[_Field]:
    hints = get_type_hints(dataclass)
    metas = {field.name: FieldMetadata.get(field) for field in fields(dataclass)}
    return [_Field(name, meta, _field_type(meta, hints[name])) for name, meta in metas.items()]


def _field_type(meta: FieldMetadata, hint: Any) -> Dataclass | None:
    item = meta.map_meta[1] if meta.map_meta else meta
    if item.proto_type not in (betterproto2.TYPE_MESSAGE, betterproto2.TYPE_ENUM):
        return None
    if item.unwrap:  # the hint names the Python type that stands for a well-known message
        return item.unwrap()
    args = get_args(hint) or (hint,)  # the hint is dict[str, X], list[X], X | None or X
    found: Dataclass = args[1] if meta.map_meta else args[0]
    return found


def _fill(descriptor: DescriptorProto, full_name: str, found: list[_Field]) -> None:
    """Add the fields to a message's descriptor."""
    oneofs: dict[str, int] = {}
    for field in found:
        meta, type_name = field.meta, _type_name(field.type)
        # betterproto2 appends an underscore to names that are Python keywords.
        name = field.name.removesuffix("_")
        out = descriptor.field.add(
            name=name,
            json_name=_json_name(name),
            number=meta.number,
            label=_REPEATED if meta.repeated or meta.map_meta else _OPTIONAL,
            type=_kind(meta),
            type_name=type_name,
        )
        if meta.map_meta:
            key, value = meta.map_meta
            entry = descriptor.nested_type.add(name=_map_entry_name(out.name), options={"map_entry": True})
            entry.field.add(name="key", number=1, label=_OPTIONAL, type=_kind(key))
            entry.field.add(name="value", number=2, label=_OPTIONAL, type=_kind(value), type_name=type_name)
            out.type_name = f".{full_name}.{entry.name}"
        elif meta.group:
            if meta.group not in oneofs:
                oneofs[meta.group] = len(oneofs)
                descriptor.oneof_decl.add(name=meta.group)
            out.oneof_index = oneofs[meta.group]


def _kind(meta: FieldMetadata) -> FieldDescriptorProto.Type.ValueType:
    if meta.map_meta:
        return FieldDescriptorProto.TYPE_MESSAGE
    return FieldDescriptorProto.Type.Value(f"TYPE_{meta.proto_type.upper()}")


def _type_name(dataclass: Dataclass | None) -> str | None:
    if dataclass is None:
        return None
    if issubclass(dataclass, betterproto2.Enum):
        return f".{_file_of(dataclass)}.Enum"
    return f".{_full_name(dataclass)}"


def _json_name(field_name: str) -> str:
    """Return the name that protoc gives to a field in JSON: clients that learn of it by reflection know no other."""
    first, *others = field_name.split("_")
    return first + "".join(part[:1].upper() + part[1:] for part in others)


def _map_entry_name(field_name: str) -> str:
    """Return the name that protoc gives to a map's entry, which the runtime checks."""
    return "".join(part[:1].upper() + part[1:] for part in field_name.split("_")) + "Entry"
