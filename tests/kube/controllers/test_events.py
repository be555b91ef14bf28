"""Events without an API server: what is asked of it, and when."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from kube.client import ApiError, Unreachable
from kube.coordination.events import BURST, Events, EventStats, Warned
from kube.objects import ObjectRef
from xds.app.demo.waiting import Journal, poll

LB = ObjectRef("LoadBalancer", "tenant-a", "web")
BOUND = 10.0
START = datetime(2026, 7, 1, 12, tzinfo=UTC)


async def until(events: Events, holds: Callable[[EventStats], bool]) -> None:
    """Wait until something holds of what was written."""

    async def stats() -> EventStats:
        return events.stats

    await poll(stats, holds, within=BOUND, what="Events")


class Server:
    """An API server that keeps Events, and the time. ``errors`` are what the next requests are answered with."""

    def __init__(self) -> None:
        self.now = 0.0
        self.leading = True
        self.events: dict[str, dict[str, Any]] = {}
        self.requests: Journal[tuple[str, str]] = Journal("requests")
        self.errors: list[Exception] = []

    def clock(self) -> float:
        """Return the seconds."""
        return self.now

    def wall(self) -> datetime:
        """Return the time of day."""
        return START + timedelta(seconds=self.now)

    async def get(self, path: str) -> bytes:
        """Return an Event."""
        self._asked("GET", path)
        return msgspec.json.encode(self._found(path))

    async def send(
        self, method: str, path: str, body: Any = None, *, params: Mapping[str, str] | None = None
    ) -> bytes:
        """Take an Event, or a change of one."""
        assert not params
        self._asked(method, path)
        if method == "POST":
            path = f"{path}/{body['metadata']['name']}"
            if path in self.events:
                raise ApiError(409, "AlreadyExists", path)
            self.events[path] = dict(body)
        else:
            self._found(path).update(body)
        self.requests.touch()
        return b""

    def _asked(self, method: str, path: str) -> None:
        self.requests.add((method, path))
        if self.errors:
            raise self.errors.pop(0)

    def _found(self, path: str) -> dict[str, Any]:
        if path not in self.events:
            raise ApiError(404, "NotFound", path)
        return self.events[path]

    @property
    def methods(self) -> list[str]:
        """What was asked."""
        return [method for method, _ in self.requests]

    @property
    def counts(self) -> list[int]:
        """The counts of all Events."""
        return [event["count"] for event in self.events.values()]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Events]:
        """Run something that writes Events here."""
        events = Events(self, identity="me", leading=lambda: self.leading, clock=self.clock, wall=self.wall)
        task = asyncio.create_task(events.run())
        try:
            yield events
        finally:
            assert not task.done()
            task.cancel()
            await asyncio.wait([task])

    async def until_written(self, events: Events, count: int) -> None:
        """Wait until so many writes have succeeded."""
        await until(events, lambda stats: stats.written >= count)


async def test_a_repetition_raises_the_count() -> None:
    """The first warning creates an Event, each further one of the same words raises its count and its time, and nothing else."""
    server = Server()
    async with server.running() as events:
        for times in range(1, 4):
            assert events.warn(LB, "uid", "InvalidCACertificateRef", "no Secret")
            await server.until_written(events, times)
            server.now += 60
        events.warn(LB, "uid", "InvalidCACertificateRef", "another Secret")
        await server.until_written(events, 4)
    assert server.methods == ["POST", "PATCH", "PATCH", "POST"]
    assert server.counts == [3, 1]
    first = next(iter(server.events.values()))
    assert (first["firstTimestamp"], first["lastTimestamp"]) == (
        "2026-07-01T12:00:00Z",
        "2026-07-01T12:02:00Z",
    )
    assert (first["type"], first["reason"], first["message"]) == (
        "Warning",
        "InvalidCACertificateRef",
        "no Secret",
    )
    assert first["involvedObject"]["uid"] == "uid"


async def test_what_is_well_is_normal() -> None:
    """It is told in the same way, and is no warning; whose objects they are and who says it is the owner's to say."""
    server = Server()
    service = ObjectRef("Service", "default", "web")
    events = Events(
        server,
        identity="me",
        leading=lambda: True,
        clock=server.clock,
        wall=server.wall,
        api_version="v1",
        component="kubelb-ccm",
    )
    task = asyncio.create_task(events.run())
    assert events.tell(service, "uid", "Programmed", "by all Envoys")
    await server.until_written(events, 1)
    task.cancel()
    await asyncio.wait([task])
    (event,) = server.events.values()
    assert (event["type"], event["reason"]) == ("Normal", "Programmed")
    assert event["involvedObject"]["apiVersion"] == "v1"
    assert event["source"]["component"] == event["reportingComponent"] == "kubelb-ccm"


async def test_what_waits_is_written_once() -> None:
    """Warnings of the same words that come before the first is written become one request with their number."""
    server = Server()
    async with server.running() as events:
        for _ in range(5):
            events.warn(LB, "uid", "R", "m")
        await server.until_written(events, 1)
    assert server.methods == ["POST"]
    assert server.counts == [5]


