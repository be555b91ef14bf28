from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import cast

import pytest

from tests.e2e.sources import ApiObjects, Source, api_objects, files
from tests.e2e.world import World, world
from tests.e2e.written import Written, written
from tests.support.kube_api import ApiServer
from tests.support.workbench import envoy_binary, free_port
from xds.app.bootstrap import Api

__all__ = ["envoy_binary", "free_port"]


@pytest.fixture(params=["sotw", "delta"])
def api(request: pytest.FixtureRequest) -> Api:
    """Return each variant of the protocol in turn."""
    return cast("Api", request.param)


@pytest.fixture(params=["manifests", pytest.param("kubernetes", marks=pytest.mark.kubernetes)])
def source(request: pytest.FixtureRequest) -> Source:
    """Return each kind of source in turn."""
    if request.param == "manifests":
        return files
    server: ApiServer = request.getfixturevalue("api_server")
    return lambda directory: api_objects(server, directory)


@pytest.fixture
async def played(
    tmp_path: Path,
    source: Source,
    api: Api,
    free_port: Callable[..., int],
    envoy_binary: Path,  # noqa: ARG001 — fail early
) -> AsyncIterator[World]:
    """Yield a control plane over an empty source, and an Envoy connected to it."""
    async with source(tmp_path) as objects, world(tmp_path, api, free_port(), objects) as built:
        yield built


@pytest.fixture
async def in_cluster(api_server: ApiServer, tmp_path: Path) -> AsyncIterator[ApiObjects]:
    """Yield the objects of a namespace on the shared API server, none yet."""
    async with api_objects(api_server, tmp_path) as objects:
        yield objects


@pytest.fixture
async def on_kubernetes(
    tmp_path: Path,
    in_cluster: ApiObjects,
    free_port: Callable[..., int],
    envoy_binary: Path,  # noqa: ARG001 — fail early
) -> AsyncIterator[World]:
    """Yield a control plane over the shared API server, and an Envoy connected to it."""
    async with world(tmp_path, "delta", free_port(), in_cluster) as built:
        yield built


@pytest.fixture
async def cluster(api_server: ApiServer, tmp_path: Path) -> AsyncIterator[Written]:
    """Yield an installation of the program on the shared API server that may write, and a tenant of which there is nothing yet."""
    async with written(api_server, tmp_path) as built:
        yield built


@pytest.fixture
async def writing(
    tmp_path: Path,
    cluster: Written,
    free_port: Callable[..., int],
    envoy_binary: Path,  # noqa: ARG001 — fail early
) -> AsyncIterator[World]:
    """Yield a control plane that writes into ``cluster``, and an Envoy connected to it."""
    async with world(tmp_path, "delta", free_port(), cluster) as built:
        yield built
