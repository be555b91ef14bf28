"""A refusal that comes after newer things were heard: without I/O."""

import asyncio
from typing import Any, cast

import msgspec
import pytest

from kube.client import ApiError
from kube.controllers.exposure import Exposure
from kube.controllers.services import Exposed, Wanted
from kube.objects import LoadBalancer, ObjectRef
from kube.objects.service import Service
from tests.kube.controllers.exposing import FINALIZER, Leading, listeners
from tests.kube.controllers.test_services_steps import EDITED, lb, service


class Refusing:
    """An API server that has one Service, and refuses what is to be written, as soon as a test lets it."""

    def __init__(self, standing: Service) -> None:
        self.standing = standing
        self.asked, self.answer = asyncio.Event(), asyncio.Event()

    async def get(self, _: ObjectRef) -> Service:
        """Read it."""
        return self.standing

    async def apply(self, *_: Wanted | Service) -> None:
        """Refuse to write it, later."""
        self.asked.set()
        await self.answer.wait()
        raise ApiError(422, "Invalid", "a policy is against it")


class Quiet:
    """A writer: the test writes."""

    def put(self, *_: object) -> None:
        """Take what is to be written."""


class Told:
    """An Exposure that has heard of a LoadBalancer and of its Service, which is not as it is to be."""

    def __init__(self) -> None:
        self.api = Refusing(EDITED)
        self.reports: list[Exposed] = []
        self.exposure = Exposure(
            cast("Any", None),
            cast("Any", Quiet()),
            Leading(leading=True),
            lambda _, exposed: self.reports.append(exposed),
        )
        self.exposure._services_api = cast("Any", self.api)
        self.lb: LoadBalancer = lb(FINALIZER)
        self.exposure.take(upserts=(EDITED,))
        self.want()

    def want(self, **metadata: Any) -> None:
        """Have the LoadBalancer be so, and be looked at."""
        changed = msgspec.structs.replace(
            self.lb, metadata=msgspec.structs.replace(self.lb.metadata, **metadata)
        )
        self.exposure.want(changed, listeners(changed))
        self.exposure._consider(changed.ref)

    async def write(self) -> asyncio.Task[None]:
        """Begin to write what is to be."""
        writing = asyncio.create_task(self.exposure._converge(self.lb.ref))
        await self.api.asked.wait()
        return writing

    async def end(self, writing: asyncio.Task[None]) -> None:
        """Have the API server answer."""
        self.api.answer.set()
        with pytest.raises(ApiError):
            await writing

    @property
    def says(self) -> str:
        """Why there is no Service as it is to be, as it was reported last."""
        refusal = self.reports[-1].refusal
        return refusal.reason if refusal else ""


async def test_a_refusal_in_time() -> None:
    """What is refused while it is wanted is reported."""
    told = Told()
    await told.end(await told.write())
    assert told.says == "ServiceRefused"


async def test_a_refusal_of_what_is_there_by_now() -> None:
    """Somebody made the Service what it is to be before the refusal was read: nothing speaks against it."""
    told = Told()
    writing = await told.write()
    told.exposure.take(upserts=(service(),))
    told.exposure._consider(told.lb.ref)
    await told.end(writing)
    assert told.says == ""


async def test_a_refusal_of_what_is_wanted_no_more() -> None:
    """The LoadBalancer was mended before the refusal was read: that of the new one is yet to come."""
    told = Told()
    writing = await told.write()
    told.want(annotations={"mended": "yes"})
    await told.end(writing)
    assert told.says == ""
    assert told.exposure.is_undecided(told.lb.ref)
