from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from kube.sources import watch
from tests.kube.sources.manifests import load_balancer

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from watchfiles.main import FileChange

    from tests.kube.sources.conftest import Follow


async def test_what_no_event_tells_is_found_by_the_rescan(
    tmp_path: Path, follow: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Changes of which inotify says nothing, as on a network file system, are found when the rescan is due."""

    async def silent(_: object) -> AsyncGenerator[set[FileChange], None]:
        while True:
            await asyncio.sleep(0.01)
            yield set()

    monkeypatch.setattr(watch, "_watch", silent)
    follower = await follow(tmp_path, rescan=0.1)
    (tmp_path / "a.yaml").write_text(load_balancer("a", port=1))
    await follower.until_port("a", 1)
    (tmp_path / "a.yaml").unlink()
    await follower.until_port("a", None)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError("OS file watch limit reached."), "OS file watch limit reached."),
        (RuntimeError("Too many open files (os error 24)"), "Too many open files (os error 24)"),
        (ExceptionGroup("a task group's", [RuntimeError("underlying watcher")]), "underlying watcher"),
    ],
)
async def test_without_watches_it_polls(
    tmp_path: Path, follow: Follow, monkeypatch: pytest.MonkeyPatch, error: Exception, reason: str
) -> None:
    """Where the system has no watches left it looks every so often, and says so once with the remedy."""

    async def refused(_: object) -> AsyncGenerator[set[FileChange], None]:
        raise error
        yield set()

    monkeypatch.setattr(watch, "_watch", refused)
    monkeypatch.setattr(watch, "RETRY", 0.1)
    monkeypatch.setattr(watch, "POLL", 0.05)
    follower = await follow(tmp_path)
    for port in range(1, 4):
        (tmp_path / "a.yaml").write_text(load_balancer("a", port=port))
        await follower.until_port("a", port)
    (line,) = follower.logged("the folders cannot be watched")
    assert (line["level"], line["reason"]) == ("warning", reason)
    assert "fs.inotify.max_user_watches" in line["remedy"]


async def test_it_watches_again_once_it_can(
    tmp_path: Path, follow: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When there are watches again it goes back to them, and says so."""
    real = watch._watch

    async def broken(_: object) -> AsyncGenerator[set[FileChange], None]:
        monkeypatch.setattr(watch, "_watch", real)
        raise OSError("OS file watch limit reached.")
        yield set()

    monkeypatch.setattr(watch, "_watch", broken)
    monkeypatch.setattr(watch, "RETRY", 0.1)
    monkeypatch.setattr(watch, "POLL", 0.05)
    follower = await follow(tmp_path)
    await follower.until_logged("the folders are watched again")
    (tmp_path / "a.yaml").write_text(load_balancer("a", port=1))
    await follower.until_port("a", 1)
    assert len(list(follower.logged("the folders cannot be watched"))) == 1
