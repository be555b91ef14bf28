from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any, Protocol

import pytest

from tests.support.recording import RecordingObserver
from xds.server import ServerOptions, XdsServer
from xds.snapshot import SnapshotCache
from xds.snapshot.types import CLUSTER, ENDPOINT, LISTENER


@pytest.fixture
def cache() -> SnapshotCache:
    """Return a cache like the control plane's, with nothing in it."""
    return SnapshotCache((CLUSTER, ENDPOINT, LISTENER))


@pytest.fixture
def observer() -> RecordingObserver:
    """Return what hears everything that the server does."""
    return RecordingObserver()


class Serve(Protocol):
    """What the `serve` fixture gives."""

    async def __call__(self, **options: Any) -> int:
        """Start a server with these fields of `ServerOptions`, and return its port."""
        ...


@pytest.fixture
async def serve(cache: SnapshotCache, observer: RecordingObserver) -> AsyncIterator[Serve]:
    """Start servers of the cache that are stopped after the test."""
    async with AsyncExitStack() as stack:

        async def start(**options: Any) -> int:
            server = XdsServer(cache, observer=observer, options=ServerOptions(**options))
            stack.push_async_callback(server.stop)
            return await server.start("127.0.0.1:0")

        yield start


@pytest.fixture
async def server(cache: SnapshotCache, observer: RecordingObserver) -> AsyncIterator[XdsServer]:
    """Yield a server that is stopped after the test."""
    server = XdsServer(cache, identifier="under-test", observer=observer)
    yield server
    await server.stop()


@pytest.fixture
async def port(server: XdsServer) -> int:
    """Start the server, and return its port."""
    return await server.start("127.0.0.1:0")


@pytest.fixture(params=[False, True], ids=["sotw", "delta"])
def delta(request: pytest.FixtureRequest) -> bool:
    """Return each variant of the protocol in turn."""
    variant: bool = request.param
    return variant
