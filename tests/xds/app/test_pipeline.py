"""What a change in the store does to the snapshots, and what it leaves alone."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, MutableMapping
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

import pytest
import structlog
from structlog.testing import capture_logs

import xds.translate
from kube.informer.store import Store
from kube.objects import ObjectRef
from tests.support.objects import addresses, loadbalancer, secret
from tests.support.pki import ca
from xds.app import pipeline as pipeline_module
from xds.app.control_plane import references
from xds.app.pipeline import TYPES, Pipeline
from xds.messages import Cluster, ClusterLoadAssignment, Listener
from xds.snapshot import Changes, Snapshot, SnapshotCache
from xds.snapshot.types import CLUSTER, ENDPOINT, LISTENER

LINGER = 0.2
BOUND = 5.0
Names: TypeAlias = dict[str, set[str]]
"""Names that an update changes, by type URL."""


class Bench:
    """A store, a pipeline and a cache, and every update of the snapshots of tenant-a in a queue."""

    def __init__(self, *, now: Callable[[], datetime] = pipeline_module.utc_now, log: Any = None) -> None:
        self.store = Store(references=references, linger=LINGER)
        self.store.expect("test")
        self.cache = SnapshotCache(TYPES)
        self.updates: asyncio.Queue[Names] = asyncio.Queue()
        self.cache.watch("tenant-a", self._updated)
        self.pipeline = Pipeline(self.store, self.cache, now=now, log=log)
        self._loop = asyncio.get_running_loop()

    def _updated(self, _: Snapshot | None, changes: Changes) -> None:
        self.updates.put_nowait({type_url: set(names) for type_url, names in changes.items()})

    def apply(self, *upserts: Any, removals: tuple[ObjectRef, ...] = ()) -> None:
        """Make one transaction."""
        self.store.apply(now=self._loop.time(), upserts=upserts, removals=removals)

    async def update(self) -> Names:
        """Return the names that the next update of tenant-a's snapshot changes."""
        return await asyncio.wait_for(self.updates.get(), BOUND)

    async def synced(self, *upserts: Any) -> Names:
        """Apply, sync, and return the first update."""
        self.apply(*upserts)
        self.store.mark_synced("test")
        return await self.update()

    def names(self, type_url: str) -> set[str]:
        """Return the names of tenant-a's resources of a type."""
        snapshot = self.cache.get("tenant-a")
        resources = snapshot.get(type_url) if snapshot else None
        return set(resources.names) if resources else set()

    def message(self, type_url: str, name: str, cls: type[Any]) -> Any:
        """Return one resource, decoded."""
        snapshot = self.cache.get("tenant-a")
        assert snapshot is not None
        resources = snapshot.get(type_url)
        assert resources is not None
        resource = resources.get(name)
        assert resource is not None
        return resource.message(cls)


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    """Yield a pipeline over an empty store that has not synced."""
    bench = Bench()
    yield bench
    bench.pipeline.close()


