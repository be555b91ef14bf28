from __future__ import annotations

import asyncio
import gc
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no test depend on where it runs: in a pod, behind a proxy, beside a kubeconfig."""
    for name in (*PROXIES, "KUBECONFIG", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
async def no_task_left() -> AsyncIterator[None]:
    """Hold each test to leave no task."""
    yield
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.fixture
async def no_connection_left() -> AsyncIterator[None]:
    """Hold a test to leave nothing that only the garbage collector would close, and complain of."""
    gc.collect()
    yield
    await asyncio.sleep(0)
    gc.collect()
