"""One resource is changed, added or removed without naming the others; a whole snapshot is set in one transaction."""

from typing import Any

from tests.support.xds_client import XdsClient, names_of
from xds import CLUSTER, LISTENER, SnapshotCache
from xds.messages import Cluster, Listener

TENANT = "tenant-a"


def cluster(name: str, seconds: int = 1) -> Any:
    """Return a cluster whose content is a number."""
    return Cluster(name=name, connect_timeout={"seconds": seconds})


async def test_one_resource_changes_comes_and_goes(port: int, cache: SnapshotCache) -> None:
    """Each change sends what it names and nothing else."""
    cache.set(TENANT, [cluster("a"), cluster("b")])
    async with XdsClient(port, delta=True) as client:
        await client.subscribe(CLUSTER)
        await client.ack(await client.receive())

        cache.update(TENANT, [cluster("a", 2)])
        changed = await client.receive()
        assert (names_of(changed), list(changed.removed_resources)) == (["a"], [])
        await client.ack(changed)

        cache.update(TENANT, [cluster("c")])
        added = await client.receive()
        assert (names_of(added), list(added.removed_resources)) == (["c"], [])
        await client.ack(added)

        cache.update(TENANT, removals=[(CLUSTER, "a")])
        removed = await client.receive()
        assert (names_of(removed), list(removed.removed_resources)) == ([], ["a"])


async def test_setting_a_snapshot_removes_what_it_does_not_name(port: int, cache: SnapshotCache) -> None:
    """What was there and is not in the new snapshot goes; what is the same is not sent again."""
    cache.set(TENANT, [cluster("stays"), cluster("changes"), cluster("goes"), Listener(name="goes")])
    async with XdsClient(port, delta=True) as client:
        await client.subscribe(CLUSTER)
        await client.ack(await client.receive())
        await client.subscribe(LISTENER)
        await client.ack(await client.receive())

        cache.set(TENANT, [cluster("stays"), cluster("changes", 2), cluster("comes")])
        first = await client.receive()
        assert (first.type_url, names_of(first)) == (CLUSTER, ["changes", "comes"])
        await client.ack(first)
        second = await client.receive()
        assert (second.type_url, list(second.removed_resources)) == (LISTENER, ["goes"])
        await client.ack(second)
        third = await client.receive()
        assert (third.type_url, names_of(third), list(third.removed_resources)) == (CLUSTER, [], ["goes"])


def test_what_changed_is_returned() -> None:
    """A change says the names of each type that it touched; equal content touches none."""
    cache = SnapshotCache()
    changes = cache.set(TENANT, [cluster("a"), cluster("b")])
    assert {type_url: list(names) for type_url, names in changes.items()} == {CLUSTER: ["a", "b"]}
    assert cache.set(TENANT, [cluster("b"), cluster("a")]) == {}
    changes = cache.set(TENANT, [cluster("a", 2)])
    assert {type_url: list(names) for type_url, names in changes.items()} == {CLUSTER: ["a", "b"]}
    assert cache.tenants == (TENANT,)
