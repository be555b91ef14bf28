"""A Service that goes, or stops being a load balancer: its LoadBalancer goes first, then its finalizer. On two real API servers."""

from tests.kube.ccm.clusters import FINALIZER, GROUP, Clusters
from tests.support.kube_client import Object


def gone(thing: Object) -> bool:
    """Return whether there is nothing."""
    return not thing


async def test_a_service_is_deleted(clusters: Clusters) -> None:
    """Both are gone, and it took two writes."""
    async with clusters.ccm() as running:
        made = await clusters.create()
        await clusters.copied(made)
        await running.settled()
        running.tenant_api.sent.clear()
        running.management_api.sent.clear()
        await clusters.tenant.delete(made)
        await clusters.became(made, gone)
        assert await clusters.find(clusters.management, clusters.copy_of(made)) == {}
        await running.settled()
        path = f"/apis/{GROUP}/namespaces/{clusters.home}/loadbalancers/{made['metadata']['uid']}"
        assert running.management_api.sent == [f"DELETE {path}"]
        assert len(running.tenant_api.sent) == 1


async def test_it_waits_until_the_control_plane_has_cleaned_up(clusters: Clusters) -> None:
    """As long as the control plane's finalizer keeps the LoadBalancer, the Service stays; and an Event says what it waits for."""
    async with clusters.ccm(resync=0.3) as running:
        made = await clusters.create()
        copy = await clusters.copied(made)
        await clusters.management.patch(copy, {"metadata": {"finalizers": [FINALIZER, "example.com/other"]}})
        await clusters.tenant.delete(made)
        event = await clusters.told(made, "LoadBalancerNotReleased")
        assert FINALIZER in event["message"]
        assert "example.com/other" in event["message"]
        assert (await clusters.tenant.get(made))["metadata"]["finalizers"]
        await clusters.management.patch(copy, {"metadata": {"finalizers": None}})
        await clusters.became(made, gone)
        await running.settled()


async def test_it_stops_being_a_load_balancer(clusters: Clusters) -> None:
    """Of type ClusterIP it has no LoadBalancer, no finalizer, no address and no condition of ours; and it may become one again."""
    async with clusters.ccm() as running:
        made = await clusters.create()
        await clusters.copied(made)
        await clusters.address(made, {"ip": "203.0.113.7"})
        await clusters.conditions(made, {"type": "Programmed", "status": "True", "reason": "Programmed"})
        await clusters.became(
            made, lambda it: bool(it["status"]["loadBalancer"] and it["status"].get("conditions"))
        )
        await clusters.tenant.patch(made, {"spec": {"type": "ClusterIP"}})
        found = await clusters.became(made, lambda it: FINALIZER not in it["metadata"].get("finalizers", []))
        assert await clusters.find(clusters.management, clusters.copy_of(made)) == {}
        assert not found["status"].get("loadBalancer")
        assert not found["status"].get("conditions")
        await running.settled()
        await clusters.tenant.patch(made, {"spec": {"type": "LoadBalancer"}})
        await clusters.copied(made)


async def test_it_changes_its_class(clusters: Clusters) -> None:
    """With ``--use-loadbalancer-class`` one that was kubelb's and is another's is cleaned up."""
    async with clusters.ccm(by_class=True) as running:
        made = await clusters.create(loadBalancerClass="kubelb")
        await clusters.copied(made)
        await running.settled()
        # The API server lets a class change only together with the type.
        await clusters.tenant.patch(made, {"spec": {"type": "ClusterIP", "loadBalancerClass": None}})
        await clusters.tenant.patch(made, {"spec": {"type": "LoadBalancer", "loadBalancerClass": "other"}})
        found = await clusters.became(made, lambda it: FINALIZER not in it["metadata"].get("finalizers", []))
        assert found["spec"]["loadBalancerClass"] == "other"
        assert await clusters.find(clusters.management, clusters.copy_of(made)) == {}


async def test_the_flag_is_new(clusters: Clusters) -> None:
    """Started with ``--use-loadbalancer-class``, it gives up the Services that have no class."""
    async with clusters.ccm():
        made = await clusters.create()
        await clusters.copied(made)
    async with clusters.ccm(by_class=True):
        await clusters.became(made, lambda it: FINALIZER not in it["metadata"].get("finalizers", []))
        assert await clusters.find(clusters.management, clusters.copy_of(made)) == {}


async def test_others_finalizers_stay(clusters: Clusters) -> None:
    """Only ours is removed; whoever else keeps the Service goes on keeping it."""
    async with clusters.ccm():
        made = await clusters.create()
        await clusters.copied(made)
        found = await clusters.became(made, lambda it: FINALIZER in it["metadata"].get("finalizers", []))
        await clusters.tenant.patch(
            found, {"metadata": {"finalizers": ["example.com/first", FINALIZER, "example.com/last"]}}
        )
        await clusters.tenant.delete(made)
        left = await clusters.became(made, lambda it: FINALIZER not in it["metadata"]["finalizers"])
        assert left["metadata"]["finalizers"] == ["example.com/first", "example.com/last"]
        await clusters.tenant.patch(made, {"metadata": {"finalizers": None}})


async def test_the_finalizer_was_removed_by_hand(clusters: Clusters) -> None:
    """The Service goes at once, and its LoadBalancer with it, also when nobody was there to see."""
    async with clusters.ccm() as running:
        first = await clusters.create("first")
        second = await clusters.create("second")
        for made in (first, second):
            await clusters.copied(made)
        await running.settled()
        await clusters.tenant.patch(first, {"metadata": {"finalizers": None}})
        await clusters.tenant.delete(first)
        await clusters.copied(first, gone)
    await clusters.tenant.patch(second, {"metadata": {"finalizers": None}})
    await clusters.tenant.delete(second)
    async with clusters.ccm():
        await clusters.copied(second, gone)


async def test_another_cluster_of_the_same_name(clusters: Clusters) -> None:
    """What it had made for its Services is no orphan of ours: it stays."""
    async with clusters.ccm() as running:
        made = await clusters.create()
        copy = await clusters.copied(made)
        other = {**copy, "metadata": {**copy["metadata"], "name": "of-another-cluster"}}
        for field in ("uid", "resourceVersion", "managedFields", "creationTimestamp"):
            other["metadata"].pop(field)
        other["metadata"]["annotations"] = {"kubelb.k8c.io/tenant-cluster": "another"}
        await clusters.management.create(other)
        await clusters.tenant.delete(made)
        await clusters.became(made, gone)
        await running.settled()
        assert running.manager.stats.orphans == 1
        assert await clusters.find(clusters.management, other)


async def test_a_service_that_no_watch_has_brought_is_no_orphans(clusters: Clusters) -> None:
    """A LoadBalancer whose Service is not known here stays where the API server knows that Service, however late the watch is."""
    async with clusters.proxies() as (tenant, _), clusters.ccm(tenant=tenant.url) as running:
        known = await clusters.copied(await clusters.create("known"))
        await running.settled()
        silence = tenant.silence(lambda request: request.is_watch)
        late = await clusters.create("late")
        named = clusters.copy_of(late)
        metadata = {
            **named["metadata"],
            "labels": {**known["metadata"]["labels"], "kubelb.k8c.io/origin-name": "late"},
            "annotations": known["metadata"]["annotations"],
        }
        await clusters.management.create({**named, "metadata": metadata, "spec": known["spec"]})
        await tenant.saw(lambda request: request.path.endswith("/services/late"))
        await running.settled()
        assert not [each for each in running.sent if each.startswith("DELETE")]
        silence.heal()
        await clusters.became(late, lambda it: FINALIZER in it["metadata"].get("finalizers", ()))
