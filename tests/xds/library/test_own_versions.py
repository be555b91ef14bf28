"""Versions of one's own, of a resource and of a type, and that they never hide content."""

from typing import Any

import pytest

from tests.support.recording import RecordingObserver
from tests.support.xds_client import XdsClient, names_of
from xds import CLUSTER, ENDPOINT, LISTENER, SnapshotCache, resource_of
from xds.messages import Cluster, ClusterLoadAssignment

TENANT = "tenant-a"


def cluster(name: str, seconds: int = 1) -> Any:
    """Return a cluster whose content is a number."""
    return Cluster(name=name, connect_timeout={"seconds": seconds})


async def test_a_types_version_is_what_the_response_says(
    port: int, cache: SnapshotCache, delta: bool
) -> None:
    """It is version_info in state of the world, and system_version_info in delta."""
    cache.set(TENANT, [cluster("a")], versions={CLUSTER: "release-1"})
    async with XdsClient(port, delta=delta) as client:
        await client.subscribe(CLUSTER)
        response = await client.receive()
    assert (response.system_version_info if delta else response.version_info) == "release-1"


async def test_a_resources_version_is_what_delta_says(port: int, cache: SnapshotCache) -> None:
    """Each resource carries its own version, the others their hash."""
    hashed = resource_of(cluster("b"))
    cache.set(TENANT, [resource_of(cluster("a"), version="mine"), hashed])
    async with XdsClient(port, delta=True) as client:
        await client.subscribe(CLUSTER)
        response = await client.receive()
    assert {resource.name: resource.version for resource in response.resources} == {
        "a": "mine",
        "b": hashed.version,
    }


async def test_content_that_changes_under_one_version_is_pushed(
    port: int, cache: SnapshotCache, delta: bool
) -> None:
    """An unchanged version of one's own, of type and resource, keeps no change back."""
    cache.set(TENANT, [resource_of(cluster("a"), version="1")], versions={CLUSTER: "1"})
    async with XdsClient(port, delta=delta) as client:
        await client.subscribe(CLUSTER)
        await client.ack(await client.receive())
        cache.update(TENANT, [resource_of(cluster("a", 2), version="1")])
        response = await client.receive()
        (given,) = response.resources
        packed = given.resource if delta else given
        assert Cluster.FromString(packed.value).connect_timeout.seconds == 2
        assert (response.system_version_info if delta else response.version_info) == "1"


@pytest.mark.parametrize("changed", [False, True])
async def test_a_delta_reconnect_is_sent_what_has_a_version_of_ones_own(
    port: int,
    cache: SnapshotCache,
    changed: bool,
) -> None:
    """The version that the client presents cannot tell whether it has this content; a hash can."""
    hashed = resource_of(cluster("hashed"))
    cache.set(TENANT, [resource_of(cluster("own", 2 if changed else 1), version="1"), hashed])
    async with XdsClient(port, delta=True) as client:
        await client.subscribe(CLUSTER, have={"own": "1", "hashed": hashed.version})
        assert names_of(await client.receive()) == ["own"]


async def test_a_reconnect_in_state_of_the_world_is_answered(port: int, cache: SnapshotCache) -> None:
    """Rule 19 holds for hashes only: a type's version of one's own that the client presents says nothing."""
    cache.set(TENANT, [cluster("a")], versions={CLUSTER: "1"})
    async with XdsClient(port, delta=False) as client:
        await client.subscribe(CLUSTER, version="1")
        assert (await client.receive()).version_info == "1"


async def test_a_version_alone_is_no_push(
    port: int, cache: SnapshotCache, observer: RecordingObserver, delta: bool
) -> None:
    """A type's new version is said by the next response, and makes none."""
    cache.set(TENANT, [cluster("a")], versions={CLUSTER: "1"})
    async with XdsClient(port, delta=delta) as client:
        await client.subscribe(CLUSTER)
        await client.ack(await client.receive())
        assert cache.update(TENANT, versions={CLUSTER: "2"}) == {}
        cache.update(TENANT, [cluster("a", 2)])
        response = await client.receive()
        assert (response.system_version_info if delta else response.version_info) == "2"
        await client.ack(response)
        await observer.wait_for(lambda heard: heard.what == "pushed" and heard.detail.version == "2")
    assert [heard.detail.version for heard in observer.heard if heard.what == "pushed"] == ["1", "2"]


def test_a_types_version_stays_until_it_is_changed() -> None:
    """Updates keep it, "" ends it, and so does a snapshot that does not give it again."""
    cache = SnapshotCache()

    def version() -> str:
        snapshot = cache.get(TENANT)
        assert snapshot is not None
        clusters = snapshot.get(CLUSTER)
        assert clusters is not None
        return clusters.version

    cache.set(TENANT, [cluster("a")])
    hashed = version()
    cache.update(TENANT, versions={CLUSTER: "1"})
    cache.update(TENANT, [cluster("b")])
    assert version() == "1"
    cache.update(TENANT, removals=[(CLUSTER, "b")], versions={CLUSTER: ""})
    assert version() == hashed
    cache.update(TENANT, versions={CLUSTER: "2"})
    cache.set(TENANT, [cluster("a")])
    assert version() == hashed


class TestWithoutTypes:
    """A cache that knows no type from the start."""

    @pytest.fixture
    def cache(self) -> SnapshotCache:
        """Return the cache that the server serves."""
        return SnapshotCache(types=())

    async def test_a_version_makes_a_type_known(self, port: int, cache: SnapshotCache) -> None:
        """A type with a version and no resource is empty, not unknown: who waits for it is answered."""
        cache.set(TENANT, [cluster("a")])
        async with XdsClient(port, delta=True) as client:
            await client.subscribe(LISTENER)
            await client.subscribe(CLUSTER)
            assert (await client.receive()).type_url == CLUSTER
            cache.update(TENANT, versions={LISTENER: "1"})
            response = await client.receive()
            assert (response.type_url, response.system_version_info) == (LISTENER, "1")


async def test_a_response_without_what_was_refused_has_the_types_version(
    port: int, cache: SnapshotCache
) -> None:
    """Where state of the world leaves out what the client refused, the version is still one's own."""
    cache.set(TENANT, [cluster("a"), ClusterLoadAssignment(cluster_name="a")], versions={CLUSTER: "1"})
    async with XdsClient(port, delta=False) as client:
        await client.subscribe(CLUSTER)
        await client.ack(await client.receive())
        cache.update(TENANT, [cluster("b")], versions={CLUSTER: "2", ENDPOINT: "x"})
        await client.nack(await client.receive(), "Error adding/updating cluster(s) b: no")
        cache.update(TENANT, [cluster("c")])
        response = await client.receive()
    assert response.version_info == "2"
    assert [Cluster.FromString(packed.value).name for packed in response.resources] == ["a", "c"]
