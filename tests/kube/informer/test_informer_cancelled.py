"""An informer that is cancelled, as at the program's end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from kube.informer.informer import Informer
from kube.informer.reflector import Resource
from kube.informer.removals import Removals
from kube.informer.timing import Timing
from kube.objects import ObjectRef
from tests.kube.informer.things import Thing, ref

if TYPE_CHECKING:
    from collections.abc import Collection


class Api:
    """Answers nothing."""

    server = "https://cluster"

    def __init__(self) -> None:
        self.asked = asyncio.Event()

    async def get(self, *_: Any) -> bytes:
        """Keep the caller waiting."""
        self.asked.set()
        await asyncio.get_running_loop().create_future()
        return b""


class Other:
    """An informer whose list lacks something."""

    name = "other"
    has_synced = True

    def __init__(self, list_began: float) -> None:
        self.list_began = list_began
        self.removed: list[ObjectRef] = []

    def list_again(self, since: float) -> None:
        """Do not care."""

    def remove(self, refs: Collection[ObjectRef]) -> None:
        """Remember what is to go."""
        self.removed += refs


async def test_its_end_is_no_agreement() -> None:
    """What another list lacks, and a cancelled informer's list could not confirm, stays."""
    api: Any = Api()
    consumer: Any = type("Consumer", (), {"listing": lambda _: None})()
    loop = asyncio.get_running_loop()
    removals = Removals(loop.time)
    resource = Resource("Thing", "/api/v1", "things", lambda _: Thing(ObjectRef("Thing", "", "a")))
    informer = Informer(api, resource, consumer, removals, timing=Timing(), clock=loop.time)
    informer._reflector.tally.lists = 1
    running = asyncio.create_task(informer.run())
    async with asyncio.timeout(5):
        await api.asked.wait()
    other = Other(loop.time())
    removals.join(other)
    removals.listed(other, [ref("a")])
    assert removals.waiting_for == (informer.name,)
    running.cancel()
    await asyncio.wait([running])
    assert other.removed == []
    removals.leave(informer)
    assert other.removed == [ref("a")]
