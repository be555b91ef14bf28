from __future__ import annotations

import asyncio
from itertools import count
from time import monotonic
from typing import TYPE_CHECKING

import pytest

from kube.sources import manifests
from kube.sources.folder import Look, Stamp, contents, look_at
from kube.sources.manifests import SETTLE, SETTLE_GONE
from tests.kube.sources.manifests import BOUND, lb, load_balancer, on_look, port_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.kube.sources.conftest import Follow


@pytest.mark.parametrize("rest", ["", " \n\n", "\ufeff"])
async def test_an_empty_file_removes_nothing(tmp_path: Path, follow: Follow, rest: str) -> None:
    """A file that was emptied keeps its objects until something is in it again, however long that takes."""
    path = tmp_path / "a.yaml"
    path.write_text(load_balancer("a", port=1))
    follower = await follow(tmp_path)
    path.write_text(rest)
    line = await follower.until_logged("manifest not parsed")
    assert (line["path"], line["line"], line["kept"]) == (str(path), None, 1)
    assert line["reason"].startswith("the file is empty: delete it")
    path.write_text(load_balancer("a", port=2))
    await follower.until_port("a", 2)
    assert all(change.new is not None for change in follower.changes)
    assert follower.source.problems == ()


async def test_truncate_then_write_is_one_change(
    tmp_path: Path, follow: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that is seen empty between truncation and writing makes one change, and no line in the log."""
    path = tmp_path / "a.yaml"
    path.write_text(load_balancer("a", port=1))
    follower = await follow(tmp_path)
    seen = on_look(monkeypatch, lambda look: not all(stamp.size for stamp in look.files.values()))
    with path.open("w") as file:
        await asyncio.wait_for(seen.wait(), BOUND)
        file.write(load_balancer("a", port=2))
    await follower.until_port("a", 2)
    assert [change.ref for change in follower.changes] == [lb("a")]
    assert {line["event"] for line in follower.logs} == {"manifests read"}


async def test_delete_then_write_is_one_change(
    tmp_path: Path, follow: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that is seen missing, because an editor moves it away before it writes, makes one change."""
    path = tmp_path / "a.yaml"
    path.write_text(load_balancer("a", port=1))
    follower = await follow(tmp_path)
    seen = on_look(monkeypatch, lambda look: not look.files)
    path.rename(tmp_path / "a.yaml~")
    await asyncio.wait_for(seen.wait(), BOUND)
    path.write_text(load_balancer("a", port=2))
    await follower.until_port("a", 2)
    assert [change.ref for change in follower.changes] == [lb("a")]


async def test_half_a_file_changes_nothing(tmp_path: Path, follow: Follow) -> None:
    """A file that is written up to the middle of a line keeps its objects until the rest is there."""
    path = tmp_path / "a.yaml"
    path.write_text(load_balancer("a", port=1) + "---\n" + load_balancer("b", port=1))
    follower = await follow(tmp_path)
    whole = load_balancer("a", port=2) + "---\n" + load_balancer("b", port=2)
    half = whole.index("{name: https", len(load_balancer("a", port=2))) + 5
    with path.open("w") as file:
        file.write(whole[:half])
        file.flush()
        line = await follower.until_logged("manifest not parsed")
        assert line["line"] == whole[:half].count("\n") + 1
        assert follower.changes == []
        file.write(whole[half:])
    await follower.until_port("b", 2)
    assert [{change.ref for change in changes} for changes in follower.transactions] == [{lb("a"), lb("b")}]


async def test_a_file_that_never_holds_still_holds_up_no_other(
    tmp_path: Path, follow: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a file is another one at every look, it keeps its last objects and the others are read."""
    restless = tmp_path / "restless.yaml"
    restless.write_text(load_balancer("restless", port=1))
    follower = await follow(tmp_path)
    ports = count(2)

    def write_and_look(folders: Sequence[Path]) -> Look:
        restless.write_text(load_balancer("restless", port=next(ports)))
        return look_at(folders)

    monkeypatch.setattr(manifests, "look_at", write_and_look)
    (tmp_path / "a.yaml").write_text(load_balancer("a"))
    await follower.until_port("a", 443)
    assert port_of(follower.store, "restless") == 1
    monkeypatch.setattr(manifests, "look_at", look_at)
    restless.write_text(load_balancer("restless", port=9999))
    await follower.until_port("restless", 9999)


async def test_a_file_that_changes_while_it_is_read_is_read_again(
    tmp_path: Path, follow: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that was not what had been looked at when it was read is read soon, even if no event follows."""
    attempts = count(1)

    def fail_at_first(path: Path, stamp: Stamp) -> bytes | None:
        return contents(path, stamp) if next(attempts) > 1 else None

    follower = await follow(tmp_path, rescan=10 * BOUND)
    monkeypatch.setattr(manifests, "contents", fail_at_first)
    (tmp_path / "a.yaml").write_text(load_balancer("a"))
    await follower.until_port("a", 443)
    assert next(attempts) == 3


@pytest.mark.parametrize(("text", "seconds"), [(load_balancer("a", port=2), SETTLE), (None, SETTLE_GONE)])
async def test_a_change_counts_once_it_has_held_still(
    tmp_path: Path, follow: Follow, monkeypatch: pytest.MonkeyPatch, text: str | None, seconds: float
) -> None:
    """Between two looks that agree on a change lies a time, and a longer one if a file is gone."""
    path = tmp_path / "a.yaml"
    path.write_text(load_balancer("a", port=1))
    follower = await follow(tmp_path)
    times: list[float] = []

    def look_and_time(folders: Sequence[Path]) -> Look:
        times.append(monotonic())
        return look_at(folders)

    monkeypatch.setattr(manifests, "look_at", look_and_time)
    if text is None:
        path.unlink()
    else:
        path.write_text(text)
    await follower.until(lambda: follower.changes)
    assert times[-1] - times[-2] >= seconds