@pytest.fixture
def translated(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that names each LoadBalancer at the moment it is translated."""
    names: list[str] = []
    real = xds.translate.translate

    def counting(lb: Any, **others: Any) -> Any:
        names.append(lb.metadata.name)
        return real(lb, **others)

    monkeypatch.setattr(pipeline_module, "translate", counting)
    return names


async def test_nothing_is_served_before_the_store_has_synced(bench: Bench) -> None:
    """A LoadBalancer that is known makes no snapshot until every source has told everything."""
    bench.apply(loadbalancer())
    await asyncio.sleep(0)  # a flush that was scheduled would run here
    assert bench.cache.get("tenant-a") is None
    bench.store.mark_synced("test")
    await bench.update()
    assert bench.names(CLUSTER) == {"tenant-a-web-ep-0-port-30443-TCP"}


async def test_a_loadbalancer_becomes_cluster_listener_and_assignment(bench: Bench) -> None:
    """All three carry the same name, and the listener has the LoadBalancer's own port."""
    await bench.synced(loadbalancer(port=20007))
    name = "tenant-a-web-ep-0-port-30443-TCP"
    assert bench.names(CLUSTER) == bench.names(LISTENER) == bench.names(ENDPOINT) == {name}
    assert bench.message(LISTENER, name, Listener).address.socket_address.port_value == 20007


async def test_a_secret_translates_only_who_names_it(bench: Bench, translated: list[str]) -> None:
    """A changed CA costs the LoadBalancers that name its Secret, and changes their clusters alone."""
    one, other = ca("one"), ca("two")
    await bench.synced(
        *(loadbalancer(f"plain-{i}", port=20100 + i) for i in range(20)),
        loadbalancer("verified", port=20001, policy="Verify", ca="backend-ca"),
        secret("backend-ca", one.pem.decode()),
    )
    translated.clear()
    bench.apply(secret("backend-ca", other.pem.decode()))
    changes = await bench.update()
    assert translated == ["verified"]
    assert changes == {CLUSTER: {"tenant-a-verified-ep-0-port-30443-TCP"}}


async def test_an_addresses_object_changes_assignments_alone(bench: Bench, translated: list[str]) -> None:
    """A node that comes changes the endpoints of who refers to the Addresses: no cluster, no listener."""
    group = {"addressesReference": {"name": "default"}, "ports": [{"name": "main", "port": 30443}]}
    await bench.synced(
        loadbalancer("a", endpoints=[group]), loadbalancer("b", port=20002), addresses("default", "10.0.0.1")
    )
    translated.clear()
    bench.apply(addresses("default", "10.0.0.1", "10.0.0.2"))
    changes = await bench.update()
    assert translated == ["a"]
    assert changes == {ENDPOINT: {"tenant-a-a-ep-0-port-30443-TCP"}}


async def test_a_burst_goes_out_as_first_change_and_the_rest(bench: Bench) -> None:
    """The first of many changes goes out at once, those within the holdoff together as the newest state."""
    await bench.synced(loadbalancer(backend=1000))
    bench.apply(loadbalancer(backend=1001))
    first = await bench.update()
    assert "tenant-a-web-ep-0-port-1001-TCP" in first[CLUSTER]
    for backend in range(1002, 1011):
        bench.apply(loadbalancer(backend=backend))
    await bench.update()
    assert bench.names(CLUSTER) == {"tenant-a-web-ep-0-port-1010-TCP"}
    assert bench.updates.empty()


async def test_a_deleted_loadbalancer_takes_its_resources_along(bench: Bench) -> None:
    """What a LoadBalancer became goes when it goes; the tenant's snapshot stays, if only empty."""
    lb = loadbalancer()
    await bench.synced(lb)
    bench.apply(removals=(lb.ref,))
    await bench.update()
    assert bench.names(CLUSTER) == bench.names(LISTENER) == bench.names(ENDPOINT) == set()
    assert bench.cache.get("tenant-a") is not None


async def test_a_port_moves_in_one_update(bench: Bench) -> None:
    """When the holder of a port goes, who waited for it gets it in the same update."""
    holder = loadbalancer("a", port=20001)
    await bench.synced(holder, loadbalancer("b", port=20001))
    assert bench.names(LISTENER) == {"tenant-a-a-ep-0-port-30443-TCP"}
    bench.apply(removals=(holder.ref,))
    changes = await bench.update()
    assert changes[LISTENER] == {"tenant-a-a-ep-0-port-30443-TCP", "tenant-a-b-ep-0-port-30443-TCP"}
    assert bench.names(LISTENER) == {"tenant-a-b-ep-0-port-30443-TCP"}


async def test_a_secret_that_is_replaced_changes_nothing(bench: Bench) -> None:
    """A Secret deleted and created again within the linger time never fails a cluster closed."""
    held = secret("backend-ca", ca("one").pem.decode())
    await bench.synced(loadbalancer(policy="Verify", ca="backend-ca"), held)
    bench.apply(removals=(held.ref,))
    bench.apply(held)
    bench.apply(loadbalancer("marker", port=20002))
    changes = await bench.update()
    assert changes[CLUSTER] == {"tenant-a-marker-ep-0-port-30443-TCP"}


async def test_a_secret_that_stays_away_fails_closed(bench: Bench) -> None:
    """Once the linger time is over the cluster trusts nothing and has no endpoints, by itself."""
    name = "tenant-a-web-ep-0-port-30443-TCP"
    held = secret("backend-ca", ca("one").pem.decode())
    await bench.synced(loadbalancer(policy="Verify", ca="backend-ca"), held)
    assert bench.message(ENDPOINT, name, ClusterLoadAssignment).endpoints
    bench.apply(removals=(held.ref,))
    changes = await bench.update()
    assert changes == {CLUSTER: {name}, ENDPOINT: {name}}
    assert not bench.message(ENDPOINT, name, ClusterLoadAssignment).endpoints
    assert bench.message(CLUSTER, name, Cluster).HasField("transport_socket")


async def test_findings_are_logged_once_and_their_end_too(bench: Bench) -> None:
    """What is wrong with a LoadBalancer is one line that names it, not repeated by the next translation."""
    with capture_logs() as logs:
        await bench.synced(loadbalancer(policy="Verify", ca="backend-ca"))
        bench.apply(loadbalancer(policy="Verify", ca="backend-ca", backend=30444))
        await bench.update()
        bench.apply(secret("backend-ca", ca("one").pem.decode()))
        await bench.update()
    errors = [entry for entry in logs if entry["log_level"] == "error"]
    assert len(errors) == 1
    assert errors[0]["event"].startswith("failed to get CA secret")
    assert errors[0]["object"] == "LoadBalancer tenant-a/web"
    assert [entry["object"] for entry in logs if entry["event"].startswith("healed")] == [
        "LoadBalancer tenant-a/web"
    ]


async def test_a_fault_of_ours_touches_one_loadbalancer(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An exception in one translation is logged with the object's name, and the others go on."""
    real = xds.translate.translate

    def failing(lb: Any, **others: Any) -> Any:
        if lb.metadata.name == "broken":
            raise RuntimeError("a fault of ours")
        return real(lb, **others)

    monkeypatch.setattr(pipeline_module, "translate", failing)
    with capture_logs() as logs:
        await bench.synced(loadbalancer("broken"), loadbalancer("fine", port=20002))
    assert bench.names(CLUSTER) == {"tenant-a-fine-ep-0-port-30443-TCP"}
    assert [entry["object"] for entry in logs if entry["event"] == "translation failed"] == [
        "LoadBalancer tenant-a/broken"
    ]


async def test_a_tenant_that_an_envoy_asks_for_gets_an_empty_snapshot(bench: Bench) -> None:
    """An Envoy whose last LoadBalancer went while nobody served it learns of it, but only after the sync."""
    bench.pipeline.expect_tenant("tenant-a")
    await asyncio.sleep(0)
    assert bench.cache.get("tenant-a") is None
    bench.store.mark_synced("test")
    assert await bench.update() == {}
    assert bench.names(CLUSTER) == set()


async def test_a_certificate_that_begins_to_expire_is_said_when_it_does() -> None:
    """A finding that time alone brings appears at its time, without a change of any object."""
    said: asyncio.Queue[str] = asyncio.Queue()

    def hear(_: Any, __: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
        said.put_nowait(event.get("condition", ""))
        raise structlog.DropEvent

    # The clock stands a second before the 30 days begin until the first translation is done.
    now = [datetime(2030, 1, 1, tzinfo=UTC)]
    held = ca("one", end=now[0] + timedelta(days=30, seconds=1))
    bench = Bench(now=lambda: now[0], log=structlog.wrap_logger(None, processors=[hear]))
    try:
        await bench.synced(
            loadbalancer(policy="Verify", ca="backend-ca"), secret("backend-ca", held.pem.decode())
        )
        assert said.empty()
        now[0] += timedelta(seconds=2)
        assert await asyncio.wait_for(said.get(), BOUND) == "CACertificateExpiring"
    finally:
        bench.pipeline.close()
