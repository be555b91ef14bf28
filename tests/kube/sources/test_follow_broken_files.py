from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kube.sources.problems import Problem
from tests.kube.sources.manifests import lb, load_balancer, port_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.kube.sources.conftest import Follow


async def test_a_file_that_cannot_be_parsed_keeps_all_its_last_good_objects(
    tmp_path: Path, follow: Follow
) -> None:
    """A syntax error anywhere in a file leaves every object of it as it was, and says file, line and reason."""
    path = tmp_path / "a.yaml"
    path.write_text(load_balancer("a", port=1) + "---\n" + load_balancer("b", port=1))
    follower = await follow(tmp_path)
    path.write_text(load_balancer("a", port=2) + "---\n" + load_balancer("b", port=2) + "\tx: 1\n")
    line = await follower.until_logged("manifest not parsed")
    reason = "a tab: YAML is indented with spaces (column 1)"
    assert line == {
        "event": "manifest not parsed: its last good objects stay",
        "level": "warning",
        "path": str(path),
        "line": 22,
        "reason": reason,
        "kept": 2,
    }
    assert follower.source.problems == (Problem(str(path), 22, reason),)
    assert follower.changes == []
    assert {port_of(follower.store, name) for name in "ab"} == {1}


async def test_a_file_that_is_mended_is_read(tmp_path: Path, follow: Follow) -> None:
    """A file that can be parsed again is read, the problem is gone, and the log says so."""
    path = tmp_path / "a.yaml"
    path.write_text("{")
    follower = await follow(tmp_path)
    assert [problem.path for problem in follower.source.problems] == [str(path)]
    path.write_text(load_balancer("a"))
    await follower.until_port("a", 443)
    assert follower.source.problems == ()
    assert [line["path"] for line in follower.logged("manifest is in order again")] == [str(path)]


async def test_a_broken_file_that_is_deleted_is_no_problem(tmp_path: Path, follow: Follow) -> None:
    """A broken file that goes takes its last good objects and its problem along."""
    path = tmp_path / "a.yaml"
    path.write_text(load_balancer("a"))
    follower = await follow(tmp_path)
    path.write_text("{")
    await follower.until_logged("manifest not parsed")
    path.unlink()
    await follower.until_port("a", None)
    assert follower.source.problems == ()


async def test_each_edit_of_a_broken_file_is_answered(tmp_path: Path, follow: Follow) -> None:
    """A file that is broken, edited and broken the same way says so again."""
    path = tmp_path / "a.yaml"
    follower = await follow(tmp_path)
    path.write_text("{")
    await follower.until_logged("manifest not parsed")
    path.write_text("{ ")
    await follower.until_logged("manifest not parsed", times=2)
    assert len(follower.source.problems) == 1


async def test_an_invalid_object_keeps_its_last_good_version(tmp_path: Path, follow: Follow) -> None:
    """An invalid object stays as it was, says file, line, name and every fault, and the others of its file change."""
    path = tmp_path / "a.yaml"
    path.write_text(load_balancer("a", port=1) + "---\n" + load_balancer("b", port=1))
    follower = await follow(tmp_path)
    broken = load_balancer("b", port=70000).replace("30443", "0")
    path.write_text(load_balancer("a", port=2) + "---\n" + broken)
    line = await follower.until_logged("object is invalid")
    await follower.until_port("a", 2)
    assert (line["path"], line["line"], line["object"]) == (str(path), 12, "LoadBalancer tenant-a/b")
    assert [fault.partition(":")[0] for fault in line["faults"]] == [
        "spec.endpoints[0].ports[0].port",
        "spec.ports[0].port",
    ]
    assert port_of(follower.store, "b") == 1
    assert list(follower.store.invalid) == [lb("b")]
    assert follower.source.problems == ()


async def test_an_invalid_object_that_is_mended_or_taken_out_is_no_longer_invalid(
    tmp_path: Path, follow: Follow
) -> None:
    """The fault of an object goes with a good version of it, and with the object."""
    path = tmp_path / "a.yaml"
    path.write_text(load_balancer("a", port=0) + "---\n" + load_balancer("b", port=0))
    follower = await follow(tmp_path)
    assert set(follower.store.invalid) == {lb("a"), lb("b")}
    path.write_text(load_balancer("a", port=2))
    await follower.until_port("a", 2)
    assert follower.store.invalid == {}


@pytest.mark.parametrize(
    "stray",
    [
        load_balancer("b").replace("  name: b\n", ""),
        load_balancer("b").replace("kind: LoadBalancer\n", ""),
        "- just a list\n",
    ],
)
async def test_what_cannot_be_named_may_be_what_was_there(tmp_path: Path, follow: Follow, stray: str) -> None:
    """While a file holds something without kind or name, it removes nothing, and the others of it change."""
    path = tmp_path / "a.yaml"
    path.write_text(load_balancer("a", port=1) + "---\n" + load_balancer("b", port=1))
    follower = await follow(tmp_path)
    path.write_text(load_balancer("a", port=2) + "---\n" + stray)
    line = await follower.until_logged("manifest holds something that is no object")
    await follower.until_port("a", 2)
    assert (line["path"], line["line"]) == (str(path), 12)
    assert port_of(follower.store, "b") == 1
    path.write_text(load_balancer("a", port=2))
    await follower.until_port("b", None)
    assert follower.source.problems == ()


async def test_kinds_that_are_not_ours_are_skipped(tmp_path: Path, follow: Follow) -> None:
    """A document of another kind is one line for debugging, no problem, and holds nothing up."""
    path = tmp_path / "a.yaml"
    path.write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n---\n" + load_balancer("a"))
    follower = await follow(tmp_path)
    assert port_of(follower.store, "a") == 443
    assert list(follower.logged("document of another kind")) == [
        {
            "event": "document of another kind skipped",
            "level": "debug",
            "path": str(path),
            "line": 1,
            "kind": "ConfigMap",
            "api_version": "v1",
        }
    ]
    assert follower.source.problems == ()


async def test_an_object_that_a_file_gives_twice_counts_once(tmp_path: Path, follow: Follow) -> None:
    """Of two versions of one object in one file the first counts, and the other is a problem with its line."""
    path = tmp_path / "a.yaml"
    path.write_text(load_balancer("a", port=1) + "---\n" + load_balancer("a", port=2))
    follower = await follow(tmp_path)
    assert port_of(follower.store, "a") == 1
    assert follower.source.problems == (
        Problem(str(path), 12, "LoadBalancer tenant-a/a is already in line 1 of this file: remove one"),
    )
    assert len(list(follower.logged("object given twice"))) == 1
