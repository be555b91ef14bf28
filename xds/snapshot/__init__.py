"""Resources, snapshots and the cache of them: what is to be served, whoever asks."""

from xds.snapshot.cache import SnapshotCache, Watcher
from xds.snapshot.convert import EnvoyMessage, resource_of
from xds.snapshot.resource import InvalidResourceError, Resource, keys_of
from xds.snapshot.snapshot import Changes, ResourceSet, Snapshot, delta_bytes, sotw_bytes, version_of

__all__ = [
    "Changes",
    "EnvoyMessage",
    "InvalidResourceError",
    "Resource",
    "ResourceSet",
    "Snapshot",
    "SnapshotCache",
    "Watcher",
    "delta_bytes",
    "keys_of",
    "resource_of",
    "sotw_bytes",
    "version_of",
]
