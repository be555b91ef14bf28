"""What one tenant's Envoys are to have: the resources of each type, with a version for each type.

A snapshot changes in place, one transaction at a time, so that a change costs what it touches and not what exists; whoever
reads it within one turn of the event loop reads one state. It knows nothing of streams.
"""

from collections.abc import Iterable, Iterator, KeysView, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple, TypeAlias

from xds.snapshot.resource import Resource
from xds.snapshot.types import short

_MODULUS: Final = 1 << 64
NO_VERSIONS: Final[Mapping[str, str]] = MappingProxyType({})


def version_of(resources: Iterable[Resource]) -> str:
    """Return the version of resources as a whole: 16 hexadecimal digits, the same wherever and in whatever order.

    It is the sum of the resources' digests, and so can be kept as they come and go.
    """
    return _text(sum(resource.digest for resource in resources))


def _text(total: int) -> str:
    return f"{total % _MODULUS:016x}"


def sotw_bytes(resources: Iterable[Resource]) -> bytes:
    """Return these resources as the elements of ``DiscoveryResponse.resources``."""
    return b"".join(part for resource in resources for part in (resource.sotw_head, resource.body))


def delta_bytes(resources: Iterable[Resource]) -> bytes:
    """Return these resources as the elements of ``DeltaDiscoveryResponse.resources``."""
    return b"".join(part for resource in resources for part in (resource.delta_head, resource.body))


class Whole(NamedTuple):
    """Resources, their names, and their encoded elements of a response of either variant."""

    resources: tuple[Resource, ...]
    names: tuple[str, ...]
    encoded: bytes


class ResourceSet:
    """The resources of one type by name, and the version of the whole.

    ``hashed`` says whether the version stands for the content: one that the maker gave does not vouch for it.
    """

    __slots__ = ("_own_version", "_resources", "_sum", "_version", "_wholes")

    def __init__(self, resources: Iterable[Resource] = ()) -> None:
        self._resources: dict[str, Resource] = {}
        self._sum = 0
        self._own_version = ""
        # What is derived from the rest, once it is asked for.
        self._version = ""
        self._wholes: dict[bool, Whole] = {}
        for resource in resources:
            self._put(resource)

    @property
    def version(self) -> str:
        """The set's version: the maker's own, or as ``version_of`` has it."""
        if not self._version:
            self._version = _text(self._sum)
        return self._own_version or self._version

    @property
    def hashed(self) -> bool:
        """Whether the version is that of ``version_of``."""
        return not self._own_version

    def version_of(self, carried: Iterable[Resource]) -> str:
        """Return the version of a response that carries these instead of the whole set."""
        return self._own_version or version_of(carried)

    def whole(self, *, delta: bool) -> Whole:
        """Return all of it as a response carries it, joined once for all streams."""
        if delta not in self._wholes:
            resources = tuple(self._resources.values())
            encoded = (delta_bytes if delta else sotw_bytes)(resources)
            self._wholes[delta] = Whole(resources, tuple(self._resources), encoded)
        return self._wholes[delta]

    def _put(self, resource: Resource) -> None:
        self._sum += resource.digest - self._digest(resource.name)
        self._resources[resource.name] = resource
        self._version = ""
        self._wholes.clear()

    def _remove(self, name: str) -> None:
        self._sum -= self._digest(name)
        self._resources.pop(name, None)
        self._version = ""
        self._wholes.clear()

    def _digest(self, name: str) -> int:
        resource = self._resources.get(name)
        return resource.digest if resource is not None else 0

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


# What changed: of each type by name what was there before, None where the resource is new, in the order of the transaction.
Changes: TypeAlias = Mapping[str, Mapping[str, Resource | None]]


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

    @property
    def own_versions(self) -> tuple[str, ...]:
        """The type URLs whose version is the maker's own."""
        return tuple(type_url for type_url, resources in self._sets.items() if not resources.hashed)

    def update(
        self,
        upserts: Iterable[Resource] = (),
        removals: Iterable[tuple[str, str]] = (),
        versions: Mapping[str, str] = NO_VERSIONS,
    ) -> Changes:
        """Apply one transaction and say what it changed.

        ``removals`` are (type URL, name). A name that is also among the upserts stays; of several upserts of a name the last
        counts. Equal content is no change. ``versions`` are the maker's own by type URL, which stay until another is given;
        "" is the hash again. A version alone is no change: the next response says it.
        """
        changed: dict[str, dict[str, Resource | None]] = {}
        latest = {(resource.type_url, resource.name): resource for resource in upserts}
        for (type_url, name), resource in latest.items():
            resources = self._sets.get(type_url)
            if resources is None:
                resources = self._sets[type_url] = ResourceSet()
            before = resources.get(name)
            if before is None or before.digest != resource.digest:
                resources._put(resource)  # noqa: SLF001 — only snapshots change resource sets
                changed.setdefault(type_url, {})[name] = before
        for type_url, version in versions.items():
            resources = self._sets.get(type_url)
            if resources is None:
                resources = self._sets[type_url] = ResourceSet()
                changed[type_url] = {}  # it is empty now, no longer unknown
            resources._own_version = version  # noqa: SLF001
        for type_url, name in removals:
            resources = self._sets.get(type_url)
            before = resources.get(name) if resources is not None and (type_url, name) not in latest else None
            if resources is not None and before is not None:
                resources._remove(name)  # noqa: SLF001
                changed.setdefault(type_url, {})[name] = before
        return changed

    @property
    def is_empty(self) -> bool:
        """Whether there is no resource of any type."""
        return not any(map(len, self._sets.values()))

    def __repr__(self) -> str:
        counts = ", ".join(
            f"{short(type_url)}: {len(resources)}" for type_url, resources in self._sets.items()
        )
        return f"Snapshot({counts})"
