from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import cast

import pytest

from tests.e2e.world import World, world
from tests.support.workbench import envoy_binary, free_port
from xds.app.bootstrap import Api

__all__ = ["envoy_binary", "free_port"]


@pytest.fixture(params=["sotw", "delta"])
def api(request: pytest.FixtureRequest) -> Api:
    """Return each variant of the protocol in turn."""
    return cast("Api", request.param)


@pytest.fixture
async def played(
    tmp_path: Path,
    api: Api,
    free_port: Callable[..., int],
    envoy_binary: Path,  # noqa: ARG001 — fail early
) -> AsyncIterator[World]:
    """Yield a control plane over an empty folder, and an Envoy connected to it."""
    async with world(tmp_path, api, free_port()) as built:
        yield built
