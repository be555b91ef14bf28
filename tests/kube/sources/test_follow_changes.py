from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from kube.sources.claims import FileKey
from tests.kube.sources.manifests import BOUND, addresses, lb, load_balancer, on_look, replace

if TYPE_CHECKING:
    import pytest

    from tests.kube.sources.conftest import Follow


async def test_what_is_there_is_read_before_the_source_has_synced(tmp_path: Path, follow: Follow) -> None:
    """When the store says that the source has synced, it holds every object of every file."""
    (tmp_path / "a.yaml").write_text(load_balancer("a"))
    (tmp_path / "b.yml").write_text(load_balancer("b") + "---\n" + addresses("default"))
    follower = await follow(tmp_path)
    assert len(follower.store.of_kind("LoadBalancer")) == 2
    assert len(follower.store.of_kind("Addresses")) == 1


async def test_a_new_file_brings_its_objects(tmp_path: Path, follow: Follow) -> None:
    """A file that appears is read."""
    follower = await follow(tmp_path)
    (tmp_path / "a.yaml").write_text(load_balancer("a", port=443))
    await follower.until_port("a", 443)


async def test_a_file_that_is_written_again_changes_its_object(tmp_path: Path, follow: Follow) -> None:
    """A file that is written in place changes its object, once."""
    path = tmp_path / "a.yaml"
    path.write_text(load_balancer("a", port=443))
    follower = await follow(tmp_path)
    path.write_text(load_balancer("a", port=8443))
    await follower.until_port("a", 8443)
    assert [(change.ref, change.old is None) for change in follower.changes] == [(lb("a"), False)]


async def test_a_file_that_is_renamed_into_place_changes_its_object(tmp_path: Path, follow: Follow) -> None:
    """A file that replaces another one under its name changes its object, once, and never removes it."""
    path = tmp_path / "a.yaml"
    path.write_text(load_balancer("a", port=443))
    follower = await follow(tmp_path)
    for port in range(8000, 8005):
        replace(path, load_balancer("a", port=port))
        await follower.until_port("a", port)
    assert len(follower.changes) == 5
    assert all(change.new is not None for change in follower.changes)


async def test_a_file_that_is_deleted_takes_its_objects_along(tmp_path: Path, follow: Follow) -> None:
    """A file that goes removes its objects, in one transaction, and no others."""
    (tmp_path / "a.yaml").write_text(load_balancer("a") + "---\n" + load_balancer("b"))
    (tmp_path / "c.yaml").write_text(load_balancer("c"))
    follower = await follow(tmp_path)
    (tmp_path / "a.yaml").unlink()
    await follower.until_port("a", None)
    assert [{change.ref for change in changes} for changes in follower.transactions] == [{lb("a"), lb("b")}]


async def test_the_last_file_may_be_deleted_too(tmp_path: Path, follow: Follow) -> None:
    """A folder whose last file is deleted has no objects."""
    (tmp_path / "a.yaml").write_text(load_balancer("a"))
    follower = await follow(tmp_path)
    (tmp_path / "a.yaml").unlink()
    await follower.until_port("a", None)
    assert follower.source.problems == ()


async def test_a_document_that_is_taken_out_takes_its_object_along(tmp_path: Path, follow: Follow) -> None:
    """A file that no longer gives an object removes it; a comment alone gives none."""
    path = tmp_path / "a.yaml"
    path.write_text(load_balancer("a") + "---\n" + load_balancer("b"))
    follower = await follow(tmp_path)
    path.write_text(load_balancer("a"))
    await follower.until_port("b", None)
    path.write_text("# nothing left\n")
    await follower.until_port("a", None)