async def test_one_object_is_heard_25_times_and_then_every_five_minutes() -> None:
    """An object that warns all the time has 25 warnings at once and one in five minutes; another object has its own."""
    server = Server()
    async with server.running() as events:
        heard = [events.warn(LB, "uid", "R", f"m{index}") for index in range(100)]
        assert heard == [True] * BURST + [False] * (100 - BURST)
        assert events.warn(LB._replace(name="other"), "uid", "R", "m")
        server.now += 299
        assert not events.warn(LB, "uid", "R", "m")
        server.now += 1
        assert events.warn(LB, "uid", "R", "m")
        assert not events.warn(LB, "uid", "R", "m")
        assert events.stats.bounded == 100 - BURST + 2
        await server.until_written(events, BURST + 2)


async def test_another_replica_has_written_it() -> None:
    """An Event that exists already, by the leader before or from before a restart, is counted on."""
    server = Server()
    for times in (1, 2):
        async with server.running() as events:
            events.warn(LB, "uid", "R", "m")
            await server.until_written(events, 1)
        assert server.counts == [times]
    assert server.methods == ["POST", "POST", "GET", "PATCH"]


async def test_what_may_have_been_said_before_is_not_said_again() -> None:
    """Unless it is there it is written; where it is there, and was not said anew meanwhile, there is a look and no write."""
    server = Server()
    async with server.running() as events:
        events.warn(LB, "uid", "R", "m", unless_there=True)
        await server.until_written(events, 1)
    async with server.running() as events:
        events.warn(LB, "uid", "R", "m", unless_there=True)
        events.warn(LB, "uid", "R", "n")
        await server.until_written(events, 1)
        assert server.counts == [1, 1]
        assert server.methods == ["GET", "POST", "GET", "POST"]
        events.warn(LB, "uid", "R", "m", unless_there=True)
        events.warn(LB, "uid", "R", "m")
        await server.until_written(events, 2)
    assert server.counts == [2, 1]
    assert server.methods[4:] == ["PATCH"]


async def test_an_event_that_is_gone_is_created_anew() -> None:
    """Where the API server has dropped an Event, by age or by hand, the next warning creates it; after an hour that is expected."""
    server = Server()
    async with server.running() as events:
        events.warn(LB, "uid", "R", "m")
        await server.until_written(events, 1)
        server.events.clear()
        events.warn(LB, "uid", "R", "m")
        await server.until_written(events, 2)
        server.events.clear()
        server.now += 3600
        events.warn(LB, "uid", "R", "m")
        await server.until_written(events, 3)
    assert server.methods == ["POST", "PATCH", "POST", "POST"]
    assert server.counts == [1]


async def test_only_the_leader_writes() -> None:
    """What is warned of while not leading is not written, and neither is what waits when leadership is lost."""
    server = Server()
    server.leading = False
    async with server.running() as events:
        assert not events.warn(LB, "uid", "R", "m")
        server.leading = True
        assert events.warn(LB, "uid", "R", "m")
        server.leading = False
        await until(events, lambda stats: not stats.waiting)
        assert events.stats.dropped == 1
    assert server.methods == []


@pytest.mark.parametrize(
    "error",
    [Unreachable("gone"), ApiError(500, "", "x"), ApiError(429, "", "x"), ApiError(409, "Conflict", "x")],
)
async def test_what_may_pass_is_tried_again(error: Exception) -> None:
    """An Event that the API server cannot take at the moment is written a moment later."""
    server = Server()
    server.errors = [error]
    async with server.running() as events:
        events.warn(LB, "uid", "R", "m")
        await server.requests.until(lambda: bool(server.events), within=BOUND, what="an Event")
    assert server.counts == [1]


async def test_what_will_not_pass_is_dropped() -> None:
    """An Event that is refused (a namespace that ends, a role without Events) is dropped, and the next one is written."""
    server = Server()
    server.errors = [ApiError(403, "Forbidden", "the namespace is being terminated")]
    async with server.running() as events:
        events.warn(LB, "uid", "R", "m")
        events.warn(LB, "uid", "R", "n")
        await server.until_written(events, 1)
        assert events.stats.dropped == 1
    assert [event["message"] for event in server.events.values()] == ["n"]


async def test_too_many_do_not_pile_up() -> None:
    """10,000 warnings wait at most; those after them are counted as dropped."""
    server = Server()
    events = Events(server, identity="me", leading=lambda: True, clock=server.clock, wall=server.wall)
    heard = [events.warn(LB._replace(name=f"lb-{index}"), "uid", "R", "m") for index in range(10_010)]
    assert heard.count(True) == 10_000
    assert (events.stats.waiting, events.stats.dropped) == (10_000, 10)


def test_names_are_names() -> None:
    """An Event's name is the object's with a hash of everything that it says, and no longer than a name may be."""
    short = Warned(LB, "uid", "R", "m")
    assert short.event.startswith("web.")
    others = {
        short._replace(uid="2").event,
        short._replace(reason="S").event,
        short._replace(message="n").event,
    }
    assert len(others | {short.event}) == 4
    long = Warned(LB._replace(name="a" * 235 + ".bcdefghijklmnopqr"), "uid", "R", "m")
    assert len(long.event) <= 253
    assert ".." not in long.event
