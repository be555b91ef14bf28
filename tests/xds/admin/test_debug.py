"""The debug service: tenants, Envoys, and a tenant's snapshot."""

from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from tests.support.admin_client import Admin
from tests.support.recording import RecordingObserver
from tests.support.resources import cluster, endpoints, listener
from tests.support.xds_client import BOUND, XdsClient
from xds.messages import Cluster
from xds.messages import debug_pb2 as pb
from xds.snapshot import Resource
from xds.snapshot.types import CLUSTER, ENDPOINT, LISTENER

REFUSAL = "Error adding/updating cluster(s) a: no such thing"


def plain(name: str, content: int = 1) -> Resource:
    """Return a cluster that waits for no endpoints."""
    return cluster(name, content, eds=False)


async def all_of(call: AsyncIterator[Any]) -> list[Any]:
    """Return all that a call answers."""
    return [message async for message in call]


async def envoys(admin: Admin, **fields: Any) -> list[pb.Envoy]:
    """Return the Envoys that are connected."""
    return await all_of(admin.debug.list_envoys(pb.ListEnvoysRequest(**fields), timeout=BOUND))


async def dump(admin: Admin, **fields: Any) -> list[pb.ServedResource]:
    """Return what a tenant is served."""
    return await all_of(admin.debug.dump_snapshot(pb.DumpSnapshotRequest(**fields), timeout=BOUND))


async def until_kind(observer: RecordingObserver, kind: str) -> None:
    """Wait until the server has heard an ACK or a NACK."""
    await observer.wait_for(lambda heard: heard.what == "answered" and heard.detail[1].kind == kind)


async def test_a_tenant_is_told_with_what_it_is_served(admin: Admin) -> None:
    """Each tenant has its types with version and count; one that only an Envoy names is there as well."""
    admin.cache.set("tenant-a", [plain("a"), plain("b"), listener("l")])
    async with XdsClient(admin.xds, delta=True, node={"id": "e", "cluster": "tenant-b"}) as client:
        await client.subscribe(CLUSTER)
        # Whoever is answered nothing tells by nothing that it was heard: the list does.
        while not (found := {it.tenant: it for it in await envoys(admin)}):
            pass
        assert found["tenant-b"].node == "e"
        tenants = {it.name: it for it in await all_of(admin.debug.list_tenants(pb.ListTenantsRequest()))}
    assert set(tenants) == {"tenant-a", "tenant-b"}
    snapshot = admin.cache.get("tenant-a")
    assert snapshot is not None
    clusters = snapshot.get(CLUSTER)
    assert clusters is not None
    types = {it.type_url: it for it in tenants["tenant-a"].types}
    assert (types[CLUSTER].resources, types[CLUSTER].version) == (2, clusters.version)
    assert (tenants["tenant-a"].envoys, tenants["tenant-b"].envoys) == (0, 1)


async def test_an_envoy_is_told_with_each_types_status(
    admin: Admin, observer: RecordingObserver, delta: bool
) -> None:
    """Of each type: whether it is synced, since when, and what of it is not, with the NACK's words."""
    admin.cache.set("tenant-a", [plain("a"), plain("b"), listener("l")])
    async with XdsClient(admin.xds, delta=delta) as client:
        await client.subscribe(CLUSTER)
        await client.nack(await client.receive(), REFUSAL)
        await client.ack(await client.receive())
        await until_kind(observer, "ack")
        (envoy,) = await envoys(admin, tenant="tenant-a", node="test-envoy")
        assert (envoy.delta, envoy.aggregated, envoy.streams) == (delta, True, 1)
        types = {it.type_url: it for it in envoy.types}
        clusters = types[CLUSTER]
        assert (clusters.status, clusters.resources, clusters.synced) == (pb.STATUS_NACK, 2, 1)
        (refused,) = clusters.open
        assert (refused.name, refused.refusal.text) == ("a", REFUSAL)
        assert clusters.HasField("acked_at")
        assert types[LISTENER].status == pb.STATUS_NOT_SENT
        await client.subscribe(LISTENER)
        response = await client.receive()
        (envoy,) = await envoys(admin)
        listeners = {it.type_url: it for it in envoy.types}[LISTENER]
        assert (listeners.status, listeners.synced) == (pb.STATUS_STALE, 0)
        assert listeners.HasField("waiting_since")
        await client.ack(response)


async def test_an_envoy_tells_its_release(admin: Admin) -> None:
    """What the node says of itself is told."""
    version = {"version": {"major_number": 1, "minor_number": 40, "patch": 2}}
    node: Any = {"id": "e", "cluster": "tenant-a", "user_agent_build_version": version}
    admin.cache.set("tenant-a", [plain("a")])
    async with XdsClient(admin.xds, delta=True, node=node) as client:
        await client.subscribe(CLUSTER)
        await client.receive()
        (envoy,) = await envoys(admin)
        assert envoy.build == "1.40.2"


async def test_of_many_open_resources_some_are_named_and_all_counted(admin: Admin) -> None:
    """A thousand clusters that are on their way are told by their number, and twenty of their names."""
    admin.cache.set("tenant-a", [plain(f"c-{number}") for number in range(1000)])
    async with XdsClient(admin.xds, delta=True) as client:
        await client.subscribe(CLUSTER)
        await client.receive()
        (envoy,) = await envoys(admin)
        (clusters,) = envoy.types
        assert (clusters.resources, clusters.synced, clusters.open_total) == (1000, 0, 1000)
        assert len(clusters.open) == 20


async def test_a_snapshot_is_dumped_resource_by_resource(admin: Admin) -> None:
    """Everything, or the types and names that are asked for; content and version as served."""
    a = cluster("a")
    admin.cache.set("tenant-a", [a, endpoints("a"), cluster("b"), listener("l")])
    assert [(it.type_url, it.name) for it in await dump(admin, tenant="tenant-a")] == [
        (CLUSTER, "a"),
        (CLUSTER, "b"),
        (ENDPOINT, "a"),
        (LISTENER, "l"),
    ]
    (found,) = await dump(admin, tenant="tenant-a", types=["CDS"], names=["a", "nothing"])
    assert found.version == a.version
    assert Cluster.FromString(found.resource.value) == a.message(Cluster)


async def test_a_tenant_without_a_snapshot_is_not_found(admin: Admin) -> None:
    """A name that nobody has is an error that names it, and where to look."""
    with pytest.raises(grpc.aio.AioRpcError, match="tenant 'nobody' has no snapshot: ListTenants") as error:
        await dump(admin, tenant="nobody")
    assert error.value.code() is grpc.StatusCode.NOT_FOUND


async def test_a_fault_of_ours_tells_the_caller_nothing(
    admin: Admin, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What fails inside is logged with its traceback; the caller hears that it did."""
    monkeypatch.setattr("xds.admin.debug.shown", lambda _: 1 / 0)
    admin.cache.set("tenant-a", [plain("a")])
    with pytest.raises(grpc.aio.AioRpcError, match="the server's log says more") as error:
        await dump(admin, tenant="tenant-a")
    assert error.value.code() is grpc.StatusCode.INTERNAL
    assert "ZeroDivisionError" not in str(error.value)
    assert not caplog.records
