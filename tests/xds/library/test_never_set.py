"""A node whose tenant was never set is left as it is until it is set."""

from tests.support.recording import RecordingObserver
from tests.support.xds_client import XdsClient
from xds import CLUSTER, LISTENER, SnapshotCache
from xds.messages import Cluster

TENANT = "tenant-a"


async def test_a_node_waits_in_silence_until_its_tenant_is_set(
    port: int, cache: SnapshotCache, observer: RecordingObserver, delta: bool
) -> None:
    """No answer comes, not even an empty one, until there is a snapshot; then everything is answered."""
    async with XdsClient(port, delta=delta) as client:
        await client.subscribe(CLUSTER)
        await client.subscribe(LISTENER)
        await observer.wait_for(lambda heard: heard.what == "answered" and heard.detail[0] == LISTENER)
        opened = await observer.wait_for(lambda heard: heard.what == "opened")
        assert opened.detail is False
        assert not [heard for heard in observer.heard if heard.what == "pushed"]
        cache.set(TENANT, [Cluster(name="a")])
        clusters = await client.receive()
        assert (clusters.type_url, len(clusters.resources)) == (CLUSTER, 1)
        await client.ack(clusters)
        listeners = await client.receive()
        assert (listeners.type_url, len(listeners.resources)) == (LISTENER, 0)


async def test_an_empty_snapshot_is_an_answer(port: int, cache: SnapshotCache, delta: bool) -> None:
    """A tenant that is set to nothing has nothing, which its Envoys are told."""
    cache.set(TENANT, [])
    async with XdsClient(port, delta=delta) as client:
        await client.subscribe(CLUSTER)
        response = await client.receive()
    assert (response.type_url, len(response.resources)) == (CLUSTER, 0)
