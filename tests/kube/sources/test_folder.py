from __future__ import annotations

import os
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from kube.sources import folder as folder_module
from kube.sources.claims import FileKey
from kube.sources.folder import Identity, Look, Stamp, contents, look_at
from kube.sources.parsed import Unparsable
from tests.kube.sources.manifests import kubelet_writes

if TYPE_CHECKING:
    from pathlib import Path

LEADS_OUT = "a link that leads out of the folder is not followed: name its target as a folder"


def names(look: Look) -> list[str]:
    """Return the paths of the files that were seen."""
    return sorted(key.path for key in look.files)


def reasons(look: Look) -> dict[str, str]:
    """Return what is hidden, by path."""
    return {key.path: reason for key, reason in look.hidden.items()}


def test_manifests_are_told_by_their_names(tmp_path: Path) -> None:
    """Files that end in .yaml, .yml and .json are manifests; others, hidden ones and editors' copies are not."""
    for name in ("a.yaml", "b.yml", "c.json", "d.txt", ".e.yaml", "f.yaml~", "g.yaml.swp", "yaml", "h.YAML"):
        (tmp_path / name).touch()
    look = look_at([tmp_path])
    assert names(look) == ["a.yaml", "b.yml", "c.json"]
    assert look.hidden == {}


def test_sub_folders_are_read_but_hidden_ones(tmp_path: Path) -> None:
    """Folders in the folder are read at any depth, one named like a manifest too; hidden ones are not."""
    for name in ("team/deep/a.yaml", "x.yaml/b.yaml", ".git/c.yaml"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()
    look = look_at([tmp_path])
    assert names(look) == ["team/deep/a.yaml", "x.yaml/b.yaml"]
    assert set(look.directories) == {tmp_path, tmp_path / "team", tmp_path / "team/deep", tmp_path / "x.yaml"}


def test_files_have_their_folders_places(tmp_path: Path) -> None:
    """A file is known by the place of its folder among the folders, and its path there."""
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.yaml").touch()
    look = look_at([tmp_path / "two", tmp_path / "one"])
    assert set(look.files) == {FileKey(0, "a.yaml"), FileKey(1, "a.yaml")}


def test_a_volume_of_kubelet_is_read_once(tmp_path: Path) -> None:
    """Of a mounted volume, the names that a user gave are read, and kubelet's own are not."""
    kubelet_writes(tmp_path, {"a.yaml": "", "team/b.yaml": ""}, 1)
    look = look_at([tmp_path])
    assert names(look) == ["a.yaml", "team/b.yaml"]
    assert set(look.directories) == {tmp_path, tmp_path / "team"}


@pytest.mark.parametrize("target", [".", "../manifests", "team"])
def test_a_circle_of_folders_is_read_once(tmp_path: Path, target: str) -> None:
    """A link to a folder that is read anyway adds nothing."""
    folder = tmp_path / "manifests"
    (folder / "team").mkdir(parents=True)
    (folder / "team" / "a.yaml").touch()
    (folder / "zz").symlink_to(target)
    look = look_at([folder])
    assert names(look) == ["team/a.yaml"]
    assert look.hidden == {}


@pytest.mark.parametrize("target", ["/", "..", "../elsewhere"])
def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path, target: str) -> None:
    """A link to a folder elsewhere is hidden, with what to do instead."""
    folder = tmp_path / "manifests"
    folder.mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "a.yaml").touch()
    (folder / "link").symlink_to(target)
    look = look_at([folder])
    assert (names(look), reasons(look)) == ([], {"link": LEADS_OUT})


def test_a_link_to_a_file_anywhere_is_a_manifest(tmp_path: Path) -> None:
    """A link to a file has the stamp of what it leads to."""
    folder = tmp_path / "manifests"
    folder.mkdir()
    target = tmp_path / "target"
    target.write_text("a: 1")
    (folder / "a.yaml").symlink_to(target)
    assert look_at([folder]).files == {FileKey(0, "a.yaml"): Stamp.of(target.stat())}


