"""What Prometheus is told of a server whose clients are real: by their names, which dashboards and alerts rely on."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.wrappers_pb2 import StringValue
from prometheus_client import CollectorRegistry

from tests.support import pki
from tests.support.mtls import Volume, server_of
from tests.support.recording import RecordingObserver
from tests.support.resources import cluster, endpoints
from tests.support.xds_client import XdsClient
from xds.admin.server_metrics import ServerMetrics
from xds.admin.tally import UNKNOWN
from xds.server import RefusedError, XdsServer
from xds.snapshot import SnapshotCache, resource_of
from xds.snapshot.types import CLUSTER, ENDPOINT, LISTENER

TENANT = "tenant-a"


@dataclass
class Measured:
    """A server with its metrics, whose clock stands still unless a test moves it: ``ahead`` is added to the loop's."""

    cache: SnapshotCache
    server: XdsServer
    registry: CollectorRegistry
    observer: RecordingObserver
    port: int = 0
    ahead: float = 0.0

    def value(self, name: str, tenant: str = TENANT, kind: str = "CDS") -> float | None:
        """Return a sample of a tenant and a type."""
        return self.registry.get_sample_value(f"kubelb_xds_{name}", {"tenant": tenant, "type": kind})

    def of(self, name: str, **labels: str) -> float | None:
        """Return a sample."""
        return self.registry.get_sample_value(f"kubelb_xds_{name}", labels)

    async def heard(self, what: str, kind: str = "") -> None:
        """Wait until the server was told of an answer of a kind, or of anything else, for the first time."""
        await self.observer.wait_for(
            lambda it: it.what == what and (not kind or it.detail[1].kind == kind),
        )
        self.observer.heard.clear()

    def tenants(self) -> set[str]:
        """Return every tenant that any sample names."""
        samples = [sample for family in self.registry.collect() for sample in family.samples]
        return {sample.labels["tenant"] for sample in samples if "tenant" in sample.labels}


def admit(_: Any, tenant: str) -> None:
    """Refuse one tenant."""
    if tenant == "forbidden":
        raise RefusedError("PERMISSION_DENIED", "no")


@pytest.fixture
async def measured() -> AsyncIterator[Measured]:
    """Yield a server of an empty cache."""
    cache, observer = SnapshotCache((CLUSTER, ENDPOINT, LISTENER)), RecordingObserver()
    server = XdsServer(cache, observer=observer, admit=admit)
    registry, loop = CollectorRegistry(), asyncio.get_running_loop()
    built = Measured(cache, server, registry, observer)
    registry.register(ServerMetrics(server, cache, clock=lambda: loop.time() + built.ahead))
    built.port = await server.start("127.0.0.1:0")
    yield built
    await server.stop()


async def test_what_is_served_is_there_before_any_envoy(measured: Measured) -> None:
    """Resources are counted by tenant and type, and what can be counted of Envoys is 0: so that a first NACK is a rise."""
    measured.cache.set(TENANT, [cluster("a"), cluster("b"), endpoints("a")])
    assert [measured.value("resources", kind=kind) for kind in ("CDS", "EDS", "LDS")] == [2, 1, 0]
    for name in (
        "pushes_total",
        "acks_total",
        "nacks_total",
        "refused_resources",
        "unacked_push_age_seconds",
    ):
        assert measured.value(name) == 0
    assert measured.of("envoys", tenant=TENANT) == measured.of("streams", tenant=TENANT) == 0


async def test_a_push_is_unacked_until_it_is_acked(measured: Measured, delta: bool) -> None:
    """The age of the oldest unanswered push grows until the ACK, which is counted with its seconds."""
    measured.cache.set(TENANT, [cluster("a", eds=False)])
    async with XdsClient(measured.port, delta=delta) as client:
        await client.subscribe(CLUSTER)
        response = await client.receive()
        measured.ahead = 100
        age = measured.value("unacked_push_age_seconds")
        assert age is not None
        assert 100 <= age < 110
        assert measured.of("streams", tenant=TENANT) == measured.of("envoys", tenant=TENANT) == 1
        await client.ack(response)
        await measured.heard("answered", "ack")
        assert measured.value("unacked_push_age_seconds") == 0
        assert [measured.value(f"{name}_total") for name in ("pushes", "acks", "nacks")] == [1, 1, 0]
        assert measured.of("push_to_ack_seconds_count", type="CDS") == 1
        assert measured.of("push_to_ack_seconds_bucket", type="CDS", le="60.0") == 1


