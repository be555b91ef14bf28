"""The tenant's nodes come and go, and connections go to those that are Ready: on two real API servers, with a real Envoy."""

import time

from tests.e2e.tenancy import Node, Tenancy
from tests.e2e.written import ENVOYS
from tests.kube.ccm.clusters import BOUND
from xds.app.demo.certificates import self_signed
from xds.app.demo.client import Traffic
from xds.app.demo.waiting import poll


def reached(node: Node, since: float) -> int:
    """Return on how many connections since a moment a node's backend got bytes."""
    return sum(each.opened >= since and bool(each.received) for each in node.backend.connections)


async def both_reached(*nodes: Node) -> None:
    """Wait until each of them has got bytes on a connection from now on."""
    since = time.monotonic()

    async def probe() -> list[int]:
        return [reached(node, since) for node in nodes]

    await poll(probe, all, within=BOUND, what="bytes at every node")


async def not_reached(node: Node, traffic: Traffic) -> None:
    """Wait until none of 20 connections in a row comes to a node: Envoy's workers hear of a change after its admin interface."""

    async def probe() -> int:
        since = time.monotonic()
        await traffic.since(since, count=20, within=BOUND)
        return reached(node, since)

    await poll(probe, lambda count: count == 0, within=BOUND, what=f"no bytes at {node.name}")


def listed(*nodes: Node) -> list[dict[str, str]]:
    """Return these nodes' addresses as the Addresses object lists them."""
    return [{"ip": address} for address in sorted(node.address for node in nodes)]


async def test_added_not_ready_removed_and_none_left(tenancy: Tenancy) -> None:
    """Envoy follows the Ready nodes, and no connection is lost; the last list stays when none is left, and each Service hears of it."""
    clusters = tenancy.clusters
    async with (
        tenancy.node("one", self_signed("one")) as one,
        tenancy.node("two", self_signed("two")) as two,
        clusters.ccm(),
    ):
        await tenancy.ready(one)
        made = await tenancy.create(policy="Insecure")
        port = await tenancy.listener(made)
        await tenancy.hosts(made, one)
        await tenancy.answered(port)
        async with Traffic(port, host=ENVOYS, per_second=50, within=BOUND) as traffic:
            # Added.
            await tenancy.ready(two)
            assert await clusters.listed(lambda found: len(found) == 2) == listed(one, two)
            await tenancy.hosts(made, one, two)
            await both_reached(one, two)

            # Not Ready.
            await tenancy.ready(one, ready=False)
            await clusters.listed(lambda found: found == listed(two))
            await tenancy.hosts(made, two)
            await not_reached(one, traffic)

            # Ready again, and the other one removed.
            await tenancy.ready(one)
            await tenancy.hosts(made, one, two)
            await clusters.tenant.delete({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "two"}})
            await clusters.listed(lambda found: found == listed(one))
            await tenancy.hosts(made, one)
            await not_reached(two, traffic)

            # None left: the Addresses object is not even written.
            before = await clusters.management.get(clusters.addresses)
            await tenancy.ready(one, ready=False)
            told = await clusters.told(made, "NoReadyNodes")
            assert told["type"] == "Warning"
            assert "the last list of addresses stays in use" in told["message"]
            await traffic.since(time.monotonic(), count=20, within=BOUND)
            after = await clusters.management.get(clusters.addresses)
            assert after["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]
            await tenancy.hosts(made, one)
        assert traffic.lost == []
    assert await tenancy.world.rejected() == {}
