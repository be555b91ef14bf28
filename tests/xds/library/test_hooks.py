"""Hooks on what happens on the streams, and that none of them can do harm."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.support.recording import RecordingObserver
from tests.support.xds_client import XdsClient, names_of
from xds import CLUSTER, Observer, SnapshotCache, XdsServer
from xds.messages import Cluster

TENANT = "tenant-a"


async def test_every_step_of_a_stream_is_heard_in_order(
    port: int, cache: SnapshotCache, observer: RecordingObserver, delta: bool
) -> None:
    """Open, request, what the request was, response, its ACK, close; each with the stream that it is of."""
    cache.set(TENANT, [Cluster(name="a")])
    async with XdsClient(port, delta=delta) as client:
        await client.subscribe(CLUSTER)
        response = await client.receive()
        await observer.wait_for(lambda heard: heard.what == "pushed")
        await client.ack(response)
        await observer.wait_for(lambda heard: heard.what == "answered" and heard.detail[1].kind == "ack")
    await observer.wait_for(lambda heard: heard.what == "closed")
    assert [heard.what for heard in observer.heard] == [
        "opened",
        "requested",
        "answered",
        "pushed",
        "requested",
        "answered",
        "closed",
    ]
    assert {(heard.stream.node, heard.stream.tenant, heard.stream.delta) for heard in observer.heard} == {
        ("test-envoy", TENANT, delta)
    }


async def test_a_request_is_heard_as_it_came(
    port: int, cache: SnapshotCache, observer: RecordingObserver, delta: bool
) -> None:
    """A hook sees the names that were asked for, and the node."""
    cache.set(TENANT, [Cluster(name="a")])
    async with XdsClient(port, delta=delta) as client:
        await client.subscribe(CLUSTER, ["a", "b"])
        request = (await observer.wait_for(lambda heard: heard.what == "requested")).detail
    assert list(request.resource_names_subscribe if delta else request.resource_names) == ["a", "b"]
    assert request.node.id == "test-envoy"


class Failing(Observer):
    """Fails at everything, and keeps at what."""

    def __init__(self) -> None:
        self.failed: list[str] = []

    def _fail(self, what: str) -> None:
        self.failed.append(what)
        raise RuntimeError(what)

    def opened(self, *_: Any, **__: Any) -> None:
        """Fail."""
        self._fail("opened")

    def requested(self, *_: Any, **__: Any) -> None:
        """Fail."""
        self._fail("requested")

    def pushed(self, *_: Any, **__: Any) -> None:
        """Fail."""
        self._fail("pushed")

    def answered(self, *_: Any, **__: Any) -> None:
        """Fail."""
        self._fail("answered")

    def closed(self, *_: Any, **__: Any) -> None:
        """Fail."""
        self._fail("closed")


class TestFailing:
    """Hooks that raise."""

    @pytest.fixture
    def hooks(self) -> Failing:
        """Return the hooks."""
        return Failing()

    @pytest.fixture
    async def server(self, cache: SnapshotCache, hooks: Failing) -> AsyncIterator[XdsServer]:
        """Yield a server with these hooks."""
        server = XdsServer(cache, observer=hooks)
        yield server
        await server.stop()

    async def test_what_a_hook_raises_is_logged_and_ends_nothing(
        self, port: int, server: XdsServer, cache: SnapshotCache, hooks: Failing, delta: bool
    ) -> None:
        """The stream goes on, and each fault is a line of log with its traceback."""
        cache.set(TENANT, [Cluster(name="a")])
        with capture_logs() as logs:
            async with XdsClient(port, delta=delta) as client:
                for seconds in (1, 2, 3):
                    cache.update(TENANT, [Cluster(name="a", connect_timeout={"seconds": seconds})])
                    if seconds == 1:
                        await client.subscribe(CLUSTER)
                    await client.ack(await client.receive())
                assert await server.delivered(TENANT, timeout=5)
            await server.stop()
        assert set(hooks.failed) == {"opened", "requested", "pushed", "answered", "closed"}
        assert len([line for line in logs if line.get("exc_info")]) == len(hooks.failed)


class TestSilent:
    """An observer that overrides nothing."""

    @pytest.fixture
    async def server(self, cache: SnapshotCache) -> AsyncIterator[XdsServer]:
        """Yield a server that tells nobody."""
        server = XdsServer(cache, observer=Observer())
        yield server
        await server.stop()

    async def test_an_observer_hears_what_it_wants_to(self, port: int, cache: SnapshotCache) -> None:
        """Nothing has to be overridden, and nothing is logged in its place."""
        cache.set(TENANT, [Cluster(name="a")])
        with capture_logs() as logs:
            async with XdsClient(port, delta=True) as client:
                await client.subscribe(CLUSTER)
                assert names_of(await client.receive()) == ["a"]
        assert logs == []
