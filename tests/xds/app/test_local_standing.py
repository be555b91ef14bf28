"""How this replica's Envoys stand, as it is told to what decides about Programmed."""

from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest

from kube.objects import ObjectRef
from xds.app.demo.waiting import Journal
from xds.app.local_standing import LocalStanding
from xds.protocol import Refusal, Standing
from xds.snapshot.types import CLUSTER, LISTENER

TENANT = "tenant-a"
TEXT = "error adding listener: no such thing"


@dataclass(eq=False)
class Envoy:
    """An Envoy that has ACKed whatever is not named in ``standings``, by type and LoadBalancer."""

    standings: dict[tuple[str, str], Standing] = field(default_factory=dict)
    refusals: tuple[Refusal, ...] = ()
    wants_listeners: bool = False

    def standing(self, type_url: str, name: str) -> Standing:
        """How it stands to a resource."""
        return self.standings.get((type_url, name), Standing.ACKED)

    def refuse(self, name: str) -> None:
        """NACK a listener."""
        self.standings[LISTENER, name] = Standing.REFUSED
        now = datetime(2026, 1, 1, tzinfo=UTC)
        self.refusals = (Refusal(TENANT, "envoy", LISTENER, name, "1", now, TEXT),)

    def ack(self, name: str) -> None:
        """ACK it after all."""
        self.standings.pop((LISTENER, name), None)
        self.refusals = ()


class Delivery:
    """Envoys of one tenant, and those that watch."""

    def __init__(self) -> None:
        self.connected: tuple[Envoy, ...] = ()
        self.watchers: dict[Callable[[int], None], None] = {}

    def envoys(self, tenant: str) -> tuple[Envoy, ...]:
        """Those that are connected."""
        assert tenant == TENANT
        return self.connected

    def watch(self, tenant: str, watcher: Callable[[int], None]) -> Callable[[], None]:
        """Keep the watcher until it is taken back."""
        assert tenant == TENANT
        self.watchers[watcher] = None
        return lambda: self.watchers.pop(watcher, None)

    def tell(self, *connected: Envoy) -> None:
        """Let these be connected, and something have been heard of them."""
        self.connected = connected
        for watcher in self.watchers:
            watcher(1)


class Told(NamedTuple):
    """One call of `Programmed.local`."""

    envoys: int
    acked: frozenset[str]
    behind: frozenset[str]
    refused: dict[str, str]


class Programmed:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.contents: list[dict[str, int | None]] = []
        self.empty: set[str] = set()
        self.told: Journal[Told] = Journal("what was told of the Envoys")

    def content(
        self,
        tenant: str,
        version: str,
        generations: Mapping[str, int | None],
        now: float,
        *,
        empty: Collection[str],
    ) -> None:
        """Keep the generations, and the names of those that have nothing to ACK."""
        assert (tenant, version) == (TENANT, "")
        assert now
        self.contents.append(dict(generations))
        self.empty = set(empty)

    def local(
        self,
        tenant: str,
        *,
        envoys: int,
        acked: Iterable[str],
        behind: Iterable[str],
        refused: Mapping[str, str],
        now: float,
    ) -> bool:
        """Keep how the Envoys stand."""
        assert tenant == TENANT
        assert now
        self.told.add(Told(envoys, frozenset(acked), frozenset(behind), dict(refused)))
        return True


