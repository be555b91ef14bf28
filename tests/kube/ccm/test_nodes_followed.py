"""Nodes come, fall ill and go, on a real API server: the Addresses object follows, and never becomes empty."""

from tests.kube.ccm.clusters import Clusters, node

ONE, TWO = ("ExternalIP", "192.0.2.1"), ("ExternalIP", "192.0.2.2")


async def test_nodes_come_and_go(clusters: Clusters) -> None:
    """Added, not ready, ready again, removed, none left: the last list stays, and every Service has a Warning Event."""
    async with clusters.ccm() as running:
        made = await clusters.create()
        await clusters.node("one", ONE)
        await clusters.listed(lambda it: it == [{"ip": ONE[1]}])
        await clusters.node("two", TWO)
        await clusters.listed(lambda it: it == [{"ip": ONE[1]}, {"ip": TWO[1]}])
        await clusters.node("one", ONE, ready=False)
        await clusters.listed(lambda it: it == [{"ip": TWO[1]}])
        await clusters.node("one", ONE)
        await clusters.listed(lambda it: it == [{"ip": ONE[1]}, {"ip": TWO[1]}])
        await clusters.tenant.delete(node("one"))
        await clusters.listed(lambda it: it == [{"ip": TWO[1]}])
        await running.settled()
        running.management_api.sent.clear()
        await clusters.node("two", TWO, ready=False)
        event = await clusters.told(made, "NoReadyNodes")
        assert event["type"] == "Warning"
        await clusters.tenant.delete(node("two"))
        await running.settled()
        assert await clusters.listed(bool) == [{"ip": TWO[1]}]
        assert running.management_api.sent == []  # not even an attempt, which the CRD would refuse
        # A Service that comes now hears of it as well.
        late = await clusters.create("late")
        assert (
            "the last list of addresses stays in use"
            in (await clusters.told(late, "NoReadyNodes"))["message"]
        )
        await clusters.node("three", ("ExternalIP", "192.0.2.3"))
        await clusters.listed(lambda it: it == [{"ip": "192.0.2.3"}])


async def test_nodes_that_have_no_address_of_the_type(clusters: Clusters) -> None:
    """The Event names the type, which an option sets; nothing is written."""
    await clusters.node("one", ("InternalIP", "10.0.0.1"))
    async with clusters.ccm() as running:
        made = await clusters.create()
        event = await clusters.told(made, "NoReadyNodes")
        assert "has an address of type ExternalIP: no connection can be forwarded" in event["message"]
        assert "--node-address-type" in event["message"]
        await running.settled()
        assert await clusters.find(clusters.management, clusters.addresses) == {}
    async with clusters.ccm(node_address_type="InternalIP"):
        await clusters.listed(lambda it: it == [{"ip": "10.0.0.1"}])


async def test_a_heartbeat_is_nothing(clusters: Clusters) -> None:
    """A node whose status says the same costs no request."""
    await clusters.node("one", ONE)
    async with clusters.ccm() as running:
        await clusters.listed(bool)
        await running.settled()
        running.management_api.sent.clear()
        for beat in range(5):
            await clusters.tenant.patch(node("one"), {"metadata": {"annotations": {"beat": str(beat)}}})
        made = await clusters.create()
        await clusters.copied(made)
        assert not [each for each in running.sent if each.endswith("/addresses/default")]
