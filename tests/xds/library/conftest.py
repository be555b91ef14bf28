from collections.abc import AsyncIterator

import pytest

from tests.support.recording import RecordingObserver
from tests.support.workbench import envoy_binary, free_port
from xds import SnapshotCache, XdsServer

__all__ = ["envoy_binary", "free_port"]


@pytest.fixture(params=[False, True], ids=["sotw", "delta"])
def delta(request: pytest.FixtureRequest) -> bool:
    """Return each variant of the protocol in turn."""
    variant: bool = request.param
    return variant


@pytest.fixture
def cache() -> SnapshotCache:
    """Return a cache as a library user makes it."""
    return SnapshotCache()


@pytest.fixture
def observer() -> RecordingObserver:
    """Return what hears everything that the server does."""
    return RecordingObserver()


@pytest.fixture
async def server(cache: SnapshotCache, observer: RecordingObserver) -> AsyncIterator[XdsServer]:
    """Yield a server that is stopped after the test."""
    server = XdsServer(cache, observer=observer)
    yield server
    await server.stop()


@pytest.fixture
async def port(server: XdsServer) -> int:
    """Start the server, and return its port."""
    return await server.start("127.0.0.1:0")
