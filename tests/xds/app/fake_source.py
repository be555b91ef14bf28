"""A source of objects that does what a test tells it, in the place of a cluster's API."""

import asyncio
from collections.abc import Mapping
from typing import Any

from kube.informer.status import InformerStatus
from kube.informer.store import Store
from xds.app.settings import ServeSettings


def informer(
    kind: str, namespace: str = "", *, synced: bool = False, error: str = "", **counts: Any
) -> InformerStatus:
    """Return an informer's status; `counts` are its other fields, zero unless given."""
    zero: dict[str, Any] = {
        "objects": 0, "lists": 0, "watches": 0, "events": 0, "failures": {}, "large_removals": 0,
    }  # fmt: skip
    return InformerStatus(kind=kind, namespace=namespace, synced=synced, error=error, **(zero | counts))


class FakeSource:
    """A source with one informer for each kind, none of which has synced. `ended` is set when it is closed."""

    def __init__(self, settings: ServeSettings, store: Store) -> None:
        self.settings = settings
        self.store = store
        self.informers: tuple[InformerStatus, ...] = (informer("LoadBalancer"), informer("Secret"))
        self.refuses: Exception | None = None
        self.breaks: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.ended = asyncio.Event()
        for each in self.informers:
            store.expect(each.name)

    @property
    def described(self) -> Mapping[str, object]:
        """What the log says."""
        return {"kubernetes": "https://fake:6443"}

    async def open(self) -> None:
        """Raise what the test wants."""
        if self.refuses is not None:
            raise self.refuses

    async def run(self) -> None:
        """Do nothing, until the test lets it break."""
        await self.breaks

    def writing(self, *_: object) -> None:
        """Nothing is written."""

    async def close(self) -> None:
        """Tell the test."""
        self.ended.set()

    def sync(self, *objects: Any) -> None:
        """Tell the store these objects, and that this was all."""
        self.store.apply(now=asyncio.get_running_loop().time(), upserts=objects)
        for each in self.informers:
            self.store.mark_synced(each.name)
