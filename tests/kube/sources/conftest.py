from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Protocol

import pytest

from kube.sources.manifests import RESCAN
from tests.kube.sources.manifests import Follower

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


class Follow(Protocol):
    """Starts a source on folders and returns it once it has synced."""

    async def __call__(self, *folders: Path, rescan: float = RESCAN) -> Follower:
        """Follow some folders until the test ends."""
        ...


@pytest.fixture
async def follow() -> AsyncIterator[Follow]:
    """Return what starts a source on folders, and end it after the test."""
    async with AsyncExitStack() as stack:

        async def start(*folders: Path, rescan: float = RESCAN) -> Follower:
            return await stack.enter_async_context(Follower(folders, rescan=rescan))

        yield start