class Bench:
    """A `LocalStanding` between fakes; LoadBalancers ``a`` and ``b`` have a cluster and a listener each."""

    def __init__(self) -> None:
        self.delivery = Delivery()
        self.programmed = Programmed()
        self.changed: list[str] = []
        self.translations: dict[ObjectRef, Any] = {}
        for name in ("a", "b"):
            resources = [SimpleNamespace(type_url=kind, name=name) for kind in (CLUSTER, LISTENER)]
            self.translations[ObjectRef("LoadBalancer", TENANT, name)] = SimpleNamespace(resources=resources)
        cache: Any = SimpleNamespace(get=lambda _: None)
        delivery: Any = self.delivery
        programmed: Any = self.programmed
        self.standing = LocalStanding(
            cache, delivery, programmed, self.translations, changed=self.changed.append
        )

    async def told(self, *connected: Envoy) -> Told:
        """Let these Envoys be connected, and return what is told of them."""
        known = len(self.programmed.told)
        self.delivery.tell(*connected)
        return await self.programmed.told.first(lambda _: True, since=known)

    async def flushed(self, **generations: int | None) -> Told:
        """Let LoadBalancers change, and return what is told of them."""
        known = len(self.programmed.told)
        self.standing.flushed({TENANT: generations})
        return await self.programmed.told.first(lambda _: True, since=known)


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    """Yield one that is closed afterwards."""
    built = Bench()
    yield built
    built.standing.close()


def told(envoys: int, *, acked: str = "", behind: str = "", refused: Mapping[str, str] | None = None) -> Told:
    """Return what is to be told; LoadBalancers are single letters."""
    return Told(envoys, frozenset(acked), frozenset(behind), dict(refused or {}))


async def test_what_all_have_acked(bench: Bench) -> None:
    """A LoadBalancer whose resources all Envoys have ACKed is ACKed, and its generation is handed on."""
    bench.delivery.connected = (Envoy(), Envoy())
    assert await bench.flushed(a=3, b=1) == told(2, acked="ab")
    assert bench.programmed.contents == [{"a": 3, "b": 1}]
    assert set(bench.changed) == {TENANT}


@pytest.mark.parametrize("standing", [Standing.SENT, Standing.PENDING])
async def test_what_one_has_not_answered(bench: Bench, standing: Standing) -> None:
    """A LoadBalancer is behind as long as one Envoy has one resource to answer; then it alone is looked at again."""
    slow = Envoy({(CLUSTER, "a"): standing})
    bench.delivery.connected = (Envoy(), slow)
    assert await bench.flushed(a=1, b=1) == told(2, acked="b", behind="a")
    assert await bench.told(*bench.delivery.connected) == told(2, behind="a")
    slow.standings.clear()
    assert await bench.told(*bench.delivery.connected) == told(2, acked="a")
    assert await bench.told(*bench.delivery.connected) == told(2)


async def test_what_one_refuses(bench: Bench) -> None:
    """A LoadBalancer that one Envoy refuses is refused with its words, though another has not answered, until it ACKs."""
    refusing, slow = Envoy(), Envoy({(CLUSTER, "a"): Standing.SENT})
    refusing.refuse("a")
    bench.delivery.connected = (slow, refusing)
    assert await bench.flushed(a=1, b=1) == told(2, acked="b", refused={"a": TEXT})
    slow.standings.clear()
    refusing.ack("a")
    assert await bench.told(slow, refusing) == told(2, acked="a")


async def test_a_refusal_without_words(bench: Bench) -> None:
    """What is refused, and nothing more known of it, is refused nevertheless."""
    bench.delivery.connected = (Envoy({(LISTENER, "a"): Standing.REFUSED}),)
    assert await bench.flushed(a=1) == told(1, refused={"a": "refused"})


async def test_what_is_not_asked_for(bench: Bench) -> None:
    """An Envoy that does not ask for a resource holds nothing up, but for listeners that it is to ask for yet."""
    early = Envoy({(LISTENER, "a"): Standing.UNASKED}, wants_listeners=True)
    bench.delivery.connected = (early,)
    assert await bench.flushed(a=1) == told(1, behind="a")
    early.wants_listeners = False
    assert await bench.told(early) == told(1, acked="a")


