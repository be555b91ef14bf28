"""The snapshots of all tenants, and who wants to hear when one changes.

One door for every change: whoever produces resources calls ``update`` or ``set``; whoever serves them watches a tenant. A
tenant that was never set has no snapshot, which is different from an empty one: its Envoys are left as they are.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from xds.snapshot.convert import EnvoyMessage, resource_of
from xds.snapshot.resource import InvalidResourceError, Resource, keys_of
from xds.snapshot.snapshot import NO_VERSIONS, Changes, Snapshot
from xds.snapshot.types import ORDER

# Called within ``update`` with what changed; the snapshot is in its new state already. None: it was cleared.
Watcher = Callable[[Snapshot | None, Changes], None]

_NOTHING: Final[Changes] = {}


class SnapshotCache:
    """Snapshots by tenant: a tenant is whatever ``TenantOf`` makes of a node, a group of Envoys or a single one.

    Not thread-safe: it belongs to one event loop. Another thread calls it by ``loop.call_soon_threadsafe``.
    """

    def __init__(self, types: Iterable[str] = ORDER) -> None:
        """``types`` are the type URLs that every new snapshot has from the start, if only empty.

        Envoy that asks for one of another type waits, in silence, until a resource of it is there (rule 4).
        """
        self._types = tuple(types)
        self._snapshots: dict[str, Snapshot] = {}
        # Of each tenant those who hear, in the order in which they came.
        self._watchers: dict[str, dict[Watcher, None]] = {}

    def get(self, tenant: str) -> Snapshot | None:
        """Return the tenant's snapshot, or None when it was never set or is cleared."""
        return self._snapshots.get(tenant)

    @property
    def tenants(self) -> tuple[str, ...]:
        """The tenants that have a snapshot."""
        return tuple(self._snapshots)

    def set(
        self,
        tenant: str,
        resources: Iterable[Resource | EnvoyMessage],
        *,
        versions: Mapping[str, str] = NO_VERSIONS,
    ) -> Changes:
        """Make this all that the tenant has, in one transaction: what it had and is not named here goes.

        Otherwise as ``update``, but that a type's version of your own that is not given again ends.
        """
        upserts = _resources(resources)
        old = self._snapshots.get(tenant)
        removals: list[tuple[str, str]] = []
        if old is not None:
            removals = [
                (type_url, resource.name) for type_url in old.types for resource in old.get(type_url) or ()
            ]
            versions = {**dict.fromkeys(old.own_versions, ""), **versions}
        return self._update(tenant, upserts, removals, versions)

    def update(
        self,
        tenant: str,
        upserts: Iterable[Resource | EnvoyMessage] = (),
        removals: Iterable[tuple[str, str]] = (),
        *,
        versions: Mapping[str, str] = NO_VERSIONS,
    ) -> Changes:
        """Change a tenant's snapshot in one transaction, tell its watchers, and return what changed.

        ``upserts`` are added, or take the place of those of their type and name; messages are encoded by ``resource_of``.
        ``removals`` are (type URL, name); what is not there is no error, and a name that is also among the upserts stays.
        ``versions`` are versions of your own by type URL, sent in place of the hash until they are changed; "" is the hash
        again. The first update of a tenant makes its snapshot, even when it brings nothing.

        Raises ``InvalidResourceError``, and changes nothing then, where something cannot be served or where two upserts have
        one type and name.
        """
        return self._update(tenant, _resources(upserts), keys_of(removals), versions)

    def clear(self, tenant: str) -> None:
        """Stop serving the tenant. Its Envoys keep what they have, and hear nothing until it is set again."""
        if self._snapshots.pop(tenant, None) is not None:
            self._tell(tenant, None, _NOTHING)

    def _update(
        self,
        tenant: str,
        upserts: Iterable[Resource],
        removals: Iterable[tuple[str, str]],
        versions: Mapping[str, str],
    ) -> Changes:
        snapshot = self._snapshots.get(tenant)
        new = snapshot is None
        versions = _versions(versions)
        if snapshot is None:
            snapshot = self._snapshots[tenant] = Snapshot(self._types)
        changes = snapshot.update(upserts, removals, versions)
        if changes or new:
            self._tell(tenant, snapshot, changes)
        return changes

    def _tell(self, tenant: str, snapshot: Snapshot | None, changes: Changes) -> None:
        watchers = self._watchers.get(tenant, {})
        for watcher in tuple(watchers):
            if watcher in watchers:  # not when an earlier one ended its watch
                watcher(snapshot, changes)

    def watched(self, tenant: str) -> bool:
        """Whether anybody hears of the tenant's changes."""
        return tenant in self._watchers

    def watch(self, tenant: str, watcher: Watcher) -> Callable[[], None]:
        """Call ``watcher`` at every change of the tenant's snapshot, until the returned function is called."""
        self._watchers.setdefault(tenant, {})[watcher] = None

        def unwatch() -> None:
            watchers = self._watchers.get(tenant, {})
            watchers.pop(watcher, None)
            if not watchers:
                self._watchers.pop(tenant, None)

        return unwatch


def _resources(given: Iterable[Resource | EnvoyMessage]) -> Iterable[Resource]:
    """Return all of what was given as resources, no two of one type and name (rule 7)."""
    resources: dict[tuple[str, str], Resource] = {}
    for each in given:
        resource = each if isinstance(each, Resource) else resource_of(each)
        key = resource.type_url, resource.name
        if key in resources:
            kind = resource.type_url.rpartition(".")[2]
            raise InvalidResourceError(f"two resources are {kind} {resource.name!r}: Envoy would refuse both")
        resources[key] = resource
    return resources.values()


def _versions(given: Mapping[str, Any]) -> Mapping[str, str]:
    for type_url, version in given.items():
        if not isinstance(version, str):
            raise InvalidResourceError(f"the version of {type_url} is {version!r}: write a text")
    return given
