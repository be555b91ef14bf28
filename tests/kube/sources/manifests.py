"""Manifests as text, and a source that follows folders while a test waits for what it does."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import structlog

from kube.informer.store import Change, Store, Stored
from kube.objects import LoadBalancer, ObjectRef
from kube.sources import manifests
from kube.sources.folder import Look, look_at
from kube.sources.manifests import ManifestSource

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import pytest

BOUND = 10.0
"""Seconds after which a test stops waiting."""


def load_balancer(name: str, *, port: int = 443, addresses: str | None = None) -> str:
    """Return the manifest of a LoadBalancer of tenant-a with one port."""
    backends = f"addressesReference: {{name: {addresses}}}" if addresses else "addresses: [{ip: 10.0.0.1}]"
    return f"""\
apiVersion: kubelb.k8c.io/v1alpha1
kind: LoadBalancer
metadata:
  name: {name}
  namespace: tenant-a
spec:
  endpoints:
  - {backends}
    ports: [{{name: https, port: 30443}}]
  ports: [{{name: https, port: {port}}}]
"""


def addresses(name: str, ip: str = "10.0.0.1") -> str:
    """Return the manifest of an Addresses object of tenant-a."""
    return f"""\
apiVersion: kubelb.k8c.io/v1alpha1
kind: Addresses
metadata: {{name: {name}, namespace: tenant-a}}
spec: {{addresses: [{{ip: {ip}}}]}}
"""


def lb(name: str) -> ObjectRef:
    """Name a LoadBalancer of tenant-a."""
    return ObjectRef("LoadBalancer", "tenant-a", name)


def references(stored: Stored) -> frozenset[ObjectRef]:
    """Tell a store what an object names."""
    return stored.references if isinstance(stored, LoadBalancer) else frozenset()


def port_of(store: Store, name: str) -> int | None:
    """Return the only port of a LoadBalancer of tenant-a, or None when the store does not hold it."""
    stored = store.get(lb(name))
    return stored.spec.ports[0].port if isinstance(stored, LoadBalancer) else None


def replace(path: Path, text: str) -> None:
    """Write a file as careful programs do: beside it, under another name, and then in its place."""
    beside = path.with_name(f".{path.name}.tmp")
    beside.write_text(text)
    beside.replace(path)


class Follower:
    """A source that follows folders, and everything that its store told and that it logged."""

    def __init__(self, folders: Sequence[Path], *, rescan: float) -> None:
        self.store = Store(references=references)
        self.source = ManifestSource(folders, self.store, rescan=rescan)
        self.transactions: list[tuple[Change, ...]] = []
        self.logs: list[dict[str, Any]] = []
        self._news = asyncio.Event()
        self._run: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        structlog.configure(processors=[self._on_log], cache_logger_on_first_use=False)
        self.store.subscribe(self._on_changes)
        self._run = asyncio.create_task(self.source.run())
        self._run.add_done_callback(lambda _: self._news.set())
        await self.until(lambda: self.store.synced)
        self.transactions.clear()
        return self

    async def __aexit__(self, *_: object) -> None:
        structlog.reset_defaults()
        assert self._run is not None
        self._run.cancel()
        await asyncio.wait([self._run], timeout=BOUND)
        assert self._run.cancelled(), "the source ended, or does not end when it is told to"

    async def until(self, fact: Callable[[], object]) -> None:
        """Wait until something is so, looking whenever the store or the log has news."""
        try:
            async with asyncio.timeout(BOUND):
                while not fact():
                    assert self._run is not None
                    assert not self._run.done(), f"the source ended: {self._run!r}"
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"it did not come about; the log says {self.logs}") from None

    async def until_port(self, name: str, port: int | None) -> None:
        """Wait until a LoadBalancer of tenant-a has this port, or with None is gone."""
        await self.until(lambda: port_of(self.store, name) == port)

    async def until_logged(self, event: str, *, times: int = 1) -> dict[str, Any]:
        """Wait until the log has a line that begins like this, so many times; return the last."""
        await self.until(lambda: len(list(self.logged(event))) >= times)
        return list(self.logged(event))[times - 1]

    def logged(self, event: str) -> Iterator[dict[str, Any]]:
        """Yield the lines of the log that begin like this."""
        return (line for line in self.logs if line["event"].startswith(event))

    @property
    def changes(self) -> list[Change]:
        """All changes so far, whichever transaction they belong to."""
        return [change for transaction in self.transactions for change in transaction]

    def _on_changes(self, changes: tuple[Change, ...]) -> None:
        self.transactions.append(changes)
        self._news.set()

    def _on_log(self, _: Any, level: str, line: structlog.typing.EventDict) -> str:
        self.logs.append({**line, "level": level})
        self._news.set()
        raise structlog.DropEvent


def on_look(monkeypatch: pytest.MonkeyPatch, fact: Callable[[Look], bool]) -> asyncio.Event:
    """Return an event that is set once a source has seen something in a look that is not yet taken."""
    loop, seen = asyncio.get_running_loop(), asyncio.Event()

    def look_and_tell(folders: Sequence[Path]) -> Look:
        look = look_at(folders)
        if fact(look):
            loop.call_soon_threadsafe(seen.set)
        return look

    monkeypatch.setattr(manifests, "look_at", look_and_tell)
    return seen


def kubelet_writes(volume: Path, files: dict[str, str], generation: int) -> None:
    """Write a mounted ConfigMap or Secret as kubelet's AtomicWriter does.

    The files go into a new dated directory, `..data` is made to lead there by one rename, and the names
    beside it are links through `..data` (k8s.io/kubernetes/pkg/volume/util/atomic_writer.go).
    """
    dated = volume / f"..2026_11_23_10_00_0{generation}.0"
    for name, text in files.items():
        target = dated / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    data = volume / "..data"
    before = data.resolve() if data.is_symlink() else None
    (volume / "..data_tmp").symlink_to(dated.name)
    (volume / "..data_tmp").replace(data)
    visible = {name.partition("/")[0] for name in files}
    for name in visible:
        if not (volume / name).is_symlink():
            (volume / name).symlink_to(f"..data/{name}")
    for link in volume.iterdir():
        if not link.name.startswith("..") and link.name not in visible:
            link.unlink()
    if before is not None:
        for old in sorted(before.rglob("*"), reverse=True):
            old.rmdir() if old.is_dir() else old.unlink()
        before.rmdir()
