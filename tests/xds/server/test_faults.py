"""What the program itself gets wrong: it ends the stream that it happened on, with a traceback in the log, and no other."""

from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest
import structlog

from tests.support.recording import RecordingObserver
from tests.support.resources import cluster
from tests.support.xds_client import XdsClient, names_of
from xds.protocol import StreamState
from xds.server import End, XdsServer
from xds.snapshot import SnapshotCache
from xds.snapshot.types import CLUSTER, ENDPOINT

Lines = list[Any]
TYPE = "type.googleapis.com/example.Fault"
"""A type that the faulty stream alone subscribes to."""


@pytest.fixture
def lines() -> Iterator[Lines]:
    """Return what is logged."""
    with structlog.testing.capture_logs() as captured:
        yield captured


class Fault:
    """Makes one method of streams that subscribe to TYPE fail."""

    def __init__(self, patch: pytest.MonkeyPatch, lines: Lines) -> None:
        self._lines = lines
        self._patch = patch

    @property
    def errors(self) -> Lines:
        """What is logged as an error."""
        return _errors(self._lines)

    def inject(self, method: str) -> None:
        """Let the method raise once it has done its work."""
        sound = getattr(StreamState, method)

        def faulty(state: StreamState, *arguments: Any) -> Any:
            result = sound(state, *arguments)
            if TYPE in state.types:
                raise ZeroDivisionError(f"injected into {method}")
            return result

        self._patch.setattr(StreamState, method, faulty)


@pytest.fixture
def fault(monkeypatch: pytest.MonkeyPatch, lines: Lines) -> Fault:
    """Return what injects faults."""
    return Fault(monkeypatch, lines)


def _errors(lines: Lines) -> Lines:
    return [line for line in lines if line["log_level"] == "error"]


@pytest.mark.parametrize("method", ["request", "poll", "changed", "attach"])
async def test_a_fault_ends_its_own_stream(
    port: int, cache: SnapshotCache, observer: RecordingObserver, fault: Fault, method: str
) -> None:
    """Wherever it happens, the status is INTERNAL, the log has node, type and traceback, and other streams are served."""
    fault.inject(method)
    if method != "attach":
        cache.update("tenant-a", [cluster("a")])
    async with XdsClient(port, delta=True, node={"id": "bad", "cluster": "tenant-a"}) as bad:
        await bad.subscribe(TYPE)
        await observer.wait_for(lambda heard: heard.what == "opened")
        async with XdsClient(port, delta=True) as good:
            await good.subscribe(CLUSTER)
            await observer.wait_for(
                lambda heard: heard.what == "answered" and heard.stream.node == "test-envoy"
            )
            cache.update("tenant-a", [cluster("a", 2)])  # reaches both, the faulty stream first
            code, details = await bad.status()
            assert (code, details) == (
                grpc.StatusCode.INTERNAL,
                "internal error; the server's log says more",
            )
            while cluster("a", 2).version not in [each.version for each in (await good.receive()).resources]:
                pass
    (line,) = fault.errors
    assert line["event"] == "a stream failed: this is a fault of the program"
    assert f"injected into {method}" in repr(line["exc_info"])
    assert (line["node"], line["tenant"], line["type"]) == ("bad", "tenant-a", "Fault")
    closed = await observer.wait_for(lambda heard: heard.what == "closed" and heard.stream.node == "bad")
    assert closed.detail == End("INTERNAL", details, TYPE)


async def test_a_node_hash_that_fails(cache: SnapshotCache, lines: Lines) -> None:
    """A library user's `tenant_of` that raises ends the stream with INTERNAL and its traceback in the log."""

    def tenant_of(node: Any) -> str:
        return {"known": "tenant-a"}[str(node.id)]

    cache.update("tenant-a", [cluster("a")])
    server = XdsServer(cache, observer=RecordingObserver(), tenant_of=tenant_of)
    port = await server.start("127.0.0.1:0")
    async with XdsClient(port, delta=True, node={"id": "unknown"}) as bad:
        await bad.subscribe(CLUSTER)
        assert (await bad.status())[0] == grpc.StatusCode.INTERNAL
    async with XdsClient(port, delta=True, node={"id": "known"}) as good:
        await good.subscribe(CLUSTER)
        assert names_of(await good.receive()) == ["a"]
    await server.stop()
    (line,) = _errors(lines)
    assert line["event"] == "a stream failed: this is a fault of the program"
    assert repr(line["exc_info"]) == "KeyError('unknown')"


async def test_a_fault_at_the_very_end(
    port: int, cache: SnapshotCache, server: XdsServer, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What fails when a stream has ended is logged, and the server has forgotten the stream all the same."""

    def left(stream: int) -> None:
        raise ZeroDivisionError(f"injected into the end of {stream}")

    cache.update("tenant-a", [cluster("a")])
    monkeypatch.setattr(server.delivery, "left", left)
    async with XdsClient(port, delta=True) as client:
        await client.subscribe(CLUSTER)
        await client.receive()
        await client.call.done_writing()
        assert (await client.status())[0] == grpc.StatusCode.OK
    (line,) = _errors(lines)
    assert "injected into the end of 1" in repr(line["exc_info"])
    assert not cache.watched("tenant-a")


class _Failing:
    """An observer whose every method raises."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        def fail(*_: Any, **__: Any) -> None:
            raise ZeroDivisionError(name)

        return fail


async def test_an_observer_that_fails_changes_nothing(
    cache: SnapshotCache, lines: Lines, *, delta: bool
) -> None:
    """Whatever an observer raises is logged with its traceback, and the stream goes on as if nobody had listened."""
    observer: Any = _Failing()
    cache.update("tenant-a", [cluster("a")])
    server = XdsServer(cache, observer=observer)
    port = await server.start("127.0.0.1:0")
    async with XdsClient(port, delta=delta) as client:
        await client.subscribe(CLUSTER)
        await client.ack(await client.receive())
        await client.subscribe(ENDPOINT, ["a"])
        cache.update("tenant-a", [cluster("a", 2)])
        while (response := await client.receive()).type_url != CLUSTER:
            pass
        assert len(response.resources) == 1
        await server.stop()
        assert (await client.status())[0] == grpc.StatusCode.OK
    failed = [line for line in lines if line["event"] == "an observer failed"]
    assert {line["observer"] for line in failed} == {"_Failing"}
    assert all(line["exc_info"] for line in failed)
    assert len(failed) >= 6  # opened, two pushes, three requests and the end
