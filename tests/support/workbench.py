"""Fixtures over the demo's workbench: a real Envoy, free ports. A conftest imports those it wants."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Protocol

import pytest
import pytest_asyncio

from xds.app.demo import ports
from xds.app.demo.envoy import Envoy
from xds.app.demo.envoy import envoy_binary as find_envoy

__all__ = ["RunEnvoy", "envoy_binary", "free_port", "run_envoy", "running_envoy"]


@asynccontextmanager
async def running_envoy(
    bootstrap_yaml: str, directory: Path, *, ready: bool = True, admin_port: int | None = 0
) -> AsyncIterator[Envoy]:
    """Run Envoy on this bootstrap until the block ends; `directory` takes its files. With `ready`, wait until it is live."""
    bootstrap = directory / "bootstrap.yaml"
    bootstrap.write_text(bootstrap_yaml, encoding="utf-8")
    async with Envoy(bootstrap, directory=directory, admin_port=admin_port) as envoy:
        if ready:
            await envoy.ready()
        yield envoy


class RunEnvoy(Protocol):
    """What the `run_envoy` fixture gives: an Envoy for each call, ended after the test."""

    async def __call__(self, bootstrap_yaml: str, *, ready: bool = True, admin_port: int | None = 0) -> Envoy:
        """Start an Envoy on this bootstrap; see `running_envoy`."""
        ...


@pytest.fixture(scope="session")
def envoy_binary() -> Path:
    """Path of the real Envoy. A test that needs it fails without it, and says what to install."""
    return find_envoy()


@pytest_asyncio.fixture
async def run_envoy(envoy_binary: Path, tmp_path: Path) -> AsyncIterator[RunEnvoy]:  # noqa: ARG001  # fail early
    """Start an Envoy on a bootstrap's text."""
    async with AsyncExitStack() as stack:
        started = 0

        async def run(bootstrap_yaml: str, *, ready: bool = True, admin_port: int | None = 0) -> Envoy:
            nonlocal started
            started += 1
            directory = tmp_path / f"envoy-{started}"
            directory.mkdir()
            return await stack.enter_async_context(
                running_envoy(bootstrap_yaml, directory, ready=ready, admin_port=admin_port)
            )

        yield run


@pytest.fixture(scope="session")
def free_port() -> Callable[..., int]:
    """Choose free ports, none of them twice in a test run: `free_port()`, `free_port("UDP")`."""
    chooser = ports.Ports()

    def choose(protocol: ports.Protocol = "TCP") -> int:
        return chooser.choose("a test", protocol=protocol).number

    return choose
