"""Resources, snapshots and the cache of them: what is to be served, whoever asks.

Each name is loaded when it is used first: the types' URLs need none of Envoy's messages.
"""

from typing import TYPE_CHECKING

from xds.lazy import names_of

if TYPE_CHECKING:
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

if not TYPE_CHECKING:
    __getattr__, __dir__ = names_of(
        globals(),
        __all__,
        ("xds.snapshot.resource", "xds.snapshot.snapshot", "xds.snapshot.cache", "xds.snapshot.convert"),
    )
