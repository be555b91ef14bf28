"""A reflector that is told to list once more, whatever it is about."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import msgspec

from kube.informer.reflector import Listing, Reflector, Resource
from kube.informer.timing import Timing
from kube.objects import InvalidObject, ObjectRef
from tests.kube.informer.things import Thing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from kube.informer.store import Stored

WITHIN = 5.0
"""Seconds within which anything that is to come has come."""


class Api:
    """Answers lists at once; a watch brings nothing, and takes its time to close."""

    server = "https://cluster"

    def __init__(self) -> None:
        self.opened = asyncio.Event()
        self.closing = asyncio.Event()
        self.may_close = asyncio.Event()

    async def get(self, *_: Any) -> bytes:
        """Return a list of nothing."""
        return msgspec.json.encode({"metadata": {"resourceVersion": "1"}, "items": []})

    @asynccontextmanager
    async def watch(self, *_: Any, **__: Any) -> AsyncIterator[AsyncIterator[bytes]]:
        """Give lines that never come."""

        async def lines() -> AsyncIterator[bytes]:
            await asyncio.get_running_loop().create_future()
            yield b""

        self.opened.set()
        try:
            yield lines()
        finally:
            self.closing.set()
            await self.may_close.wait()


class Target:
    """Remembers when lists began."""

    def __init__(self) -> None:
        self.lists: list[float] = []
        self.twice = asyncio.Event()

    def wants(self, ref: ObjectRef, version: str) -> bool:  # noqa: ARG002
        """Return True."""
        return True

    def listing(self, began: float) -> None:
        """Hear that a list begins."""

    def listed(self, listing: Listing) -> None:
        """Remember a list."""
        self.lists.append(listing.began)
        if len(self.lists) == 2:
            self.twice.set()

    def changed(self, found: Stored | InvalidObject) -> None:
        """Hear of nothing."""

    def deleted(self, ref: ObjectRef, version: str) -> None:
        """Hear of nothing."""


async def test_it_may_be_told_twice() -> None:
    """Told again while the watch is being closed for the first time's sake, it lists once, no earlier than it was told."""
    api, target, loop = Api(), Target(), asyncio.get_running_loop()
    resource = Resource("Thing", "/api/v1", "things", lambda _: Thing(ObjectRef("Thing", "", "a")))
    untyped: Any = api
    timing = Timing(first_wait=0.001, longest_wait=0.01)
    reflector = Reflector(untyped, resource, target, timing=timing, clock=loop.time)
    running = asyncio.create_task(reflector.run())
    async with asyncio.timeout(WITHIN):
        await api.opened.wait()
        reflector.list_again(loop.time())
        await api.closing.wait()
        told = loop.time()
        reflector.list_again(told)
        api.may_close.set()
        await target.twice.wait()
    assert len(target.lists) == 2
    assert target.lists[1] >= told
    assert not reflector.tally.failures
    running.cancel()
    await asyncio.wait([running])
