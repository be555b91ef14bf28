from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from kube.informer.store import Store
from kube.sources.manifests import ManifestSource
from tests.kube.sources.manifests import BOUND, load_balancer, on_look, port_of, references

if TYPE_CHECKING:
    from pathlib import Path


async def test_cancelled_while_a_change_settles_it_changes_nothing_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A source that is cancelled between noticing a change and taking it ends and leaves the store as it was."""
    (tmp_path / "a.yaml").write_text(load_balancer("a", port=1))
    store = Store(references=references)
    source = ManifestSource([tmp_path], store)
    synced = asyncio.Event()
    noticed = on_look(monkeypatch, lambda look: len(look.files) == 2)
    store.subscribe(lambda _: synced.set() if store.synced else None)
    run = asyncio.create_task(source.run())
    async with asyncio.timeout(BOUND):
        await synced.wait()
        (tmp_path / "b.yaml").write_text(load_balancer("b"))
        await noticed.wait()
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
    assert (port_of(store, "a"), port_of(store, "b")) == (1, None)
