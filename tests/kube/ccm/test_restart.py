"""It starts again: what is as it is to be costs no write, and one replica takes over from another."""

from kube.coordination.claim import LeaseTiming
from tests.kube.ccm.clusters import CA, POLICY, Clusters

LONG = LeaseTiming(duration=60.0, renew=40.0, retry=0.1)


async def test_nothing_to_do_is_nothing_written(clusters: Clusters) -> None:
    """Not for what is well, not for what is wrong, not for what was told already: no request but reads and the lease."""
    await clusters.node("one", ("ExternalIP", "192.0.2.1"))
    async with clusters.ccm() as running:
        well = await clusters.create("well", annotations={POLICY: "Verify", CA: "ca", "example.com/a": "b"})
        await clusters.create("wrong", annotations={POLICY: "no"})
        await clusters.create("unused", annotations={CA: "ca"})
        await clusters.copied(well)
        await clusters.address(well, {"ip": "203.0.113.7"})
        await clusters.conditions(
            well,
            {"type": "Accepted", "status": "True", "reason": "Accepted", "message": "taken"},
            {"type": "Programmed", "status": "False", "reason": "Rejected", "message": "by an Envoy"},
        )
        await clusters.told(well, "Rejected")
        await clusters.became(
            well,
            lambda it: len(it["status"].get("conditions", ())) == 2 and bool(it["status"]["loadBalancer"]),
        )
        await running.settled()
    async with clusters.ccm(resync=0.2) as running:
        await running.settled()
        lists = [each.lists for each in running.manager.informers]
        assert lists == [1] * len(lists)
        # A witness that a change would have come through.
        witness = await clusters.create("witness")
        await clusters.copied(witness)
        await running.settled()
        uid = witness["metadata"]["uid"]
        assert {each.rpartition("/")[2] for each in running.sent} == {"witness", uid}
        assert len(running.sent) == 2


async def test_nothing_is_told_twice(clusters: Clusters) -> None:
    """That no node is Ready was told before, and is so still: no Event is written, and none counts up, but a new Service's."""
    async with clusters.ccm():
        made = await clusters.create()
        await clusters.told(made, "NoReadyNodes")
    async with clusters.ccm() as running:
        await running.settled()
        late = await clusters.create("late")
        await clusters.told(late, "NoReadyNodes")
        assert [each.rpartition("/")[2] for each in running.tenant_api.sent].count("events") == 1
        assert [event["count"] for event in await clusters.events(made)] == [1]


async def test_one_replica_writes(clusters: Clusters) -> None:
    """Of two that run only the leader writes; when it dies, the other one does what is left."""
    await clusters.node("one", ("ExternalIP", "192.0.2.1"))
    async with clusters.ccm(identity="a") as first:
        await first.settled()
        async with clusters.ccm(identity="b") as second:
            made = await clusters.create("one")
            await clusters.copied(made)
            await first.settled()
            assert second.sent == []
            await first.crash()
            late = await clusters.create("late")
            await clusters.copied(late)
            await second.settled()
            assert {each.rpartition("/")[2] for each in second.sent} == {"late", late["metadata"]["uid"]}


async def test_it_gives_up_the_lease(clusters: Clusters) -> None:
    """One that ends in good order is followed at once, and not after the lease's duration."""
    async with clusters.ccm(identity="a", lease=LONG) as first:
        await first.settled()
    async with clusters.ccm(identity="b", lease=LONG) as second:
        await second.settled()
