"""Resources, snapshots and the cache of them: what is to be served, whoever asks."""

from xds.snapshot.cache import SnapshotCache, Watcher
from xds.snapshot.resource import Resource
from xds.snapshot.snapshot import Changes, ResourceSet, Snapshot, version_of

__all__ = ["Changes", "Resource", "ResourceSet", "Snapshot", "SnapshotCache", "Watcher", "version_of"]
