from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from kube.informer.store import Change, Store
from kube.sources import manifests
from kube.sources.folder import Stamp, contents
from kube.sources.manifests import ManifestSource
from kube.sources.problems import Problem
from tests.kube.sources.manifests import lb, load_balancer, port_of, references

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def store() -> Store:
    """Return an empty store."""
    return Store(references=references)


def test_one_pass_reads_everything(tmp_path: Path, store: Store) -> None:
    """A load reads every file of every folder into the store in one transaction, at the time of the clock."""
    heard: list[tuple[Change, ...]] = []
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x.yaml").write_text(load_balancer(folder))
    source = ManifestSource([tmp_path / "one", tmp_path / "two"], store, clock=lambda: 7.0)
    store.subscribe(heard.append)
    source.load()
    assert [{change.ref for change in changes} for changes in heard] == [{lb("one"), lb("two")}]


def test_its_clock_is_the_stores(tmp_path: Path, store: Store) -> None:
    """What a source removes lingers from the time that its clock says."""
    nodes = tmp_path / "nodes.yaml"
    nodes.write_text(
        "apiVersion: kubelb.k8c.io/v1alpha1\nkind: Addresses\n"
        "metadata: {name: nodes, namespace: tenant-a}\nspec: {addresses: [{ip: 10.0.0.1}]}\n"
    )
    (tmp_path / "a.yaml").write_text(load_balancer("a", addresses="nodes"))
    source = ManifestSource([tmp_path], store, clock=lambda: 7.0)
    source.load()
    nodes.unlink()
    source.load()
    assert store.next_expiry == 7.5


def test_it_is_expected_and_has_not_synced(tmp_path: Path, store: Store) -> None:
    """A source that has only loaded has not synced: nobody follows the folders yet."""
    ManifestSource([tmp_path], store).load()
    assert store.unsynced == {"manifests"}


def test_a_second_pass_reads_what_changed_alone(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file whose stamp did not change is not opened again."""
    opened: list[str] = []

    def note_and_read(path: Path, stamp: Stamp) -> bytes | None:
        opened.append(path.name)
        return contents(path, stamp)

    monkeypatch.setattr(manifests, "contents", note_and_read)
    (tmp_path / "a.yaml").write_text(load_balancer("a"))
    (tmp_path / "b.yaml").write_text(load_balancer("b"))
    source = ManifestSource([tmp_path], store)
    source.load()
    (tmp_path / "b.yaml").write_text(load_balancer("b", port=8443))
    source.load()
    assert sorted(opened[:2]) == ["a.yaml", "b.yaml"]
    assert opened[2:] == ["b.yaml"]
    assert port_of(store, "b") == 8443


def test_what_was_being_written_is_read_in_a_further_look(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that is written while a load reads it is read again before the load ends."""
    path = tmp_path / "a.yaml"
    path.write_text(load_balancer("a", port=1))
    fstat = os.fstat

    def write_and_fstat(descriptor: int) -> os.stat_result:
        monkeypatch.setattr(os, "fstat", fstat)
        path.write_text(load_balancer("a", port=20))
        return fstat(descriptor)

    monkeypatch.setattr(os, "fstat", write_and_fstat)
    ManifestSource([tmp_path], store).load()
    assert port_of(store, "a") == 20


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path, store: Store) -> None:
    """A folder that does not exist is named in a FileNotFoundError, and nothing is read."""
    (tmp_path / "a.yaml").write_text(load_balancer("a"))
    source = ManifestSource([tmp_path, tmp_path / "missing"], store)
    with pytest.raises(FileNotFoundError, match=r"the manifests folder .*/missing does not exist: create it"):
        source.load()
    assert store.of_kind("LoadBalancer") == ()


def test_a_file_for_a_folder_is_an_error(tmp_path: Path, store: Store) -> None:
    """A file where a folder is meant is named in a NotADirectoryError."""
    path = tmp_path / "a.yaml"
    path.write_text(load_balancer("a"))
    with pytest.raises(NotADirectoryError, match=r"a\.yaml is no folder: name the folder that holds"):
        ManifestSource([path], store).load()


def test_a_folder_that_is_a_circle_of_links_is_an_error(tmp_path: Path, store: Store) -> None:
    """A folder that cannot be listed for any other reason is named with that reason."""
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(OSError, match=r"loop cannot be listed: Too many levels of symbolic links"):
        ManifestSource([tmp_path / "loop"], store).load()


def test_problems_are_in_the_order_of_path_and_line(tmp_path: Path, store: Store) -> None:
    """All that is wrong with files is listed by path and line, and reads as one line each."""
    (tmp_path / "b.yaml").write_text("- 1\n---\n- 2\n")
    (tmp_path / "a.yaml").symlink_to("nowhere")
    (tmp_path / "c.yaml").write_text("{")
    source = ManifestSource([tmp_path], store)
    source.load()
    no_object = "no object: a manifest is a mapping with apiVersion, kind and metadata"
    assert source.problems[:3] == (
        Problem(f"{tmp_path}/a.yaml", None, "a link to something that is not there"),
        Problem(f"{tmp_path}/b.yaml", 1, no_object),
        Problem(f"{tmp_path}/b.yaml", 3, no_object),
    )
    assert [str(problem).partition(" ")[0] for problem in source.problems] == [
        f"{tmp_path}/a.yaml:",
        f"{tmp_path}/b.yaml:1:",
        f"{tmp_path}/b.yaml:3:",
        f"{tmp_path}/c.yaml:1:",
    ]
