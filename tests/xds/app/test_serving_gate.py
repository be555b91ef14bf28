"""Nobody is answered before the source has told everything, and readiness says what is missing."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from structlog.testing import capture_logs
from structlog.typing import EventDict

from tests.support.objects import loadbalancer
from tests.support.recording import RecordingObserver
from tests.support.xds_client import BOUND, XdsClient, names_of
from tests.xds.app.fake_source import FakeSource, informer
from xds.app.control_plane import ControlPlane
from xds.app.demo.waiting import poll
from xds.app.errors import UserError
from xds.app.settings import ServeSettings
from xds.snapshot.types import CLUSTER

NOT_LISTED = {"LoadBalancer": "not listed yet", "Secret": "not listed yet"}


@pytest.fixture
def observer() -> RecordingObserver:
    """Return what hears everything that the server does."""
    return RecordingObserver()


@pytest.fixture
async def control_plane(observer: RecordingObserver) -> AsyncIterator[ControlPlane]:
    """Yield a control plane over a source that has not synced; it is not started, and stopped after the test."""
    settings = ServeSettings(kubernetes=True, listener_ports="spec", xds_address="127.0.0.1:0", drain=0.0)
    control_plane = ControlPlane(settings, observer=observer, source_of=FakeSource)
    yield control_plane
    await control_plane.stop()


@pytest.fixture
def source(control_plane: ControlPlane) -> FakeSource:
    """Return its source."""
    assert isinstance(control_plane.source, FakeSource)
    return control_plane.source


async def test_nobody_is_answered_before_the_source_has_synced(
    control_plane: ControlPlane, source: FakeSource, observer: RecordingObserver
) -> None:
    """A stream that comes early waits, and the first answer that it gets has everything."""
    port = await control_plane.start()
    async with XdsClient(port, delta=True) as client:
        await client.subscribe(CLUSTER)
        await observer.wait_for(lambda heard: heard.what == "requested")
        source.store.apply(now=0.0, upserts=[loadbalancer("one", port=20001)])
        source.store.mark_synced("LoadBalancer")
        assert control_plane.unready() == {"Secret": "not listed yet"}
        source.sync(loadbalancer("two", port=20002))
        assert control_plane.unready() == {}
        response = await client.receive()
    assert sorted(names_of(response)) == [
        "tenant-a-one-ep-0-port-30443-TCP",
        "tenant-a-two-ep-0-port-30443-TCP",
    ]


async def test_start_does_not_wait_for_the_source(control_plane: ControlPlane) -> None:
    """It listens, and is not ready, for as long as the source has told nothing."""
    assert control_plane.unready() == {"xDS": "not listening yet"} | NOT_LISTED
    await control_plane.start()
    assert control_plane.unready() == NOT_LISTED


async def test_what_is_missing_has_its_reason(control_plane: ControlPlane, source: FakeSource) -> None:
    """An informer that failed is missing with its error, until it has synced."""
    await control_plane.start()
    refused = "403 Forbidden: secrets is forbidden"
    source.informers = (informer("LoadBalancer"), informer("Secret", error=refused))
    assert control_plane.unready() == {"LoadBalancer": "not listed yet", "Secret": refused}


async def test_a_source_that_fails_later_is_no_reason(
    control_plane: ControlPlane, source: FakeSource
) -> None:
    """Once everything was told it stays ready: the last state is served while the API server is away."""
    await control_plane.start()
    source.sync()
    source.informers = (informer("LoadBalancer", synced=True, error="connection refused"),)
    assert control_plane.unready() == {}


async def test_it_is_unready_from_the_moment_it_stops(
    control_plane: ControlPlane, source: FakeSource
) -> None:
    """While streams drain nothing is ready, so that new Envoys go elsewhere."""
    await control_plane.start()
    source.sync()
    stopping = asyncio.create_task(control_plane.stop())
    await asyncio.sleep(0)  # it runs as far as its first wait
    assert not stopping.done()
    assert control_plane.unready() == {"stopping": "streams are drained, Envoys keep what they have"}
    await asyncio.wait_for(stopping, BOUND)
    assert source.ended.is_set()


async def test_the_log_tells_when_it_serves_and_when_it_has_synced(
    control_plane: ControlPlane, source: FakeSource
) -> None:
    """One line when it listens, with the source; one when everything was told, with how much and after how long."""
    with capture_logs() as logs:
        port = await control_plane.start()
        serving = {"event": "serving xDS", "address": f"127.0.0.1:{port}", "kubernetes": "https://fake:6443"}
        assert logs == [serving | {"log_level": "info"}]
        source.sync(loadbalancer("one", port=20001), loadbalancer("two", port=20002))
        source.sync()
    (line,) = logs[1:]
    assert (line["event"], line["loadbalancers"]) == ("synced", 2)
    assert 0 <= line["seconds"] < BOUND


async def test_a_source_that_cannot_begin_closes_the_port(
    control_plane: ControlPlane, source: FakeSource
) -> None:
    """What only the user can put right is raised, and nothing listens any more."""
    ports: list[int] = []
    start = control_plane.server.start

    async def recorded(address: str) -> int:
        ports.append(await start(address))
        return ports[0]

    control_plane.server.start = recorded  # type: ignore[method-assign]
    source.refuses = UserError("no such context")
    with pytest.raises(UserError, match="no such context"):
        await control_plane.start()
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", ports[0]))


async def test_a_source_that_breaks_ends_it(control_plane: ControlPlane, source: FakeSource) -> None:
    """A fault of the source comes out of `run`, and stopping comes to its end all the same."""
    await control_plane.start()
    source.breaks.set_exception(RuntimeError("out of order"))
    with pytest.raises(RuntimeError, match="out of order"):
        await asyncio.wait_for(control_plane.run(asyncio.Event()), BOUND)
    await asyncio.wait_for(control_plane.stop(), BOUND)


async def test_who_comes_early_is_no_surprise() -> None:
    """Before everything is known no stream is warned about for having nothing; afterwards one of an unknown tenant is."""
    settings = ServeSettings(kubernetes=True, listener_ports="spec", xds_address="127.0.0.1:0", drain=0.0)
    with capture_logs() as lines:
        control_plane = ControlPlane(settings, source_of=FakeSource)
        port = await control_plane.start()
        source = control_plane.source
        assert isinstance(source, FakeSource)
        async with XdsClient(port, delta=True) as early, XdsClient(port, delta=True) as late:
            await early.subscribe(CLUSTER)
            await poll(_opened(lines), bool, within=BOUND, what="the stream")
            source.sync(loadbalancer("one", namespace="tenant-b"))
            await early.receive()
            await late.subscribe(CLUSTER)
            await late.receive()
        await control_plane.stop()
    assert await _opened(lines)() == ["info", "warning"]


def _opened(lines: list[EventDict]) -> Callable[[], Awaitable[list[str]]]:
    async def levels() -> list[str]:
        return [line["log_level"] for line in lines if "stream opened" in line["event"]]

    return levels