async def test_a_refused_resource_stays_until_it_heals(measured: Measured, delta: bool) -> None:
    """A NACK is counted once, and its resources are refused until an ACK of other content."""
    measured.cache.set(TENANT, [cluster("a", eds=False)])
    async with XdsClient(measured.port, delta=delta) as client:
        await client.subscribe(CLUSTER)
        await client.nack(await client.receive(), "a: no")
        await measured.heard("answered", "nack")
        assert [measured.value(name) for name in ("nacks_total", "refused_resources")] == [1, 1]
        assert measured.value("unacked_push_age_seconds") == 0
        measured.cache.set(TENANT, [cluster("a", 2, eds=False)])
        await client.ack(await client.receive())
        await measured.heard("answered", "ack")
        assert [measured.value(name) for name in ("nacks_total", "refused_resources")] == [1, 0]


async def test_what_clients_ask_for_makes_no_tenant(measured: Measured) -> None:
    """Envoys of tenants that have nothing are told of together, even where their names got an empty snapshot."""
    measured.cache.set(TENANT, [cluster("a", eds=False)])
    names = ("made-up-1", "made-up-2")
    for name in names:
        measured.cache.update(name)
    async with (
        XdsClient(measured.port, delta=True, node={"id": "e", "cluster": names[0]}) as one,
        XdsClient(measured.port, delta=True, node={"id": "e", "cluster": names[1]}) as two,
    ):
        for client in (one, two):
            await client.subscribe(CLUSTER)
            await client.receive()
        await measured.heard("pushed")
        assert measured.tenants() == {TENANT, UNKNOWN}
        assert measured.of("streams", tenant=UNKNOWN) == measured.of("envoys", tenant=UNKNOWN) == 2


async def test_a_tenant_that_is_gone_has_no_samples(measured: Measured) -> None:
    """Neither one that is cleared, nor one whose last resource went; the others keep theirs."""
    for name in (TENANT, "cleared", "emptied"):
        measured.cache.set(name, [cluster("a", eds=False)])
    async with XdsClient(measured.port, delta=True, node={"id": "e", "cluster": "emptied"}) as client:
        await client.subscribe(CLUSTER)
        await client.ack(await client.receive())
        await measured.heard("answered", "ack")
    await measured.heard("closed")
    assert measured.tenants() == {TENANT, "cleared", "emptied"}
    measured.cache.clear("cleared")
    measured.cache.set("emptied", [])
    assert measured.tenants() == {TENANT}


async def test_types_without_a_short_name_are_one(measured: Measured) -> None:
    """A library may serve any type: those that nobody knows by a short name are counted together."""
    strings = [resource_of(StringValue(value=name), name=name) for name in ("a", "b")]
    measured.cache.set(TENANT, [*strings, resource_of(Duration(seconds=1), name="c")])
    assert measured.value("resources", kind="other") == 3


async def test_refused_identities_are_counted(measured: Measured) -> None:
    """A client that may not have the tenant it asks for is an end of a stream, counted by its status from 0 on."""
    statuses = ("PERMISSION_DENIED", "UNAUTHENTICATED", "INTERNAL")
    assert [measured.of("streams_ended_total", status=status) for status in statuses] == [0, 0, None]
    async with XdsClient(measured.port, delta=True, node={"id": "e", "cluster": "forbidden"}) as client:
        await client.subscribe(CLUSTER)
        await client.status()
    await measured.heard("closed")
    assert [measured.of("streams_ended_total", status=status) for status in statuses] == [1, 0, None]
    assert measured.tenants() == set()


def test_the_servers_certificate(tmp_path: Path) -> None:
    """With TLS there is the moment when the certificate expires, and how often the files changed; without it nothing."""
    ca = pki.ca("root")
    volume = Volume(tmp_path / "tls", server_of(ca), ca)
    tls, cache = volume.files(), SnapshotCache()
    registry, without = CollectorRegistry(), CollectorRegistry()
    registry.register(ServerMetrics(XdsServer(cache), cache, clock=float, tls=tls))
    without.register(ServerMetrics(XdsServer(cache), cache, clock=float))
    expires = registry.get_sample_value("kubelb_xds_tls_certificate_expiry_timestamp_seconds")
    assert expires == server_of(ca).certificate.not_valid_after_utc.timestamp()
    volume.key.resolve().write_bytes(b"")
    tls._refresh()
    volume.write(server_of(ca, seed="renewed"), ca)
    tls._refresh()
    assert registry.get_sample_value("kubelb_xds_tls_reloads_total") == 1
    assert registry.get_sample_value("kubelb_xds_tls_reload_failures_total") == 1
    assert without.get_sample_value("kubelb_xds_tls_reloads_total") is None
