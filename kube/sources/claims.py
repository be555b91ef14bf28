"""Which file holds which object, when several files may each give any of them.

The first file that gives an object holds it, in the order of the folders and then of the paths; when that
file lets go, the next one takes over. What follows for the store is worked out from the files that changed
alone. Pure: it knows neither files nor the store.
"""

from bisect import insort
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from kube.objects import InvalidObject, KubeObject, ObjectRef
from kube.sources.reading import Entry


class FileKey(NamedTuple):
    """A file: its folder's place among the folders, and its path in it. Files are ranked in this order."""

    folder: int
    path: str


class Delta(NamedTuple):
    """What the store is to be told; an object is in one of the three at most."""

    upserts: list[KubeObject]
    removals: list[ObjectRef]
    invalid: list[InvalidObject]


class Duplicate(NamedTuple):
    """An object that `holder` holds, and that `other` gives too, in `line`, to no effect."""

    ref: ObjectRef
    holder: FileKey
    other: FileKey
    line: int


class Claims:
    """The objects of every file, and who holds each."""

    def __init__(self) -> None:
        self._files: dict[FileKey, Mapping[ObjectRef, Entry]] = {}
        self._claimants: dict[ObjectRef, list[FileKey]] = {}
        self._contested: set[ObjectRef] = set()

    def of_file(self, key: FileKey) -> Mapping[ObjectRef, Entry]:
        """Return the objects that a file gives, whether it holds them or not."""
        return self._files.get(key, {})

    def update(self, files: Mapping[FileKey, Mapping[ObjectRef, Entry]]) -> Delta:
        """Take what some files give from now on (nothing, for one that is gone), and return what that alters.

        An object that such a file gives is among the upserts whether it changed or not: the store tells
        versions apart.
        """
        touched: dict[ObjectRef, None] = {}
        for key, entries in files.items():
            before = self._files.pop(key, {})
            if entries:
                self._files[key] = entries
            for ref in before.keys() - entries.keys():
                self._claimants[ref].remove(key)
            for ref in entries.keys() - before.keys():
                insort(self._claimants.setdefault(ref, []), key)
            touched |= dict.fromkeys(before) | dict.fromkeys(entries)

        delta = Delta([], [], [])
        for ref in touched:
            claimants = self._claimants[ref]
            if len(claimants) > 1:
                self._contested.add(ref)
            else:
                self._contested.discard(ref)
            if not claimants:
                del self._claimants[ref]
                delta.removals.append(ref)
                continue
            value = self._files[claimants[0]][ref].value
            if isinstance(value, InvalidObject):
                delta.invalid.append(value)
            else:
                delta.upserts.append(value)
        return delta

    def duplicates(self) -> Iterator[Duplicate]:
        """Yield each object of each file that counts for nothing, because an earlier file holds it."""
        for ref in self._contested:
            holder, *others = self._claimants[ref]
            for other in others:
                yield Duplicate(ref, holder, other, self._files[other][ref].line)