def test_what_cannot_be_read_is_hidden_with_the_reason(tmp_path: Path) -> None:
    """Links into nothing, links in a circle and pipes are hidden if they have a manifest's name."""
    (tmp_path / "a.yaml").symlink_to("nowhere")
    (tmp_path / "b.yaml").symlink_to("b.yaml")
    os.mkfifo(tmp_path / "c.yaml")
    (tmp_path / "d.txt").symlink_to("nowhere")
    os.mkfifo(tmp_path / "e.txt")
    assert reasons(look_at([tmp_path])) == {
        "a.yaml": "a link to something that is not there",
        "b.yaml": "cannot be read: Too many levels of symbolic links",
        "c.yaml": "no regular file: a manifest is a file or a link to one",
    }


def test_a_folder_that_is_not_there_hides_everything_in_it(tmp_path: Path) -> None:
    """Nothing is known of files in a folder that cannot be listed; those in another folder are not concerned."""
    (tmp_path / "one").mkdir()
    (tmp_path / "two").write_text("")
    look = look_at([tmp_path / "one", tmp_path / "two", tmp_path / "three"])
    assert look.hidden == {
        FileKey(1, ""): "the folder cannot be listed: Not a directory",
        FileKey(2, ""): "the folder cannot be listed: No such file or directory",
    }
    assert [look.hides(FileKey(index, "team/a.yaml")) for index in range(3)] == [False, True, True]
    assert look.directories == {
        tmp_path / "one": Identity.at(tmp_path / "one"),
        tmp_path / "two": None,
        tmp_path / "three": None,
    }


def test_a_hidden_folder_hides_what_is_below_it_alone() -> None:
    """What is hidden hides itself and everything below it, and nothing beside it."""
    look = Look({}, {FileKey(0, "team/deep"): "for some reason"}, {})
    hidden = {
        path: look.hides(FileKey(0, path))
        for path in ("team/deep", "team/deep/er/a.yaml", "team/deeper/a.yaml")
    }
    assert hidden == {"team/deep": True, "team/deep/er/a.yaml": True, "team/deeper/a.yaml": False}
    assert not look.hides(FileKey(1, "team/deep/a.yaml"))


def test_a_stamp_tells_versions_apart(tmp_path: Path) -> None:
    """A file's stamp is another one after a write, even if time and size are put back, and after a rename."""
    path = tmp_path / "a.yaml"
    path.write_text("a: 1")
    stamps = [look_at([tmp_path]).files]
    os.utime(path, ns=(0, 0))
    stamps.append(look_at([tmp_path]).files)
    path.write_text("a: 2")
    os.utime(path, ns=(0, 0))
    stamps.append(look_at([tmp_path]).files)
    (tmp_path / "new").write_text("a: 3")
    (tmp_path / "new").replace(path)
    stamps.append(look_at([tmp_path]).files)
    assert all(before != after for before, after in pairwise(stamps))
    assert look_at([tmp_path]).files == stamps[-1]


def test_contents_are_those_of_the_stamp(tmp_path: Path) -> None:
    """A file is read if it is the version that was looked at, not if it is another one, or gone."""
    path = tmp_path / "a.yaml"
    path.write_text("a: 1")
    stamp = Stamp.of(path.stat())
    assert contents(path, stamp) == b"a: 1"
    path.write_text("a: 22")
    assert contents(path, stamp) is None
    path.unlink()
    assert contents(path, stamp) is None


def test_contents_that_change_while_they_are_read_are_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that is written between the first and the last byte read is not taken."""
    path = tmp_path / "a.yaml"
    path.write_text("a: 1")
    stamp = Stamp.of(path.stat())
    fstat = os.fstat

    def fstat_then_write(descriptor: int) -> os.stat_result:
        status = fstat(descriptor)
        path.write_text("a: 22")
        return status

    monkeypatch.setattr(os, "fstat", fstat_then_write)
    assert contents(path, stamp) is None


def test_contents_have_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file may be as large as the limit, and is not opened when it is larger."""
    path = tmp_path / "a.yaml"
    path.write_text("a: 1")
    monkeypatch.setattr(folder_module, "MAX_SIZE", 4)
    assert contents(path, Stamp.of(path.stat())) == b"a: 1"
    monkeypatch.setattr(folder_module, "MAX_SIZE", 3)
    with pytest.raises(Unparsable, match="the file has 4 bytes, more than 3: split it"):
        contents(path, Stamp.of(path.stat()))
