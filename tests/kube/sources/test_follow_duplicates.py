from __future__ import annotations

from typing import TYPE_CHECKING

from kube.sources.problems import Problem
from tests.kube.sources.manifests import lb, load_balancer, port_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.kube.sources.conftest import Follow


def duplicate(path: Path, holder: Path, line: int = 1) -> Problem:
    """Return the problem of a file that gives LoadBalancer tenant-a/a, which another one holds."""
    return Problem(str(path), line, f"LoadBalancer tenant-a/a is in {holder} too, which counts: remove one")


async def test_of_two_files_the_first_path_counts(tmp_path: Path, follow: Follow) -> None:
    """An object that two files give is the first one's; the other is a problem and a warning that name both."""
    one, two = tmp_path / "1.yaml", tmp_path / "2.yaml"
    two.write_text("# a comment\n" + load_balancer("a", port=2))
    one.write_text(load_balancer("a", port=1))
    follower = await follow(tmp_path)
    assert port_of(follower.store, "a") == 1
    assert follower.source.problems == (duplicate(two, one, line=2),)
    (line,) = follower.logged("object given by two files")
    assert (line["level"], line["path"], line["line"]) == ("warning", str(two), 2)
    assert str(one) in line["reason"]


async def test_of_two_folders_the_first_folder_counts(tmp_path: Path, follow: Follow) -> None:
    """The order of the folders is stronger than that of the paths."""
    first, second = tmp_path / "z", tmp_path / "a"
    for port, folder in enumerate((first, second), 1):
        folder.mkdir()
        (folder / "a.yaml").write_text(load_balancer("a", port=port))
    follower = await follow(first, second)
    assert port_of(follower.store, "a") == 1
    assert follower.source.problems == (duplicate(second / "a.yaml", first / "a.yaml"),)


async def test_a_file_that_comes_later_takes_over_if_it_is_first(tmp_path: Path, follow: Follow) -> None:
    """The first path counts, not the first moment, so that a restart alters nothing."""
    one, two = tmp_path / "1.yaml", tmp_path / "2.yaml"
    two.write_text(load_balancer("a", port=2))
    follower = await follow(tmp_path)
    one.write_text(load_balancer("a", port=1))
    await follower.until_port("a", 1)
    assert follower.source.problems == (duplicate(two, one),)


async def test_when_the_first_goes_the_second_takes_over_at_once(tmp_path: Path, follow: Follow) -> None:
    """When the file that holds an object goes, the next one's version replaces it in one change."""
    one, two = tmp_path / "1.yaml", tmp_path / "2.yaml"
    one.write_text(load_balancer("a", port=1))
    two.write_text(load_balancer("a", port=2))
    follower = await follow(tmp_path)
    one.unlink()
    await follower.until_port("a", 2)
    ((change,),) = follower.transactions
    assert change.ref == lb("a")
    assert change.old is not None
    assert follower.source.problems == ()


async def test_a_change_in_the_second_changes_nothing(tmp_path: Path, follow: Follow) -> None:
    """What a file says of an object that another one holds has no effect, and is no news while it stays where it is."""
    one, two = tmp_path / "1.yaml", tmp_path / "2.yaml"
    one.write_text(load_balancer("a", port=1))
    two.write_text(load_balancer("a", port=2))
    follower = await follow(tmp_path)
    two.write_text(load_balancer("a", port=3) + "---\n" + load_balancer("b"))
    await follower.until_port("b", 443)
    assert [change.ref for change in follower.changes] == [lb("b")]
    assert len(list(follower.logged("object given by two files"))) == 1


async def test_an_invalid_holder_holds_what_it_has(tmp_path: Path, follow: Follow) -> None:
    """An object that turns invalid in the file that holds it keeps its last good version, not another file's."""
    one, two = tmp_path / "1.yaml", tmp_path / "2.yaml"
    one.write_text(load_balancer("a", port=1))
    two.write_text(load_balancer("a", port=2))
    follower = await follow(tmp_path)
    one.write_text(load_balancer("a", port=0))
    await follower.until_logged("object is invalid")
    assert port_of(follower.store, "a") == 1
    one.unlink()
    await follower.until_port("a", 2)
    assert follower.store.invalid == {}


async def test_folders_that_overlap_are_read_once(tmp_path: Path, follow: Follow) -> None:
    """A folder that is given twice, or lies in another one, is read where it comes first."""
    inner = tmp_path / "inner"
    inner.mkdir()
    (inner / "a.yaml").write_text(load_balancer("a", port=1))
    follower = await follow(tmp_path, inner, tmp_path)
    assert follower.source.problems == ()
    (inner / "a.yaml").write_text(load_balancer("a", port=2))
    await follower.until_port("a", 2)
    assert len(follower.changes) == 1