async def test_an_envoy_that_comes(bench: Bench) -> None:
    """An Envoy that comes makes everything behind, what was ACKed too, until it has ACKed."""
    first = Envoy()
    bench.delivery.connected = (first,)
    assert await bench.flushed(a=1, b=1) == told(1, acked="ab")
    unanswered = {(CLUSTER, name): Standing.PENDING for name in "ab"}
    second = Envoy(unanswered, wants_listeners=True)
    assert await bench.told(first, second) == told(2, behind="ab")
    second.standings, second.wants_listeners = {(CLUSTER, "b"): Standing.SENT}, False
    assert await bench.told(first, second) == told(2, acked="a", behind="b")
    second.standings = {}
    assert await bench.told(first, second) == told(2, acked="b")


async def test_an_envoy_that_goes(bench: Bench) -> None:
    """What only an Envoy that goes had not ACKed is ACKed by those that stay; none stays when the last one goes."""
    stays, goes = Envoy(), Envoy({(CLUSTER, "a"): Standing.SENT})
    bench.delivery.connected = (stays, goes)
    assert await bench.flushed(a=1, b=1) == told(2, acked="b", behind="a")
    assert await bench.told(stays) == told(1, acked="ab")
    assert (await bench.told()).envoys == 0


async def test_a_change_of_what_was_acked(bench: Bench) -> None:
    """A LoadBalancer that changes is looked at again, and no other one."""
    envoy = Envoy()
    bench.delivery.connected = (envoy,)
    await bench.flushed(a=1, b=1)
    envoy.standings[LISTENER, "a"] = Standing.SENT
    assert await bench.flushed(a=2) == told(1, behind="a")


async def test_what_serves_nothing(bench: Bench) -> None:
    """A LoadBalancer without resources, or without a translation yet, is behind: no Envoy could ACK it."""
    bench.delivery.connected = (Envoy(),)
    bench.translations[ObjectRef("LoadBalancer", TENANT, "a")].resources.clear()
    assert await bench.flushed(a=1, b=1, c=1) == told(1, acked="b", behind="ac")
    assert bench.programmed.empty == {"a", "c"}


async def test_what_is_gone(bench: Bench) -> None:
    """A LoadBalancer that is gone is told once, as content, and not looked at again."""
    bench.delivery.connected = (Envoy({(CLUSTER, "a"): Standing.SENT}),)
    assert await bench.flushed(a=1, b=1) == told(1, acked="b", behind="a")
    assert await bench.flushed(a=None) == told(1)
    assert bench.programmed.contents[-1] == {"a": None}
    assert await bench.told(Envoy()) == told(1, acked="b")


async def test_a_tenant_that_is_gone(bench: Bench) -> None:
    """Of a tenant that has neither LoadBalancers nor Envoys nothing is kept, and its streams are not watched; it may come back."""
    envoy = Envoy()
    bench.delivery.connected = (envoy,)
    assert await bench.flushed(a=1) == told(1, acked="a")
    assert await bench.flushed(a=None) == told(1)
    assert repr(bench.standing) == "<LocalStanding 1 tenants>"  # an Envoy is still there
    assert await bench.told() == told(0)
    assert repr(bench.standing) == "<LocalStanding 0 tenants>"
    assert bench.delivery.watchers == {}
    bench.delivery.connected = (envoy,)
    assert await bench.flushed(a=1) == told(1, acked="a")
    assert await bench.told(Envoy(), envoy) == told(2, acked="a")


async def test_looks_coalesce_and_end(bench: Bench) -> None:
    """What is heard in one go is one look; closed, there is none, and nobody is watched."""
    bench.standing.flushed({TENANT: {"a": 1}})
    bench.standing.flushed({TENANT: {"b": 1}})
    bench.delivery.tell(Envoy())
    await bench.told(*bench.delivery.connected)
    assert len(bench.programmed.told) == 1
    bench.delivery.tell(*bench.delivery.connected)
    bench.standing.close()
    with pytest.raises(TimeoutError):
        await bench.programmed.told.first(lambda _: True, since=1, within=0.2)
    assert bench.delivery.watchers == {}
