"""The snapshots of all tenants, and who wants to hear when one changes.

One door for every change: whoever produces resources calls ``update``; whoever serves them watches a tenant. A tenant that
was never set has no snapshot, which is different from an empty one: its Envoys are left as they are.
"""

from collections.abc import Callable, Iterable

from xds.snapshot.resource import Resource
from xds.snapshot.snapshot import Changes, Snapshot

# Called within ``update`` with what changed; the snapshot is in its new state already.
Watcher = Callable[[Snapshot, Changes], None]


class SnapshotCache:
    """Snapshots by tenant. Not thread-safe: it belongs to one event loop."""

    def __init__(self, types: Iterable[str] = ()) -> None:
        """``types`` are the type URLs that every new snapshot has from the start, if only empty."""
        self._types = tuple(types)
        self._snapshots: dict[str, Snapshot] = {}
        # Of each tenant those who hear, in the order in which they came.
        self._watchers: dict[str, dict[Watcher, None]] = {}

    def get(self, tenant: str) -> Snapshot | None:
        """Return the tenant's snapshot, or None when it was never set."""
        return self._snapshots.get(tenant)

    @property
    def tenants(self) -> tuple[str, ...]:
        """The tenants that have a snapshot."""
        return tuple(self._snapshots)

    def update(
        self, tenant: str, upserts: Iterable[Resource] = (), removals: Iterable[tuple[str, str]] = ()
    ) -> Changes:
        """Change a tenant's snapshot in one transaction, tell its watchers, and return what changed.

        The first update of a tenant makes its snapshot, even when it brings nothing.
        """
        snapshot = self._snapshots.get(tenant)
        new = snapshot is None
        if snapshot is None:
            snapshot = self._snapshots[tenant] = Snapshot(self._types)
        changes = snapshot.update(upserts, removals)
        if changes or new:
            watchers = self._watchers.get(tenant, {})
            for watcher in tuple(watchers):
                if watcher in watchers:  # not when an earlier one ended its watch
                    watcher(snapshot, changes)
        return changes

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
