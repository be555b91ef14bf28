"""What people do by hand to what the program wrote, and what others added to it: the one is undone, the other stays."""

import pytest

from kube.ccm.names import KEPT_TLS
from tests.kube.ccm.clusters import CA, FINALIZER, POLICY, Clusters
from tests.support.kube_client import Object


@pytest.mark.parametrize(
    "change",
    [
        {"upstreamTLS": None},
        {"upstreamTLS": {"policy": "Verify", "caSecretRef": {"name": "mine"}}},
        {"persistence": {"type": "SourceIP"}},
        {"type": "ClusterIP"},
        {"ports": [{"name": "x", "port": 1, "protocol": "TCP"}]},
        {"endpoints": [{"addresses": [{"ip": "192.0.2.66"}], "ports": [{"port": 6, "protocol": "TCP"}]}]},
        {"externalTrafficPolicy": "Local"},
    ],
    ids=",".join,
)
async def test_the_spec_is_put_back(clusters: Clusters, change: Object) -> None:
    """Each field that says what the Service says is as it was within a moment."""
    async with clusters.ccm() as running:
        made = await clusters.create(annotations={POLICY: "Insecure"})
        before = await clusters.copied(made)
        await running.settled()
        after = await clusters.management.patch(before, {"spec": change})
        assert after["spec"] != before["spec"]
        await clusters.copied(made, lambda it: it["spec"] == before["spec"])
        await running.settled()


async def test_tls_is_put_back_while_the_policy_is_wrong(clusters: Clusters) -> None:
    """What stays then is what was there when it became wrong, and no edit: not while the program runs, nor while it does not."""
    tls = {"policy": "Verify", "caSecretRef": {"name": "ca"}}
    async with clusters.ccm() as running:
        made = await clusters.create(annotations={POLICY: "Verify", CA: "ca"})
        await clusters.copied(made)
        await clusters.annotate(made, policy="verify")
        await clusters.told(made, "InvalidBackendTLSPolicy")
        await running.settled()
        for edit in (None, {"policy": "Insecure", "caSecretRef": None}):
            await clusters.management.patch(clusters.copy_of(made), {"spec": {"upstreamTLS": edit}})
            await clusters.copied(made, lambda it: it["spec"].get("upstreamTLS") == tls)
    await clusters.management.patch(clusters.copy_of(made), {"spec": {"upstreamTLS": None}})
    async with clusters.ccm():
        await clusters.copied(made, lambda it: it["spec"].get("upstreamTLS") == tls)
        await clusters.annotate(made, policy="Insecure", ca=None)
        copy = await clusters.copied(made, lambda it: it["spec"]["upstreamTLS"] == {"policy": "Insecure"})
        assert KEPT_TLS not in copy["metadata"]["annotations"]


async def test_another_port_is_removed(clusters: Clusters) -> None:
    """A port that somebody applied beside ours goes, and only that."""
    async with clusters.ccm() as running:
        made = await clusters.create()
        before = await clusters.copied(made)
        await running.settled()
        port = {"name": "x", "port": 1, "protocol": "TCP"}
        # As server-side apply does, under another name.
        beside = {
            **clusters.copy_of(made),
            "spec": {"endpoints": before["spec"]["endpoints"], "ports": [port]},
        }
        assert len((await clusters.management.apply(beside))["spec"]["ports"]) == 2
        await clusters.copied(made, lambda it: it["spec"] == before["spec"])
        await running.settled()


async def test_labels_are_put_back_and_others_stay(clusters: Clusters) -> None:
    """Ours are as they were; others' labels, annotations and finalizers survive each of our writes."""
    async with clusters.ccm() as running:
        made = await clusters.create(annotations={"example.com/copied": "yes"})
        before = await clusters.copied(made)
        await running.settled()
        theirs = {
            "labels": {"team": "edge"},
            "annotations": {"note": "theirs"},
            "finalizers": [FINALIZER, "example.com/f"],
        }
        await clusters.management.patch(before, {"metadata": theirs})
        await clusters.management.patch(
            before,
            {
                "metadata": {
                    "labels": {"kubelb.k8c.io/origin-name": "x"},
                    "annotations": {"example.com/copied": "no"},
                }
            },
        )
        found = await clusters.copied(
            made, lambda it: it["metadata"]["labels"]["kubelb.k8c.io/origin-name"] == "web"
        )
        await clusters.annotate(made, **{"example.com/copied": None, "example.com/new": "yes"})
        found = await clusters.copied(made, lambda it: "example.com/new" in it["metadata"]["annotations"])
        assert "example.com/copied" not in found["metadata"]["annotations"]
        assert found["metadata"]["labels"]["team"] == "edge"
        assert found["metadata"]["annotations"]["note"] == "theirs"
        assert found["metadata"]["finalizers"] == [FINALIZER, "example.com/f"]
        await clusters.management.patch(found, {"metadata": {"finalizers": None}})


async def test_a_deleted_loadbalancer_comes_back(clusters: Clusters) -> None:
    """At once, and where a finalizer keeps the old one as soon as that is gone."""
    async with clusters.ccm() as running:
        made = await clusters.create()
        first = await clusters.copied(made)
        await running.settled()
        await clusters.management.delete(first)
        second = await clusters.copied(
            made, lambda it: bool(it) and it["metadata"]["uid"] != first["metadata"]["uid"]
        )
        await clusters.management.patch(second, {"metadata": {"finalizers": [FINALIZER]}})
        await clusters.management.delete(second)
        await running.settled()
        await clusters.management.patch(second, {"metadata": {"finalizers": None}})
        third = await clusters.copied(
            made,
            lambda it: (
                bool(it)
                and it["metadata"]["uid"] not in {first["metadata"]["uid"], second["metadata"]["uid"]}
            ),
        )
        assert third["spec"] == first["spec"]


async def test_addresses_are_put_back(clusters: Clusters) -> None:
    """An edited list is as it was, a deleted object is there again."""
    await clusters.node("one", ("ExternalIP", "192.0.2.1"))
    async with clusters.ccm():
        await clusters.listed(bool)
        await clusters.management.patch(clusters.addresses, {"spec": {"addresses": [{"ip": "192.0.2.66"}]}})
        await clusters.listed(lambda it: it == [{"ip": "192.0.2.1"}])
        await clusters.management.delete(clusters.addresses)
        await clusters.listed(lambda it: it == [{"ip": "192.0.2.1"}])


async def test_the_services_address_is_put_back(clusters: Clusters) -> None:
    """Whoever else writes it: what the LoadBalancer says counts."""
    async with clusters.ccm():
        made = await clusters.create()
        await clusters.copied(made)
        await clusters.address(made, {"ip": "203.0.113.7"})
        right = [{"ip": "203.0.113.7", "ipMode": "VIP"}]
        await clusters.became(made, lambda it: it["status"]["loadBalancer"].get("ingress") == right)
        await clusters.tenant.patch(
            made, {"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.66"}]}}}, subresource="status"
        )
        await clusters.became(made, lambda it: it["status"]["loadBalancer"].get("ingress") == right)
