"""Fixtures over a real API server. tests/conftest.py has them for all tests, since one server is to be shared by all.

A test that only uses the API server takes ``api_server``, ``admin`` and ``namespace``; one that breaks it takes ``own_api_server``.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import pytest_asyncio

from tests.envtest.assets import assets
from tests.support.fault_proxy import FaultProxy
from tests.support.kube_api import FORGETFUL, ApiServer
from tests.support.kube_client import ApiClient

__all__ = [
    "admin",
    "api_server",
    "fault_proxy",
    "kube_programs",
    "namespace",
    "own_api_server",
    "tenant_server",
]

_OWN = (
    ("v1", "Secret"),
    ("v1", "ConfigMap"),
    ("kubelb.k8c.io/v1alpha1", "LoadBalancer"),
    ("kubelb.k8c.io/v1alpha1", "Addresses"),
)
"""Kinds of which a test leaves nothing behind for those that look at all namespaces."""


@pytest.fixture(scope="session")
def kube_programs(pytestconfig: pytest.Config) -> Path:
    """Folder with kube-apiserver, etcd and kubectl. They are built at first, which the terminal says; a test fails without them."""
    capture = pytestconfig.pluginmanager.getplugin("capturemanager")
    reporter = pytestconfig.pluginmanager.getplugin("terminalreporter")

    def say(line: str) -> None:
        if reporter is None:  # in a process of pytest-xdist's
            return
        with capture.global_and_fixture_disabled():
            reporter.ensure_newline()
            reporter.write_line(line)

    return assets(say)


@pytest.fixture(scope="session")
def api_server(kube_programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """Run the API server that all tests share: do not pause, kill or restore it."""
    with _shared(kube_programs, tmp_path_factory.mktemp("api-server")) as server:
        yield server


@pytest.fixture(scope="session")
def tenant_server(kube_programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """Run a second one, a tenant's own cluster, which some tests share: `api_server` is the management cluster then."""
    with _shared(kube_programs, tmp_path_factory.mktemp("tenant-server")) as server:
        yield server


@contextmanager
def _shared(programs: Path, directory: Path) -> Iterator[ApiServer]:
    server = ApiServer(programs, directory)
    with asyncio.Runner(
        loop_factory=asyncio.new_event_loop
    ) as runner:  # the tests' own loops are not touched
        try:
            runner.run(server.start())
            yield server
        finally:
            runner.run(server.stop())


@pytest_asyncio.fixture
async def own_api_server(kube_programs: Path, tmp_path: Path) -> AsyncIterator[ApiServer]:
    """Run an API server for one test to do with as it likes."""
    directory = tmp_path / "api-server"
    directory.mkdir()
    async with ApiServer(kube_programs, directory, flags=[FORGETFUL]) as server:
        yield server


@pytest_asyncio.fixture
async def admin(api_server: ApiServer) -> AsyncIterator[ApiClient]:
    """Act as the administrator of the shared API server."""
    async with api_server.client() as client:
        yield client


@pytest_asyncio.fixture
async def namespace(api_server: ApiServer, admin: ApiClient) -> AsyncIterator[str]:
    """Name a namespace of the test's own on the shared API server; its objects are deleted afterwards."""
    name = await api_server.namespace()
    yield name
    for api_version, kind in _OWN:
        await admin.clear(api_version, kind, name)


@pytest_asyncio.fixture
async def fault_proxy(api_server: ApiServer) -> AsyncIterator[FaultProxy]:
    """Run a proxy in front of the shared API server, which breaks nothing yet."""
    async with FaultProxy(api_server.url, api_server.authority) as proxy:
        yield proxy
