"""An ops listener, what it is told, and a real HTTP client; the admin services, and a real gRPC client."""

from collections.abc import AsyncIterator

import aiohttp
import pytest
from prometheus_client import CollectorRegistry

from tests.support.admin_client import Admin, admin_of
from tests.support.recording import RecordingObserver
from xds.admin.ops import OpsServer
from xds.snapshot import SnapshotCache
from xds.snapshot.types import CLUSTER, ENDPOINT, LISTENER


@pytest.fixture
def registry() -> CollectorRegistry:
    """Return a registry without metrics."""
    return CollectorRegistry()


@pytest.fixture
def missing() -> dict[str, str]:
    """Return what the listener says is missing: nothing, until the test puts something in."""
    return {}


@pytest.fixture
async def ops(registry: CollectorRegistry, missing: dict[str, str]) -> AsyncIterator[OpsServer]:
    """Yield a listener that is stopped after the test."""
    server = OpsServer(registry=registry, unready=lambda: missing)
    yield server
    await server.stop()


@pytest.fixture
async def port(ops: OpsServer) -> int:
    """Start the listener, and return its port."""
    return await ops.start("127.0.0.1:0")


@pytest.fixture
async def client(port: int) -> AsyncIterator[aiohttp.ClientSession]:
    """Yield a client of the listener."""
    timeout = aiohttp.ClientTimeout(total=5)
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}", timeout=timeout) as session:
        yield session


@pytest.fixture(params=[False, True], ids=["sotw", "delta"])
def delta(request: pytest.FixtureRequest) -> bool:
    """Return each variant of the protocol in turn."""
    variant: bool = request.param
    return variant


@pytest.fixture
def observer() -> RecordingObserver:
    """Return what hears everything that the server does."""
    return RecordingObserver()


@pytest.fixture
async def admin(observer: RecordingObserver) -> AsyncIterator[Admin]:
    """Yield a server of an empty cache, and the services about it."""
    async with admin_of(SnapshotCache((CLUSTER, ENDPOINT, LISTENER)), observer) as admin:
        yield admin
