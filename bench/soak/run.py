"""The soak's story: what happens to the server and its clients, phase by phase, and what has to hold after each."""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bench.soak.parts import Crowd, Server, Standing, Usage
from bench.soak.promises import Promises
from bench.soak.world import Spec, World
from xds.app.demo.waiting import NotSeenError, poll

TENANTS: Final = 10
LOAD_BALANCERS: Final = 20
"""Of each tenant. The last of them are the ones that clients refuse in their turn."""
REFUSED: Final = 5
_EVERY: Final = 10.0
"""Seconds from one line of progress to the next."""
_CONVERGES_WITHIN: Final = 60.0
_LINGER: Final = 0.7
"""Seconds after which nothing changes any more by itself: a Secret that went lingers for 0.5 s."""
_STOPS_WITHIN: Final = 5.0
MANNERS: Final = ("reset", "close", "cancel")


@dataclass(frozen=True)
class Plan:
    """``seconds`` are those of all phases together, without the time to converge after each; ``rate`` is changes a second."""

    seconds: float
    streams: int
    seed: int
    rate: float


class Soak:
    """One soak. ``run`` raises nothing for a promise that does not hold: those are in ``promises``."""

    def __init__(self, plan: Plan, program: Path, folder: Path, say: Callable[[str], None]) -> None:
        self.promises = Promises()
        self._plan = plan
        self._program = program
        self._folder = folder
        self._say = say
        self._random = random.Random(plan.seed)  # noqa: S311 — repeatable, not secret
        self._world = World(plan.seed, tenants=TENANTS, load_balancers=LOAD_BALANCERS)
        self._all = range(plan.streams)
        self._began = time.monotonic()
        self._phase = "start"
        # What to change next, None for nothing.
        self._next: Callable[[], list[Spec]] | None = None
        self._server: Server | None = None
        self._crowd: Crowd | None = None
        self._last: tuple[float, float, int] | None = None

    @property
    def server(self) -> Server:
        """The server that runs."""
        assert self._server is not None
        return self._server

    @property
    def crowd(self) -> Crowd:
        """The clients."""
        assert self._crowd is not None
        return self._crowd

    async def run(self) -> None:
        """Play all phases."""
        background: list[asyncio.Task[None]] = []
        try:
            self._server = await Server.start(self._world, self._folder)
            self._crowd = await Crowd.start(
                self._program, [self.server.xds], streams=self._plan.streams, tenants=TENANTS
            )
            background = [asyncio.create_task(each) for each in (self._change(), self._progress())]
            story = asyncio.create_task(self._story())
            await asyncio.wait((story, *background), return_when=asyncio.FIRST_COMPLETED)
            for task in (*background, story):
                if task.done():
                    task.result()
                else:
                    task.cancel()
        finally:
            for task in background:
                task.cancel()
            for part in (self._server, self._crowd):
                if part is not None:
                    await part.kill()

    async def _story(self) -> None:
        seconds, promises = self._plan.seconds, self.promises
        await self._everybody_comes(0.02 * seconds)
        # It begins when it has done what is ordinary: all clients came and went, and everything changed. What memory that takes
        # at its height the allocator keeps, and uses again.
        await self._touched("everything changed")
        await self._everybody_leaves()
        await self._everybody_comes(0.02 * seconds)
        await self._everybody_leaves()
        alone = await self.server.standing()
        await self._everybody_comes(0.1 * seconds)
        await self._touched("everything changed")
        began = await self.server.standing()
        self._tell(f"began with {_words(began)}; without clients {_words(alone)}")
        for phase, share in (
            (self._steady, 0.12), (self._vanishing, 0.16), (self._hanging, 0.18), (self._refusing, 0.14), (self._rushing, 0.12),
        ):  # fmt: skip
            await phase(share * seconds)
        await self._touched("at the end")
        promises.returned("after all that, with all clients", began, await self._settled(began))
        await self._everybody_leaves()
        promises.returned("after all that, when they left", alone, await self._settled(alone))
        await self._restart(0.16 * seconds, began)
        await self._everybody_leaves()
        promises.same("after the restart, when they left", alone, await self._settled(alone))
        status = await self.crowd.do("status")
        promises.needed(status)
        code = await self.server.stop()
        promises.hold("the server ends with 0 when it is told to", str(code), holds=code == 0)
        promises.quiet(self.server.log)
        self._tell(f"streams ended, by status: {status['ends']}; NACKs: {status['refusals']:,}")

    # The phases

    async def _everybody_comes(self, seconds: float) -> None:
        """All clients connect, and things change as they do; then nothing does, and all have the same."""
        async with self._during("coming"):
            await self.crowd.do("forget", self._all)
            await self.crowd.do("connect", self._all)
            await asyncio.sleep(seconds)
        await self._converged("when all had come")

    async def _everybody_leaves(self) -> None:
        """All clients end their streams in good order, and stay away."""
        self._begin("leaving")
        await self.crowd.do("leave", self._all, how="cancel")
        # Who is left then is counted by whoever looks next.
        with contextlib.suppress(NotSeenError):
            await poll(
                self.server.standing,
                lambda standing: not standing.envoys,
                within=_CONVERGES_WITHIN,
                every=0.5,
                what="all gone",
            )

    async def _steady(self, seconds: float) -> None:
        """Nothing but changes."""
        async with self._during("changes"):
            await asyncio.sleep(seconds)
        await self._converged("after changes")

    async def _vanishing(self, seconds: float) -> None:
        """Clients go without a word, some of them for good, so that others come in their place; half of all go at once."""
        async with self._during("vanishing"):
            for turn in range(10):
                gone = self._some(0.5 if turn == 5 else 0.1)  # noqa: PLR2004 — once
                for number, how in enumerate(MANNERS):
                    await self.crowd.do("leave", gone[number::3], how=how)
                await asyncio.sleep(seconds / 20)
                await self.crowd.do("forget", gone[::2])
                await self.crowd.do("connect", gone)
                await asyncio.sleep(seconds / 20)
        await self._converged("after clients vanished")

    async def _hanging(self, seconds: float) -> None:
        """Let a tenth of the clients read no response, and a tenth nothing at all; the others are to notice nothing."""
        hanging, frozen = _halves(self._some(0.2))
        async with self._during("hanging"):
            await self.crowd.do("hang", hanging)
            await self.crowd.do("freeze", frozen)
            await asyncio.sleep(seconds * 0.9)
        others = sorted({*self._all} - {*hanging, *frozen})
        await self._converged("while others hang", others)
        async with self._during("going on"):
            await self.crowd.do("go on", [*hanging, *frozen])
            await asyncio.sleep(seconds * 0.1)
        await self._converged("after hanging")

    async def _refusing(self, seconds: float) -> None:
        """In turns, clients refuse a cluster of their tenant for as long as their turn lasts, whatever becomes of it.

        Only its CA changes meanwhile: one that goes and comes back is worth another try, and a client that never had it cannot know.
        """
        turn = LOAD_BALANCERS - 1

        def change() -> list[Spec]:
            refused, others = self._world.rotate(turn), range(LOAD_BALANCERS - REFUSED)
            # What comes with it is not refused, and a NACK that names the one has the other sent again.
            return [refused, self._world.change(others, refused.tenant)]

        async with self._during("refusing", change):
            for turn in reversed(range(LOAD_BALANCERS - REFUSED, LOAD_BALANCERS)):
                refusing = self._some(0.2)
                await self.crowd.do("refuse", refusing, names=f"lb-{turn}-")
                await asyncio.sleep(seconds / REFUSED)
                await self.crowd.do("refuse", refusing, names="")
        await self._touched("after NACKs, once everything changed")

    async def _rushing(self, seconds: float) -> None:
        """All connections break at once, and all come back at once: knowing what they had, and then knowing nothing."""
        async with self._during("rushing"):
            await self.crowd.do("reconnect", self._all, how="reset")
            await asyncio.sleep(seconds / 2)
            await self.crowd.do("leave", self._all, how="close")
            await self.crowd.do("forget", self._all)
            await self.crowd.do("connect", self._all)
            await asyncio.sleep(seconds / 2)
        await self._converged("after all came at once")

    async def _restart(self, seconds: float, began: Standing) -> None:
        """Stop the server with all clients connected, and start it again: the second time with other objects."""
        await self._everybody_comes(seconds * 0.2)
        before = await self.server.content()
        stopped, port = self.server, self.server.xds
        self._begin("stopped")
        at = time.monotonic()
        code = await stopped.stop()
        took = time.monotonic() - at
        self.promises.hold(
            f"it stops within {_STOPS_WITHIN:g} s with all clients, and ends with 0",
            f"{took:.1f} s, {code}",
            holds=not code and took <= _STOPS_WITHIN,
        )
        await asyncio.sleep(seconds * 0.1)
        self._server = await Server.start(self._world, self._folder, port=port)
        after = await self.server.content()
        self.promises.hold(
            "built anew from the objects, it has what it had by changes",
            f"{sum(before[tenant] == after[tenant] for tenant in before)} of {len(before)} tenants",
            holds=before == after,
        )
        await self._converged("after a restart")
        # Once more, with other objects than those that the clients know.
        self._begin("stopped")
        await self.server.stop()
        for _ in range(round(self._plan.rate * seconds * 0.1) + 1):
            self._world.change(range(LOAD_BALANCERS))
        self._server = await Server.start(self._world, self._folder, port=port)
        async with self._during("started"):
            await asyncio.sleep(seconds * 0.5)
        await self._touched("after a restart with other objects")
        self.promises.returned("after restarts, with all clients", began, await self._settled(began))

    # What they are made of

    def _some(self, share: float) -> list[int]:
        return self._random.sample(self._all, round(share * len(self._all)))

    def _begin(self, phase: str) -> None:
        self._phase = phase
        self._tell(f"{phase} …")

    @contextlib.asynccontextmanager
    async def _during(
        self, phase: str, change: Callable[[], list[Spec]] | None = None
    ) -> AsyncIterator[None]:
        """Change the world all the time, anything in it unless told otherwise."""
        self._begin(phase)
        self._next = change or self._anything
        try:
            yield
        finally:
            self._next = None

    def _anything(self) -> list[Spec]:
        return [self._world.change(range(LOAD_BALANCERS))]

    async def _change(self) -> None:
        while True:
            await asyncio.sleep(self._random.expovariate(self._plan.rate))
            if self._next is not None:
                await self.server.change(self._next())

    async def _touched(self, when: str) -> None:
        await self.server.change(self._world.touch())
        await self._converged(when)

    async def _converged(self, when: str, ids: Iterable[int] | None = None) -> None:
        """Wait until every client has the server's content."""
        ids = list(self._all if ids is None else ids)
        self._phase = "converging"
        await asyncio.sleep(_LINGER)
        began = time.monotonic()
        while True:
            answer = await self.crowd.do("compare", ids, content=await self.server.content())
            over = time.monotonic() > began + _CONVERGES_WITHIN
            if answer["same"] == len(ids) or over:
                break
            await asyncio.sleep(0.3)
        self.promises.converged(when, answer["same"], len(ids), answer["others"])
        self._tell(f"{when}: {answer['same']:,} of {len(ids):,} clients have the server's content")

    async def _settled(self, like: Standing) -> Standing:
        """Return what the server has once it is as before, or has had the time for that: connections end in their own time."""
        deadline = time.monotonic() + 15
        while True:
            now = await self.server.standing()
            if now[1:4] == like[1:4] or time.monotonic() > deadline:
                return now
            await asyncio.sleep(1)

    async def _progress(self) -> None:
        while True:
            await asyncio.sleep(_EVERY)
            status = await self.crowd.do("status")
            self._tell(self._numbers(status))

    def _numbers(self, status: dict[str, Any]) -> str:
        now = time.monotonic()
        if self.server.process.returncode is not None:
            return f"{status['connected']:>6,} streams; no server"
        usage: Usage = self.server.usage
        since, cpu, responses = self._last or (self._began, 0.0, 0)
        passed, used = now - since, usage.cpu - cpu
        self._last = now, usage.cpu, status["responses"]
        return (
            f"{status['connected']:>6,} streams {self._world.changes:>6,} changes"
            f" {(status['responses'] - responses) / passed:>7,.0f} responses/s {status['unchanged']['unneeded']:>3} unneeded"
            f" {usage.memory:>5.0f} MB {max(used, 0) / passed:>5.0%} CPU {usage.descriptors:>6,} files"
        )

    def _tell(self, line: str) -> None:
        self._say(f"{time.monotonic() - self._began:>6.1f} s  {self._phase:<11} {line}")


def _halves(ids: list[int]) -> tuple[list[int], list[int]]:
    return ids[::2], ids[1::2]


def _words(standing: Standing) -> str:
    return f"{standing.memory:.0f} MB, {standing.tasks:,} tasks, {standing.descriptors:,} file descriptors"
