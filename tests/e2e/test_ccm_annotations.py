"""The two annotations of a tenant's Service, from the user to the bytes: they take effect by themselves, and so does their removal."""

import time

from tests.e2e.sources import in_namespace
from tests.e2e.tenancy import Node, Tenancy
from tests.e2e.written import ENVOYS
from tests.kube.ccm.clusters import BOUND
from xds.app.demo.certificates import Authority, self_signed
from xds.app.demo.client import Traffic
from xds.app.demo.manifests import secret


def over(node: Node, since: float) -> set[str]:
    """Return over what the node's backend got bytes on connections since a moment: versions of TLS, "" for none."""
    return {each.tls_version for each in node.backend.connections if each.opened >= since and each.received}


async def test_insecure_then_verify_then_none(tenancy: Tenancy) -> None:
    """TLS with any certificate, TLS with the CA's only, then plain TCP: each by the annotations, and no connection is lost."""
    ca, clusters = Authority("ca"), tenancy.clusters
    async with tenancy.node("one", ca.issue("one")) as node, clusters.ccm():
        await tenancy.ready(node)
        made = await tenancy.create(policy="Insecure")
        port = await tenancy.listener(made)
        await tenancy.answered(port)
        assert over(node, 0) == {"TLSv1.3"}

        # Verify, with a CA that is there: clients notice nothing.
        await clusters.management.apply(in_namespace(secret("", "my-ca", ca.pem), clusters.home))
        async with Traffic(port, host=ENVOYS, per_second=20, within=BOUND) as traffic:
            await clusters.annotate(made, policy="Verify", ca="my-ca")
            await tenancy.in_force(made, {"policy": "Verify", "caSecretRef": {"name": "my-ca"}})
            await traffic.since(time.monotonic(), count=5, within=BOUND)
        assert traffic.lost == []
        # It does verify.
        node.backend.present(self_signed("somebody"))
        await tenancy.cut(port)
        node.backend.present(ca.issue("one"))
        await tenancy.answered(port)

        # None: in the clear, and not before.
        assert node.recorder.in_the_clear == []
        await clusters.annotate(made, policy=None, ca=None)
        await tenancy.in_force(made, None)
        node.backend.present(None)
        since = time.monotonic()
        await tenancy.answered(port)
        assert over(node, since) == {""}

        # And back: whatever is new on the wire is TLS again.
        node.backend.present(self_signed("somebody"))
        await clusters.annotate(made, policy="Insecure")
        await tenancy.in_force(made, {"policy": "Insecure"})
        await tenancy.answered(port)
        since = time.monotonic()
        await tenancy.answered(port)
        assert all(each.to_backend.only_tls for each in node.recorder.recordings if each.opened >= since)
    assert await tenancy.world.rejected() == {}


async def test_a_wrong_policy_never_means_plain_tcp(tenancy: Tenancy) -> None:
    """A Service that has TLS keeps it; a new one is not forwarded at all until its annotation is right."""
    clusters = tenancy.clusters
    async with tenancy.node("one", self_signed("one")) as node, clusters.ccm():
        await tenancy.ready(node)
        made = await tenancy.create(policy="Insecure")
        port = await tenancy.listener(made)
        await tenancy.answered(port)
        await clusters.annotate(made, policy="insecure")
        told = await tenancy.says(made, "'insecure' is not allowed: must be exactly Insecure or Verify")
        assert (told["type"], told["reason"]) == ("Warning", "InvalidBackendTLSPolicy")
        assert "kubelb.k8c.io/backend-tls-policy" in told["message"]
        await tenancy.answered(port)
        assert node.recorder.in_the_clear == []

        await clusters.tenant.delete(made)
        await clusters.became(made, lambda it: not it)
        new = await tenancy.create("new", policy="none")
        await tenancy.says(new, "'none' is not allowed")
        assert await clusters.find(clusters.management, clusters.copy_of(new)) == {}
        await clusters.annotate(new, policy="Insecure")
        await tenancy.answered(await tenancy.listener(new))
        assert node.recorder.in_the_clear == []
    assert await tenancy.world.rejected() == {}
