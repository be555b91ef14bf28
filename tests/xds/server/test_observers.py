"""A server tells several observers, each whatever the others do."""

from tests.support.recording import RecordingObserver
from tests.support.resources import cluster
from tests.support.xds_client import XdsClient
from xds.protocol import Response
from xds.server import Observer, StreamInfo, XdsServer
from xds.snapshot import SnapshotCache
from xds.snapshot.types import CLUSTER


class Failing(Observer):
    """Fails at every push."""

    def pushed(self, stream: StreamInfo, response: Response, seconds: float) -> None:  # noqa: ARG002
        """Fail."""
        raise RuntimeError("no")


async def test_an_observer_that_fails_keeps_nothing_from_the_others(
    server: XdsServer, port: int, cache: SnapshotCache, observer: RecordingObserver
) -> None:
    """Those before it and those behind it hear of everything, and the stream goes on."""
    last = RecordingObserver()
    server.observe(Failing())
    server.observe(last)
    cache.set("tenant-a", [cluster("a", eds=False)])
    async with XdsClient(port, delta=True) as client:
        await client.subscribe(CLUSTER)
        await client.ack(await client.receive())
        for each in (observer, last):
            await each.wait_for(lambda heard: heard.what == "pushed")
            await each.wait_for(lambda heard: heard.what == "answered" and heard.detail[1].kind == "ack")
