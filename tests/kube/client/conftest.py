from __future__ import annotations

import asyncio
import gc
import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no test depend on where it runs: in a pod, behind a proxy, beside a kubeconfig, nor on what the machine trusts.

    OpenSSL would read the machine's authorities for each client, 40 ms long.
    """
    for name in (*PROXIES, "KUBECONFIG", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"):
        monkeypatch.delenv(name, raising=False)
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.setenv(name, os.devnull)


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
