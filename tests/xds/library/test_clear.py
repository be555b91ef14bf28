"""Clearing a tenant stops serving it, and takes nothing from its Envoys."""

from typing import Any

from tests.support.recording import RecordingObserver
from tests.support.xds_client import XdsClient, names_of
from xds import CLUSTER, LISTENER, ROUTE, SnapshotCache
from xds.messages import Cluster

TENANT = "tenant-a"


def cluster(name: str, seconds: int = 1) -> Any:
    """Return a cluster whose content is a number."""
    return Cluster(name=name, connect_timeout={"seconds": seconds})


async def heard_request(observer: RecordingObserver, type_url: str) -> None:
    """Wait until the server has taken a request of this type."""
    await observer.wait_for(lambda heard: heard.what == "answered" and heard.detail[0] == type_url)


async def test_a_cleared_tenant_hears_nothing(
    port: int, cache: SnapshotCache, observer: RecordingObserver, delta: bool
) -> None:
    """Nothing is removed, requests stay unanswered, and the stream stays open."""
    cache.set(TENANT, [cluster("a")])
    async with XdsClient(port, delta=delta) as client:
        await client.subscribe(CLUSTER)
        await client.ack(await client.receive())
        await observer.wait_for(lambda heard: heard.what == "pushed")
        cache.clear(TENANT)
        assert cache.get(TENANT) is None
        await client.subscribe(LISTENER)
        await heard_request(observer, LISTENER)
        async with XdsClient(port, delta=delta, node={"id": "another", "cluster": TENANT}) as late:
            await late.subscribe(ROUTE)
            await heard_request(observer, ROUTE)
        await observer.wait_for(lambda heard: heard.what == "closed")
        assert [heard.detail.type_url for heard in observer.heard if heard.what == "pushed"] == [CLUSTER]
        assert not client.call.done()


async def test_a_tenant_that_is_set_again_is_compared_with_what_its_envoys_hold(
    port: int, cache: SnapshotCache
) -> None:
    """What is the same is not sent, what differs is, and what is gone is removed then."""
    cache.set(TENANT, [cluster("same"), cluster("changes"), cluster("goes")])
    async with XdsClient(port, delta=True) as client:
        await client.subscribe(CLUSTER)
        await client.ack(await client.receive())
        cache.clear(TENANT)
        cache.set(TENANT, [cluster("same"), cluster("changes", 2)])
        response = await client.receive()
    assert names_of(response) == ["changes"]
    assert list(response.removed_resources) == ["goes"]


async def test_what_was_owed_when_the_tenant_was_cleared_is_not_sent(
    port: int, cache: SnapshotCache, observer: RecordingObserver
) -> None:
    """A change that was cleared before it could leave never leaves, nor does an empty response in its place."""
    cache.set(TENANT, [cluster("a")])
    async with XdsClient(port, delta=True) as client:
        await client.subscribe(CLUSTER)
        await client.ack(await client.receive())
        cache.update(TENANT, [cluster("b")])
        cache.clear(TENANT)
        await client.subscribe(LISTENER)
        await heard_request(observer, LISTENER)
        cache.set(TENANT, [cluster("a")])
        assert (await client.receive()).type_url == LISTENER
        # A client may have it before the server knows that it was written.
        await observer.wait_for(lambda heard: heard.what == "pushed" and heard.detail.type_url == LISTENER)
    await observer.wait_for(lambda heard: heard.what == "closed")
    assert [heard.detail.type_url for heard in observer.heard if heard.what == "pushed"] == [
        CLUSTER,
        LISTENER,
    ]


async def test_other_tenants_go_on(port: int, cache: SnapshotCache) -> None:
    """Clearing one tenant changes nothing for another; clearing one that never was is no error."""
    cache.set(TENANT, [cluster("a")])
    cache.set("tenant-b", [cluster("b")])
    cache.clear("nobody")
    async with XdsClient(port, delta=True, node={"id": "x", "cluster": "tenant-b"}) as client:
        await client.subscribe(CLUSTER)
        await client.ack(await client.receive())
        cache.clear(TENANT)
        cache.update("tenant-b", [cluster("b", 2)])
        assert names_of(await client.receive()) == ["b"]