async def test_a_port_moves_between_files_in_one_transaction(
    tmp_path: Path, follow: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two files change the store together, when the second is written before the first has held still."""
    one, two = tmp_path / "one.yaml", tmp_path / "two.yaml"
    one.write_text(load_balancer("one", port=443))
    two.write_text(load_balancer("two", port=80))
    follower = await follow(tmp_path)
    before = one.stat().st_mtime_ns
    seen = on_look(monkeypatch, lambda look: look.files[FileKey(0, "one.yaml")].modified != before)
    one.write_text(load_balancer("one", port=8443))
    await asyncio.wait_for(seen.wait(), BOUND)
    two.write_text(load_balancer("two", port=443))
    await follower.until_port("two", 443)
    assert [{change.ref for change in changes} for changes in follower.transactions] == [
        {lb("one"), lb("two")}
    ]


async def test_an_object_moves_between_files_without_a_change(tmp_path: Path, follow: Follow) -> None:
    """An object whose file is renamed, or that another file gives from now on, is what it was."""
    (tmp_path / "one.yaml").write_text(load_balancer("a"))
    (tmp_path / "x.yaml").write_text(load_balancer("x", port=1))
    follower = await follow(tmp_path)
    (tmp_path / "one.yaml").rename(tmp_path / "two.yaml")
    (tmp_path / "x.yaml").write_text(load_balancer("x", port=2))
    await follower.until_port("x", 2)
    assert [change.ref for change in follower.changes] == [lb("x")]


async def test_the_same_contents_are_no_change(tmp_path: Path, follow: Follow) -> None:
    """A file that is written again with the same contents, or touched, changes nothing."""
    (tmp_path / "a.yaml").write_text(load_balancer("a"))
    (tmp_path / "x.yaml").write_text(load_balancer("x", port=1))
    follower = await follow(tmp_path)
    (tmp_path / "a.yaml").write_text(load_balancer("a"))
    (tmp_path / "x.yaml").write_text(load_balancer("x", port=2))
    await follower.until_port("x", 2)
    assert [change.ref for change in follower.changes] == [lb("x")]


async def test_a_sub_folder_is_followed(tmp_path: Path, follow: Follow) -> None:
    """A folder that appears in the folder is read and followed, at any depth, and goes with its objects."""
    follower = await follow(tmp_path)
    deep = tmp_path / "team" / "deep"
    deep.mkdir(parents=True)
    (deep / "a.yaml").write_text(load_balancer("a", port=1))
    await follower.until_port("a", 1)
    (deep / "a.yaml").write_text(load_balancer("a", port=2))
    await follower.until_port("a", 2)
    (deep / "a.yaml").unlink()
    deep.rmdir()
    await follower.until_port("a", None)


async def test_a_folder_may_be_named_by_a_relative_path(
    tmp_path: Path, follow: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder with a relative path is followed like any other, also when it is deleted and made again."""
    monkeypatch.chdir(tmp_path)
    folder = Path("manifests")
    folder.mkdir()
    follower = await follow(folder)
    for port in range(1, 4):
        folder.rmdir()
        folder.mkdir()
        (folder / "a.yaml").write_text(load_balancer("a", port=port))
        await follower.until_port("a", port)
        (folder / "a.yaml").write_text(load_balancer("a", port=port + 10))
        await follower.until_port("a", port + 10)
        (folder / "a.yaml").unlink()
        await follower.until_port("a", None)


async def test_a_sub_folder_that_is_made_again_is_followed(tmp_path: Path, follow: Follow) -> None:
    """A sub-folder that is deleted and made again under its name is followed as before."""
    team = tmp_path / "team"
    team.mkdir()
    follower = await follow(tmp_path)
    for port in range(1, 4):
        team.rmdir()
        team.mkdir()
        (team / "a.yaml").write_text(load_balancer("a", port=port))
        await follower.until_port("a", port)
        (team / "a.yaml").write_text(load_balancer("a", port=port + 10))
        await follower.until_port("a", port + 10)
        (team / "a.yaml").unlink()
        await follower.until_port("a", None)


async def test_several_folders_are_one_source(tmp_path: Path, follow: Follow) -> None:
    """Files of several folders change the store together."""
    lbs, nodes = tmp_path / "lbs", tmp_path / "nodes"
    lbs.mkdir()
    nodes.mkdir()
    follower = await follow(lbs, nodes)
    (lbs / "a.yaml").write_text(load_balancer("a", addresses="default"))
    (nodes / "default.yaml").write_text(addresses("default"))
    await follower.until_port("a", 443)
    (changes,) = follower.transactions
    assert {change.ref.kind for change in changes} == {"LoadBalancer", "Addresses"}


async def test_ten_changes_in_a_row_end_at_the_newest(tmp_path: Path, follow: Follow) -> None:
    """A file that is written again and again ends as it was written last."""
    path = tmp_path / "a.yaml"
    follower = await follow(tmp_path)
    for port in range(1, 11):
        path.write_text(load_balancer("a", port=port))
    await follower.until_port("a", 10)
