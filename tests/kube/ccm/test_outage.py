"""The management cluster is away, or the tenant's API server: nothing changes for the tenant, and all is caught up with."""

from tests.kube.ccm.clusters import FINALIZER, POLICY, Clusters, rules
from tests.support.kube_api import ApiServer


async def test_the_management_cluster_is_away(clusters: Clusters) -> None:
    """A Service that is deleted waits; one that comes and goes meanwhile is kept by nobody; then everything is caught up with."""
    async with clusters.proxies() as (_, management), clusters.ccm(management=management.url) as running:
        await clusters.node("one", ("ExternalIP", "192.0.2.1"))
        kept, deleted = await clusters.create("kept"), await clusters.create("deleted")
        for made in (kept, deleted):
            await clusters.copied(made)
        await clusters.address(kept, {"ip": "203.0.113.7"})
        await clusters.became(kept, lambda it: bool(it["status"]["loadBalancer"]))
        await running.settled()

        management.refuse()
        management.cut_all()
        await management.requests.until(
            lambda: all(request.over for request in management.requests), within=10, what="the end of all"
        )
        await clusters.tenant.delete(deleted)
        new = await clusters.create("new")
        brief = await clusters.create("brief")
        await clusters.annotate(kept, policy="Insecure")
        await clusters.tenant.delete(brief)
        await clusters.became(brief, lambda it: not it)
        # What is known stays.
        assert (await clusters.tenant.get(kept))["status"]["loadBalancer"]["ingress"]
        assert (await clusters.tenant.get(deleted))["metadata"]["finalizers"] == [FINALIZER]
        assert await clusters.find(clusters.management, clusters.copy_of(deleted))

        await management.accept()
        await clusters.became(deleted, lambda it: not it)
        assert await clusters.find(clusters.management, clusters.copy_of(deleted)) == {}
        await clusters.copied(new)
        await clusters.copied(kept, lambda it: it["spec"].get("upstreamTLS") == {"policy": "Insecure"})


async def test_started_without_the_management_cluster(clusters: Clusters) -> None:
    """It writes nothing into the tenant's cluster, says what it waits for, and goes on when it is there."""
    async with clusters.proxies() as (_, management):
        management.refuse()
        async with clusters.ccm(management=management.url) as running:
            made = await clusters.create(annotations={POLICY: "Insecure"})
            await running.error("LoadBalancer")
            assert running.sent == []
            assert (await clusters.tenant.get(made))["metadata"].get("finalizers") is None
            await management.accept()
            await clusters.copied(made)


async def test_the_tenants_api_server_lost_everything(clusters: Clusters, own_api_server: ApiServer) -> None:
    """On an empty etcd it is another cluster: what the lost one had made stays, so that its traffic goes on."""
    clusters.tenant_server = own_api_server
    clusters.tenant_identity = own_api_server.identity()

    async def prepare() -> None:
        await own_api_server.allow(clusters.tenant_identity, rules("tenant", "ClusterRole"))
        clusters.namespace = await own_api_server.namespace("apps")
        await own_api_server.allow(clusters.tenant_identity, rules("tenant", "Role"), clusters.namespace)

    await prepare()
    async with own_api_server.client() as tenant:
        clusters.tenant = tenant
        async with clusters.ccm() as running:
            made = await clusters.create()
            await clusters.copied(made)
            await running.settled()
    await own_api_server.start_empty()
    await prepare()
    async with own_api_server.client() as tenant:
        clusters.tenant = tenant
        async with clusters.ccm() as running:
            new = await clusters.create("new")
            await clusters.copied(new)
            await running.settled()
            assert await clusters.find(clusters.management, clusters.copy_of(made))
            assert running.manager.stats.orphans == 1
