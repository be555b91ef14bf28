from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from kube.sources.watch import FolderWatch
from tests.kube.sources.manifests import load_balancer, port_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.kube.sources.conftest import Follow
    from tests.kube.sources.manifests import Follower

GONE = "manifests folder not read"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with one manifest, below another one."""
    folder = tmp_path / "above" / "manifests"
    folder.mkdir(parents=True)
    (folder / "a.yaml").write_text(load_balancer("a", port=1))
    return folder


async def until_gone(follower: Follower, folder: Path, times: int = 1) -> None:
    """Wait until the source says that a folder is gone."""
    line = await follower.until_logged(GONE, times=times)
    assert (line["level"], line["path"], line["line"]) == ("error", str(folder), None)
    assert line["reason"] == "the folder cannot be listed: No such file or directory"


async def test_a_folder_that_is_gone_keeps_its_last_state(folder: Path, follow: Follow) -> None:
    """While a folder is gone its objects stay, which is an error in the log and a problem."""
    follower = await follow(folder)
    shutil.rmtree(folder)
    await until_gone(follower, folder)
    assert port_of(follower.store, "a") == 1
    assert follower.changes == []
    assert [(problem.path, problem.line) for problem in follower.source.problems] == [(str(folder), None)]


async def test_a_folder_that_comes_back_is_read_and_followed(folder: Path, follow: Follow) -> None:
    """A folder that is made again is read when it is there, and followed from then on, any number of times."""
    follower = await follow(folder)
    for round_ in range(1, 4):
        shutil.rmtree(folder)
        await until_gone(follower, folder, times=round_)
        folder.mkdir()
        (folder / "a.yaml").write_text(load_balancer("a", port=round_ * 10))
        await follower.until_port("a", round_ * 10)
        (folder / "a.yaml").write_text(load_balancer("a", port=round_ * 10 + 1))
        await follower.until_port("a", round_ * 10 + 1)
    assert all(change.new is not None for change in follower.changes)
    assert follower.source.problems == ()


async def test_what_did_not_come_back_is_removed(folder: Path, follow: Follow) -> None:
    """Of a folder that comes back with other manifests than before, the objects that are missing go."""
    follower = await follow(folder)
    shutil.rmtree(folder)
    await until_gone(follower, folder)
    folder.mkdir()
    (folder / "b.yaml").write_text(load_balancer("b"))
    await follower.until_port("a", None)
    assert port_of(follower.store, "b") == 443


async def test_a_folder_that_is_moved_away_and_back_is_followed(folder: Path, follow: Follow) -> None:
    """A folder that is moved away counts as gone, and is followed when it is moved back."""
    follower = await follow(folder)
    elsewhere = folder.with_name("elsewhere")
    folder.rename(elsewhere)
    await until_gone(follower, folder)
    (elsewhere / "a.yaml").write_text(load_balancer("a", port=2))
    elsewhere.rename(folder)
    await follower.until_port("a", 2)
    (folder / "a.yaml").write_text(load_balancer("a", port=3))
    await follower.until_port("a", 3)


async def test_a_folder_that_goes_with_the_one_above_it_comes_back(folder: Path, follow: Follow) -> None:
    """A folder of which no event tells, because the folder above it is moved, is gone and comes back like any other."""
    follower = await follow(folder)
    away = folder.parent.with_name("away")
    folder.parent.rename(away)
    await until_gone(follower, folder)
    folder.mkdir(parents=True)
    (folder / "a.yaml").write_text(load_balancer("a", port=2))
    await follower.until_port("a", 2)


async def test_a_folder_that_comes_back_empty_is_not_believed(folder: Path, follow: Follow) -> None:
    """A folder that was exchanged for an empty one, as when a mount is gone, keeps its objects until it has a manifest."""
    empty, other = folder.with_name("empty"), folder.with_name("other")
    empty.mkdir()
    other.mkdir()
    follower = await follow(folder, other)
    folder.rename(folder.with_name("mounted"))
    empty.rename(folder)
    await follower.until(lambda: any("an empty folder" in line["reason"] for line in follower.logged(GONE)))
    (other / "c.yaml").write_text(load_balancer("c"))
    await follower.until_port("c", 443)
    assert port_of(follower.store, "a") == 1
    (folder / "b.yaml").write_text(load_balancer("b"))
    await follower.until_port("a", None)
    assert follower.source.problems == ()


async def test_a_link_to_a_folder_is_followed_to_where_it_leads(folder: Path, follow: Follow) -> None:
    """A folder that is a link (git-sync's checkout) is read anew, in one transaction, when the link leads elsewhere."""
    link = folder.with_name("current")
    link.symlink_to("manifests")
    follower = await follow(link)
    (folder / "a.yaml").write_text(load_balancer("a", port=2))
    await follower.until_port("a", 2)
    other = folder.with_name("other")
    other.mkdir()
    (other / "a.yaml").write_text(load_balancer("a", port=3))
    new = folder.with_name("new")
    new.symlink_to("other")
    new.replace(link)
    await follower.until_port("a", 3)
    (other / "a.yaml").write_text(load_balancer("a", port=4))
    await follower.until_port("a", 4)
    assert len(follower.changes) == 3


async def test_a_folder_that_becomes_a_file_keeps_its_last_state(folder: Path, follow: Follow) -> None:
    """A file in a folder's place is no folder: the objects stay until there is one again."""
    follower = await follow(folder)
    shutil.rmtree(folder)
    folder.write_text("not a folder")
    await follower.until(lambda: any("Not a directory" in line["reason"] for line in follower.logged(GONE)))
    assert port_of(follower.store, "a") == 1
    folder.unlink()
    folder.mkdir()
    (folder / "a.yaml").write_text(load_balancer("a", port=2))
    await follower.until_port("a", 2)


async def test_one_folder_that_is_gone_does_not_hold_up_another(
    folder: Path, tmp_path: Path, follow: Follow
) -> None:
    """While one folder is gone, another one is followed as before, and the one that is gone is awaited."""
    other = tmp_path / "other"
    other.mkdir()
    follower = await follow(folder, other)
    shutil.rmtree(folder)
    await until_gone(follower, folder)
    for port in range(1, 4):
        (other / "b.yaml").write_text(load_balancer("b", port=port))
        await follower.until_port("b", port)
    assert port_of(follower.store, "a") == 1
    folder.mkdir()
    (folder / "a.yaml").write_text(load_balancer("a", port=2))
    await follower.until_port("a", 2)


async def test_a_folder_that_goes_before_it_can_be_watched_is_found_when_it_is_back(
    folder: Path, follow: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder that goes between the first look and the watch is gone like any other, and comes back like any other."""
    changed = FolderWatch.changed

    async def late(*args: object, **kwargs: object) -> None:
        monkeypatch.setattr(FolderWatch, "changed", changed)
        shutil.rmtree(folder)
        await changed(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(FolderWatch, "changed", late)
    follower = await follow(folder)
    await until_gone(follower, folder)
    folder.mkdir()
    (folder / "a.yaml").write_text(load_balancer("a", port=2))
    await follower.until_port("a", 2)
    assert list(follower.logged("the folders cannot be watched")) == []
