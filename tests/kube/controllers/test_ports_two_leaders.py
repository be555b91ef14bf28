import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import combinations, count
from pathlib import Path
from random import Random
from typing import NamedTuple

import pytest

from kube.controllers.ports import REST, Key, candidates
from tests.kube.controllers.allocating import Allocator, Clock, allocator, written
from tests.kube.controllers.port_things import lb
from tests.support.fault_proxy import FaultProxy
from tests.support.faults import Request
from tests.support.kube_api import ApiServer
from tests.support.kube_client import ApiClient


class Two(NamedTuple):
    """Two that believe that they lead: what the first one sends can be delayed. Both have the same clock."""

    first: Allocator
    second: Allocator
    clock: Clock


@asynccontextmanager
async def two_leaders(api_server: ApiServer, proxy: FaultProxy, folder: Path) -> AsyncIterator[Two]:
    """Let the first one speak to the API server through the proxy."""
    clock = Clock()
    async with (
        allocator(api_server.kubeconfig(folder, server=proxy.url, name="first"), clock) as first,
        allocator(api_server.kubeconfig(folder, name="second"), clock) as second,
    ):
        yield Two(first, second, clock)


def writes(request: Request) -> bool:
    """Match what changes the ledger."""
    return request.method in {"POST", "PATCH"}


def colliding(tenant: str) -> tuple[str, str]:
    """Return two names whose first candidates are the same port."""
    seen: dict[int, str] = {}
    for number in count():
        name = f"web-{number}"
        port = next(candidates(tenant, Key(name, "TCP", "https")))
        if port in seen:
            return seen[port], name
        seen[port] = name
    raise AssertionError


@pytest.mark.parametrize("existing", [False, True], ids=["no ledger yet", "a ledger"])
async def test_a_delayed_leader_does_not_give_a_port_that_another_gave(
    api_server: ApiServer,
    fault_proxy: FaultProxy,
    admin: ApiClient,
    namespace: str,
    tmp_path: Path,
    existing: bool,
) -> None:
    """Both chose the same port; the one whose write comes later is refused, reads again and takes another one."""
    name, other = colliding(namespace)
    async with two_leaders(api_server, fault_proxy, tmp_path) as (first, second, _):
        if existing:
            await first.ports(namespace, lb("before", "https:443"))
        held_back = fault_proxy.hang(writes, times=1)
        delayed = asyncio.create_task(first.ports(namespace, lb(name, "https:443")))
        await fault_proxy.saw(writes, count=1 + existing)
        quick = await second.ports(namespace, lb(other, "https:443"))
        held_back.heal()
        slow = await delayed
        assert quick[other] == [next(candidates(namespace, Key(name, "TCP", "https")))]
        assert slow[name] != quick[other]
        assert [request.status for request in fault_proxy.requests if writes(request)][existing:] == [
            409,
            200,
        ]

        both = [lb(name, "https:443"), lb(other, "https:443")]
        second.controller.forget()
        assert await second.ports(namespace, *both) == slow | quick
        assert await first.ports(namespace, *both) == slow | quick
        document = await written(admin, namespace)
        assert document["ports"] == {
            name: {"https/TCP": slow[name][0]},
            other: {"https/TCP": quick[other][0]},
        }


async def test_a_paused_leader_that_comes_back_knows_that_its_port_is_gone(
    api_server: ApiServer, fault_proxy: FaultProxy, namespace: str, tmp_path: Path
) -> None:
    """Its LoadBalancer was deleted and the port given to another after its rest: what it remembers does not count."""
    name, other = colliding(namespace)
    async with two_leaders(api_server, fault_proxy, tmp_path) as (paused, active, clock):
        old = await paused.ports(namespace, lb(name, "https:443"))
        await active.ports(namespace)
        clock.now += REST
        new = await active.ports(namespace, lb(other, "https:443"))
        assert new[other] == old[name]
        assert (await paused.ports(namespace, lb(name, "https:443")))[name] != new[other]


async def test_two_leaders_at_once_never_give_a_port_twice(
    api_server: ApiServer, fault_proxy: FaultProxy, admin: ApiClient, namespace: str, tmp_path: Path
) -> None:
    """Each knows other LoadBalancers than the other, in 40 rounds: no port has two keys, and no key two ports."""
    random = Random(6)  # noqa: S311 — always the same
    names = [*colliding(namespace), *(f"more-{number}" for number in range(10))]
    fault_proxy.delay(lambda request: writes(request) and random.random() < 0.5, 0.01)
    given: dict[int, str] = {}
    async with two_leaders(api_server, fault_proxy, tmp_path) as two:
        for _ in range(40):
            views = [random.sample(names, random.randrange(len(names) + 1)) for _ in range(2)]
            answers = await asyncio.gather(
                *(
                    each.ports(namespace, *(lb(name, "https:443") for name in view))
                    for each, view in zip((two.first, two.second), views, strict=True)
                )
            )
            for name, ports in [*answers[0].items(), *answers[1].items()]:
                for port in ports:
                    assert isinstance(port, int)
                    assert given.setdefault(port, name) == name
            two.clock.now += random.choice([0, 1])
        assert len(given) == len({*given.values()}) == len(names)
        conflicts = [request for request in fault_proxy.requests if request.status == 409]
        assert conflicts
    document = await written(admin, namespace)
    ports = [port for entries in document["ports"].values() for port in entries.values()]
    assert all(one != another for one, another in combinations(ports, 2))
