from collections.abc import AsyncIterator

import pytest

from tests.support.recording import RecordingObserver
from xds.server import XdsServer
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
