"""The management cluster is away from the CCM: clients and the tenant notice nothing, and everything is caught up with."""

import time

import pytest

from tests.e2e.tenancy import Tenancy, node_port
from tests.e2e.written import ENVOYS
from tests.kube.ccm.clusters import BOUND, FINALIZER
from xds.app.demo.certificates import self_signed
from xds.app.demo.client import Traffic


@pytest.mark.parametrize("silent", [False, True], ids=["gone", "silent"])
async def test_a_service_deleted_meanwhile(tenancy: Tenancy, *, silent: bool) -> None:
    """It is served until the management cluster is back, and gone from both clusters and from Envoy then; the others go on.

    Whether connections are refused, or stay and nobody answers, as from a process that is stopped.
    """
    clusters = tenancy.clusters
    async with (
        clusters.proxies() as (_, management),
        tenancy.node("one", self_signed("one")) as node,
        clusters.ccm(management=management.url),
    ):
        await tenancy.ready(node)
        kept = await tenancy.create("kept", policy="Insecure")
        deleted = await tenancy.create("deleted", node_port=node_port(), policy="Insecure")
        kept_port, deleted_port = await tenancy.listener(kept), await tenancy.listener(deleted)
        await tenancy.answered(kept_port)
        # Nobody is behind the other one, which Envoy tells its clients.
        await tenancy.cut(deleted_port)
        for made in (kept, deleted):
            await tenancy.exposed(made, {"ip": "203.0.113.7"})
            await clusters.became(made, lambda it: "ingress" in it["status"]["loadBalancer"])

        async with Traffic(kept_port, host=ENVOYS, per_second=20, within=BOUND) as traffic:
            if silent:
                management.silence()
                management.hang()
            else:
                management.refuse()
                management.cut_all()
            await clusters.tenant.delete(deleted)
            await clusters.annotate(kept, policy="insecure", **{"example.com/note": "meanwhile"})
            # Both are as they were, and Envoy has both.
            found = await clusters.tenant.get(deleted)
            assert found["metadata"]["finalizers"] == [FINALIZER]
            assert found["status"]["loadBalancer"]["ingress"]
            assert await clusters.find(clusters.management, clusters.copy_of(deleted))
            await tenancy.cut(deleted_port)
            await traffic.since(time.monotonic(), count=5, within=BOUND)

            if silent:
                management.heal()
            else:
                await management.accept()
            await clusters.became(deleted, lambda it: not it)
            assert await clusters.find(clusters.management, clusters.copy_of(deleted)) == {}
            assert await clusters.find(clusters.management, tenancy.service_of(deleted)) == {}
            await tenancy.refused(deleted_port)
            copy = await clusters.copied(
                kept, lambda it: it["metadata"]["annotations"].get("example.com/note") == "meanwhile"
            )
            assert copy["spec"]["upstreamTLS"] == {"policy": "Insecure"}
            await tenancy.says(kept, "'insecure' is not allowed")
            await traffic.since(time.monotonic(), count=5, within=BOUND)
        assert traffic.lost == []
        assert node.recorder.in_the_clear == []
    assert await tenancy.world.rejected() == {}
