"""A function of one's own says which snapshot a node has."""

from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from tests.support.recording import RecordingObserver
from tests.support.xds_client import XdsClient, names_of
from xds import CLUSTER, SnapshotCache, XdsServer
from xds.messages import Cluster


def team_of(node: Any) -> str:
    """Return what a node's metadata says; a node of no team is refused, and one called "bug" breaks this."""
    if node.id == "bug":
        raise KeyError("a fault of the library user's")
    team: str = node.metadata.fields["team"].string_value
    return team


@pytest.fixture
async def server(cache: SnapshotCache, observer: RecordingObserver) -> AsyncIterator[XdsServer]:
    """Yield a server with that function."""
    server = XdsServer(cache, observer=observer, tenant_of=team_of)
    yield server
    await server.stop()


def node(name: str, team: str = "") -> dict[str, Any]:
    """Return a node with a team in its metadata."""
    return {"id": name, "cluster": "ignored", "metadata": {"team": team} if team else {}}


async def test_each_node_has_the_snapshot_of_its_key(port: int, cache: SnapshotCache) -> None:
    """Nodes with one key share a snapshot, whatever else they are called."""
    cache.set("red", [Cluster(name="r")])
    cache.set("blue", [Cluster(name="b")])
    for name, team, expected in (("one", "red", "r"), ("two", "red", "r"), ("one", "blue", "b")):
        async with XdsClient(port, delta=True, node=node(name, team)) as client:
            await client.subscribe(CLUSTER)
            assert names_of(await client.receive()) == [expected]


async def test_the_key_is_what_delivery_is_asked_by(
    port: int, cache: SnapshotCache, server: XdsServer
) -> None:
    """An Envoy is listed under the key that the function returned."""
    cache.set("red", [Cluster(name="r")])
    async with XdsClient(port, delta=True, node=node("one", "red")) as client:
        await client.subscribe(CLUSTER)
        await client.ack(await client.receive())
        report = await server.delivered("red", envoys=1, timeout=5)
    assert [(envoy.tenant, envoy.node) for envoy in report.acked] == [("red", "one")]


@pytest.mark.parametrize(
    ("name", "code"),
    [("nobody", grpc.StatusCode.INVALID_ARGUMENT), ("bug", grpc.StatusCode.INTERNAL)],
    ids=["no key", "exception"],
)
async def test_a_node_without_a_key_ends_its_own_stream_only(
    port: int,
    cache: SnapshotCache,
    name: str,
    code: grpc.StatusCode,
) -> None:
    """A node that the function refuses, or fails at, is turned away; another one is served."""
    cache.set("red", [Cluster(name="r")])
    async with (
        XdsClient(port, delta=True, node=node("one", "red")) as good,
        XdsClient(port, delta=True, node=node(name)) as bad,
    ):
        await bad.subscribe(CLUSTER)
        assert (await bad.status())[0] == code
        await good.subscribe(CLUSTER)
        assert names_of(await good.receive()) == ["r"]
