import asyncio
from pathlib import Path
from random import Random

from kube.controllers.allocation import Allocation
from kube.controllers.ports import POOL, REST
from kube.objects import StatusPort
from tests.kube.controllers.allocating import (
    Allocator,
    Clock,
    allocator,
    configmap,
    publish,
    reference,
    stored,
    written,
)
from tests.kube.controllers.port_things import document
from tests.support.kube_api import ApiServer
from tests.support.kube_client import ApiClient

CHANGES = 1000
BATCH = 25
ENTRIES = [("https:443",), ("https:443", "dns:53/UDP"), (":80", ":443"), ("a:1", "b:2", "c:3/UDP")]


async def test_a_thousand_creations_and_deletions(
    api_server: ApiServer, admin: ApiClient, namespace: str, tmp_path: Path
) -> None:
    """No port is ever given twice or before it has rested, and none of a LoadBalancer that lives ever changes.

    Meanwhile the program is restarted again and again, before it has published or after, and the ledger, or all statuses, are lost.
    """
    random = Random(6)  # noqa: S311 — always the same
    world = _World(admin, namespace, random)
    async with allocator(api_server.kubeconfig(tmp_path), world.clock) as connected:
        leader = connected
        for round_ in range(CHANGES // BATCH):
            await world.change()
            if random.random() < 0.2:
                await world.allocate(leader, publish_it=False)
                leader = Allocator(connected.api, world.clock)
            if random.random() < 0.5:
                leader = Allocator(connected.api, world.clock)
            await world.allocate(leader)
            if round_ % 10 == 3:
                await world.lose_the_statuses()
            if round_ % 10 == 7:
                await world.lose_the_ledger()
                leader = Allocator(connected.api, world.clock)
                await world.allocate(leader)
            world.clock.now += random.choice([0, 5, REST / 2, REST])
    assert world.changes == CHANGES
    document = await written(admin, namespace)
    assert document["ports"].keys() == world.alive


class _World:
    """One tenant, and all that was ever told in it."""

    def __init__(self, admin: ApiClient, tenant: str, random: Random) -> None:
        self.clock = Clock()
        self.changes = 0
        self.alive: set[str] = set()
        self._admin = admin
        self._tenant = tenant
        self._random = random
        self._created = 0
        self._told: dict[str, Allocation] = {}
        self._free_at: dict[tuple[str, int | str], float] = {}

    async def change(self) -> None:
        """Create and delete some at random."""
        growing = self._random.random() < 0.6
        share = (
            self._random.randrange(BATCH // 2, BATCH + 1) if growing else self._random.randrange(BATCH // 2)
        )
        gone = self._random.sample(sorted(self.alive), min(BATCH - share, len(self.alive)))
        new = [f"web-{self._created + number}" for number in range(BATCH - len(gone))]
        self._created += len(new)
        await asyncio.gather(
            self._admin.create_all(
                [document(name, *self._random.choice(ENTRIES), tenant=self._tenant) for name in new]
            ),
            *(self._admin.delete(reference(self._tenant, name)) for name in gone),
        )
        self.alive = (self.alive - {*gone}) | {*new}
        self.changes += len(gone) + len(new)

    async def allocate(self, leader: Allocator, *, publish_it: bool = True) -> None:
        """Let a leader allocate for what there is, look at what it tells, and publish what is new."""
        lbs = await stored(self._admin, self._tenant)
        assert lbs.keys() == self.alive
        told = await leader.controller.allocate(self._tenant, lbs)
        for name in self._told.keys() - told.keys():
            for port in self._told[name].ports:
                self._free_at[_listen(port)] = self.clock.now + REST
        listens = [_listen(port) for each in told.values() for port in each.ports]
        assert len(listens) == len({*listens}) == sum(len(lb.spec.ports) for lb in lbs.values())
        assert all(isinstance(port, int) and POOL.has(port) for _, port in listens)
        for name, each in told.items():
            assert self._told.get(name, each) == each
            if name not in self._told:
                assert all(self._free_at.get(_listen(port), 0) <= self.clock.now for port in each.ports)
        self._told = dict(told)
        if publish_it:
            news = {name: each for name, each in told.items() if lbs[name].status.service.ports != each.ports}
            await publish(self._admin, self._tenant, news)

    async def lose_the_statuses(self) -> None:
        """Take all statuses away; the ledger stays."""
        await publish(self._admin, self._tenant, {name: Allocation(()) for name in self.alive})

    async def lose_the_ledger(self) -> None:
        """Take the ledger away; the statuses stay. What rested in it is forgotten."""
        await self._admin.delete(configmap(self._tenant))
        self._free_at = {}


def _listen(port: StatusPort) -> tuple[str, int | str]:
    return port.protocol, port.target_port
