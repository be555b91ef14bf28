"""The contents of one manifest file, as objects: each under its name, with its line, good or invalid.

Pure: bytes in, a value out. It knows nothing of other files, nor of what was read before.
"""

from collections.abc import Mapping
from typing import NamedTuple

from kube.objects import InvalidObject, KubeObject, ObjectRef, UnknownKind, decode
from kube.sources.documents import Stray, documents


class Entry(NamedTuple):
    """One object of a file, or what is wrong with it, and the line it begins in."""

    line: int
    value: KubeObject | InvalidObject


class Skipped(NamedTuple):
    """A document of a kind that is not ours, and the line it begins in."""

    line: int
    kind: str
    api_version: str


class Reading(NamedTuple):
    """Everything that a file says.

    `strays` are documents that belong to no object that could be named; with one of them about, an object
    that was in the file before may be what it was meant to be. `repeated` are objects that the file has
    already given, which count for nothing.
    """

    entries: Mapping[ObjectRef, Entry]
    strays: tuple[Stray, ...]
    repeated: tuple[Stray, ...]
    skipped: tuple[Skipped, ...]


def read(data: bytes, *, is_json: bool) -> Reading:
    """Return what a file says; raise Unparsable when it cannot be understood as a whole."""
    entries: dict[ObjectRef, Entry] = {}
    strays: list[Stray] = []
    repeated: list[Stray] = []
    skipped: list[Skipped] = []
    for document in documents(data, is_json=is_json):
        if isinstance(document, Stray):
            strays.append(document)
            continue
        line = document.line
        value: KubeObject | InvalidObject
        try:
            value = decode(document.content)
        except UnknownKind as error:
            skipped.append(Skipped(line, error.kind, error.api_version))
            continue
        except InvalidObject as error:
            value = error
        ref = value.ref
        if isinstance(value, InvalidObject) and not ref.name:
            strays.append(Stray(line, str(value)))
        elif ref in entries:
            repeated.append(
                Stray(line, f"{ref} is already in line {entries[ref].line} of this file: remove one")
            )
        else:
            entries[ref] = Entry(line, value)
    return Reading(entries, tuple(strays), tuple(repeated), tuple(skipped))
