from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tests.kube.sources.manifests import kubelet_writes, lb, load_balancer, port_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.kube.sources.conftest import Follow


async def test_each_key_of_a_volume_is_read_once(tmp_path: Path, follow: Follow) -> None:
    """A mounted ConfigMap's files are read under their names alone, not a second time among kubelet's own."""
    kubelet_writes(tmp_path, {"a.yaml": load_balancer("a"), "b.yaml": load_balancer("b")}, 1)
    follower = await follow(tmp_path)
    assert len(follower.store.of_kind("LoadBalancer")) == 2
    assert follower.source.problems == ()


async def test_a_swap_is_one_transaction(tmp_path: Path, follow: Follow) -> None:
    """When kubelet swaps a volume's contents, what changed, came and went is one transaction."""
    kubelet_writes(tmp_path, {"a.yaml": load_balancer("a", port=1), "b.yaml": load_balancer("b")}, 1)
    follower = await follow(tmp_path)
    files = {"a.yaml": load_balancer("a", port=2), "c.yaml": load_balancer("c")}
    await asyncio.to_thread(kubelet_writes, tmp_path, files, 2)
    await follower.until_port("c", 443)
    assert [{change.ref for change in changes} for changes in follower.transactions] == [
        {lb("a"), lb("b"), lb("c")},
    ]
    assert port_of(follower.store, "a") == 2
    assert port_of(follower.store, "b") is None


async def test_every_further_swap_is_seen(tmp_path: Path, follow: Follow) -> None:
    """A volume is followed over any number of swaps."""
    kubelet_writes(tmp_path, {"a.yaml": load_balancer("a", port=1)}, 1)
    follower = await follow(tmp_path)
    for generation in range(2, 6):
        files = {"a.yaml": load_balancer("a", port=generation)}
        await asyncio.to_thread(kubelet_writes, tmp_path, files, generation)
        await follower.until_port("a", generation)
    assert len(follower.changes) == 4


async def test_keys_with_a_path_are_read_too(tmp_path: Path, follow: Follow) -> None:
    """A key that the volume puts into a sub-directory, which is then a link, is read and followed."""
    kubelet_writes(tmp_path, {"team/a.yaml": load_balancer("a", port=1)}, 1)
    follower = await follow(tmp_path)
    assert port_of(follower.store, "a") == 1
    kubelet_writes(tmp_path, {"team/a.yaml": load_balancer("a", port=2)}, 2)
    await follower.until_port("a", 2)
    kubelet_writes(tmp_path, {"team/a.yaml": load_balancer("a", port=3)}, 3)
    await follower.until_port("a", 3)
    assert len(follower.changes) == 2
