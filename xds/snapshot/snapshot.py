"""What one tenant's Envoys are to have: the resources of each type, with a version for each type.

A snapshot changes in place, one transaction at a time, so that a change costs what it touches and not what exists; whoever
reads it within one turn of the event loop reads one state. It knows nothing of streams.
"""

from collections.abc import Iterable, Iterator, KeysView, Mapping
from typing import Final

from xds.snapshot.resource import Resource
from xds.snapshot.types import short

_MODULUS: Final = 1 << 64


def version_of(resources: Iterable[Resource]) -> str:
    """Return the version of resources as a whole: 16 hexadecimal digits, the same wherever and in whatever order.

    It is the sum of the resources' digests, and so can be kept as they come and go.
    """
    return _text(sum(resource.digest for resource in resources))


def _text(total: int) -> str:
    return f"{total % _MODULUS:016x}"


class ResourceSet:
    """The resources of one type by name, and the version of the whole."""

    __slots__ = ("_resources", "_sum")

    def __init__(self, resources: Iterable[Resource] = ()) -> None:
        self._resources: dict[str, Resource] = {}
        self._sum = 0
        for resource in resources:
            self._put(resource)

    @property
    def version(self) -> str:
        """The set's version, as ``version_of`` has it."""
        return _text(self._sum)

    def _put(self, resource: Resource) -> bool:
        old = self._resources.get(resource.name)
        if old is not None:
            if old.digest == resource.digest:
                return False
            self._sum -= old.digest
        self._resources[resource.name] = resource
        self._sum += resource.digest
        return True

    def _remove(self, name: str) -> bool:
        old = self._resources.pop(name, None)
        if old is None:
            return False
        self._sum -= old.digest
        return True

    def get(self, name: str) -> Resource | None:
        """Return the resource of that name, or None."""
        return self._resources.get(name)

    def __contains__(self, name: object) -> bool:
        return name in self._resources

    def __iter__(self) -> Iterator[Resource]:
        return iter(self._resources.values())

    def __len__(self) -> int:
        return len(self._resources)

    @property
    def names(self) -> KeysView[str]:
        """The resources' names, as a live view."""
        return self._resources.keys()

    def __repr__(self) -> str:
        return f"ResourceSet({len(self)} resources, version {self.version})"


# What changed: the names of each type whose resource is new, other or gone.
Changes = Mapping[str, frozenset[str]]


class Snapshot:
    """The resource sets of one tenant by type URL.

    A type that was never set is not empty but unknown: a subscription to it is held open in silence (rule 4).
    """

    __slots__ = ("_sets",)

    def __init__(self, types: Iterable[str] = (), resources: Iterable[Resource] = ()) -> None:
        self._sets: dict[str, ResourceSet] = {type_url: ResourceSet() for type_url in types}
        self.update(resources)

    def get(self, type_url: str) -> ResourceSet | None:
        """Return the resources of a type, or None for a type that was never set."""
        return self._sets.get(type_url)

    @property
    def types(self) -> tuple[str, ...]:
        """The type URLs that were set."""
        return tuple(self._sets)

    def update(self, upserts: Iterable[Resource] = (), removals: Iterable[tuple[str, str]] = ()) -> Changes:
        """Apply one transaction and say what it changed.

        ``removals`` are (type URL, name); a name that is also among the upserts stays. Equal content is no change.
        """
        changed: dict[str, set[str]] = {}
        kept: set[tuple[str, str]] = set()
        for resource in upserts:
            kept.add((resource.type_url, resource.name))
            resources = self._sets.get(resource.type_url)
            if resources is None:
                resources = self._sets[resource.type_url] = ResourceSet()
            if resources._put(resource):  # noqa: SLF001 — only snapshots change resource sets
                changed.setdefault(resource.type_url, set()).add(resource.name)
        for type_url, name in removals:
            resources = self._sets.get(type_url)
            if resources is not None and (type_url, name) not in kept and resources._remove(name):  # noqa: SLF001
                changed.setdefault(type_url, set()).add(name)
        return {type_url: frozenset(names) for type_url, names in changed.items()}

    @property
    def is_empty(self) -> bool:
        """Whether there is no resource of any type."""
        return not any(map(len, self._sets.values()))

    def __repr__(self) -> str:
        counts = ", ".join(
            f"{short(type_url)}: {len(resources)}" for type_url, resources in self._sets.items()
        )
        return f"Snapshot({counts})"
