from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest

from tests.kube.sources.manifests import BOUND, lb, load_balancer, on_look, port_of

if TYPE_CHECKING:
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


async def test_a_file_that_never_holds_still_holds_up_no_other(tmp_path: Path, follow: Follow) -> None:
    """While a file is written all the time, it keeps its last objects and the others are read."""
    restless = tmp_path / "restless.yaml"
    restless.write_text(load_balancer("restless"))
    follower = await follow(tmp_path)
    done = threading.Event()

    def write_all_the_time() -> None:
        while not done.wait(0.001):
            with restless.open("a") as file:
                file.write("# on and on\n")

    writer = threading.Thread(target=write_all_the_time)
    writer.start()
    try:
        for port in range(1, 4):
            (tmp_path / "a.yaml").write_text(load_balancer("a", port=port))
            await follower.until_port("a", port)
    finally:
        done.set()
        writer.join()
    assert port_of(follower.store, "restless") == 443
    restless.write_text(load_balancer("restless", port=5))
    await follower.until_port("restless", 5)
