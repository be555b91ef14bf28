"""The two annotations on a Service of a real API server: what follows them, and what is wrong comes back as an Event."""

import pytest

from tests.kube.ccm.clusters import CA, POLICY, Clusters
from tests.support.kube_client import Object


def tls(copy: Object) -> Object:
    """Return a LoadBalancer's TLS, empty where it has none."""
    return dict(copy["spec"].get("upstreamTLS", {}))


async def test_they_are_followed(clusters: Clusters) -> None:
    """None, Insecure, Verify, another CA, Verify alone, and none again."""
    async with clusters.ccm():
        made = await clusters.create()
        assert tls(await clusters.copied(made)) == {}
        await clusters.annotate(made, policy="Insecure")
        await clusters.copied(made, lambda it: tls(it) == {"policy": "Insecure"})
        await clusters.annotate(made, policy="Verify", ca="one")
        await clusters.copied(
            made, lambda it: tls(it) == {"policy": "Verify", "caSecretRef": {"name": "one"}}
        )
        await clusters.annotate(made, ca="two")
        await clusters.copied(
            made, lambda it: tls(it) == {"policy": "Verify", "caSecretRef": {"name": "two"}}
        )
        await clusters.annotate(made, ca=None)
        await clusters.copied(made, lambda it: tls(it) == {"policy": "Verify"})
        await clusters.annotate(made, policy=None)
        copy = await clusters.copied(made, lambda it: "upstreamTLS" not in it["spec"])
        assert not {POLICY, CA} & copy["metadata"]["annotations"].keys()


async def test_a_wrong_policy_leaves_tls_as_it_was(clusters: Clusters) -> None:
    """The rest follows all the same; the Event names annotation, value and what is allowed; correcting it ends it."""
    async with clusters.ccm() as running:
        made = await clusters.create(annotations={POLICY: "Verify", CA: "ca"})
        before = await clusters.copied(made)
        await clusters.annotate(made, policy="verify", other="followed")
        event = await clusters.told(made, "InvalidBackendTLSPolicy")
        assert event["type"] == "Warning"
        assert POLICY in event["message"]
        assert "'verify' is not allowed: must be exactly Insecure or Verify" in event["message"]
        assert event["involvedObject"]["kind"] == "Service"
        assert event["involvedObject"]["apiVersion"] == "v1"
        assert event["source"]["component"] == "kubelb-ccm"
        copy = await clusters.copied(
            made, lambda it: it["metadata"]["annotations"].get("other") == "followed"
        )
        assert tls(copy) == tls(before)
        await clusters.annotate(made, policy="Insecure")
        await clusters.copied(made, lambda it: tls(it) == {"policy": "Insecure"})
        await clusters.became(made, lambda it: not it["status"].get("conditions"))
        await running.settled()
        told = [event["reason"] for event in await clusters.events(made)]
        assert told.count("InvalidBackendTLSPolicy") == 1


@pytest.mark.parametrize("annotations", [{POLICY: "yes"}, {POLICY: ""}, {POLICY: "Verify", CA: ""}])
async def test_a_new_service_that_is_wrong_gets_no_loadbalancer(
    clusters: Clusters, annotations: dict[str, str]
) -> None:
    """Not one byte is forwarded in the clear by mistake; as soon as it is corrected, it is forwarded with TLS."""
    async with clusters.ccm() as running:
        made = await clusters.create(annotations=annotations)
        reason = "InvalidBackendTLSCASecret" if CA in annotations else "InvalidBackendTLSPolicy"
        await clusters.told(made, reason)
        await running.settled()
        assert await clusters.find(clusters.management, clusters.copy_of(made)) == {}
        # And it may go at any time.
        assert "finalizers" not in (await clusters.tenant.get(made))["metadata"]
        await clusters.annotate(made, policy="Verify", ca="ca")
        copy = await clusters.copied(made)
        assert tls(copy) == {"policy": "Verify", "caSecretRef": {"name": "ca"}}
        assert not [
            sent for sent in running.sent if "PATCH" in sent and sent.endswith(made["metadata"]["uid"])
        ][1:]


async def test_wrong_at_once_after_a_change(clusters: Clusters) -> None:
    """TLS that was asked for a moment ago is not lost, though no watch has brought it yet."""
    async with clusters.proxies() as (_, management), clusters.ccm(management=management.url) as running:
        made = await clusters.create()
        await clusters.copied(made)
        await running.settled()
        silence = management.silence(lambda request: request.is_watch)
        await clusters.annotate(made, policy="Insecure")
        await clusters.copied(made, lambda it: tls(it) == {"policy": "Insecure"})
        await clusters.annotate(made, policy="insecure", other="followed")
        copy = await clusters.copied(made, lambda it: "other" in it["metadata"]["annotations"])
        assert tls(copy) == {"policy": "Insecure"}
        silence.heal()


async def test_a_ca_without_a_policy_sets_nothing(clusters: Clusters) -> None:
    """It is plain TCP, and the Event says so."""
    async with clusters.ccm():
        made = await clusters.create(annotations={CA: "ca"})
        assert tls(await clusters.copied(made)) == {}
        event = await clusters.told(made, "BackendTLSCASecretUnused")
        assert f"annotation {CA}: 'ca' has no effect without {POLICY}" in event["message"]


async def test_conditions_come_back_as_events(clusters: Clusters) -> None:
    """What the control plane says of the LoadBalancer is an Event on the Service, and a condition in its status."""
    text = 'failed to get CA secret: spec.upstreamTLS.caSecretRef.name names "ca"'
    async with clusters.ccm() as running:
        made = await clusters.create(annotations={POLICY: "Verify", CA: "ca"})
        await clusters.copied(made)
        await clusters.conditions(
            made,
            {"type": "Accepted", "status": "True", "reason": "Accepted"},
            {"type": "ResolvedRefs", "status": "False", "reason": "InvalidCACertificateRef", "message": text},
        )
        event = await clusters.told(made, "InvalidCACertificateRef")
        assert (event["type"], event["message"], event["count"]) == ("Warning", text, 1)
        await clusters.conditions(
            made,
            {"type": "ResolvedRefs", "status": "True", "reason": "ResolvedRefs", "message": "found"},
            {"type": "Programmed", "status": "True", "reason": "Programmed", "message": "by 1 Envoy"},
        )
        assert (await clusters.told(made, "ResolvedRefs"))["type"] == "Normal"
        assert (await clusters.told(made, "Programmed"))["message"] == "by 1 Envoy"
        found = await clusters.became(made, lambda it: len(it["status"]["conditions"]) == 2)
        assert {each["type"]: each["status"] for each in found["status"]["conditions"]} == {
            "kubelb.k8c.io/ResolvedRefs": "True",
            "kubelb.k8c.io/Programmed": "True",
        }
        await running.settled()


async def test_what_the_management_cluster_refuses(clusters: Clusters) -> None:
    """Its words are an Event on the Service; it is tried again, and then the condition goes."""
    rules: list[Object] = [
        {
            "apiGroups": ["kubelb.k8c.io"],
            "resources": ["loadbalancers", "addresses"],
            "verbs": ["list", "watch"],
        }
    ]
    await clusters.management_server.allow(clusters.management_identity, rules, clusters.home)
    async with clusters.ccm(resync=0.5):
        made = await clusters.create()
        event = await clusters.told(made, "RefusedByManagementCluster")
        assert "forbidden" in event["message"]
        assert "the role in deploy/ccm/management has what is needed" in event["message"]
        rules[0]["verbs"] += ["create", "patch", "delete"]
        await clusters.management_server.allow(clusters.management_identity, rules, clusters.home)
        await clusters.copied(made)
        await clusters.became(made, lambda it: not it["status"].get("conditions"))


async def test_a_namespace_that_is_not_there(clusters: Clusters) -> None:
    """The Event names the namespace and the option that it comes from."""
    clusters.cluster = "nowhere"
    rules = [
        {"apiGroups": ["kubelb.k8c.io"], "resources": ["*"], "verbs": ["*"]},
    ]
    await clusters.management_server.allow(clusters.management_identity, rules)
    async with clusters.ccm():
        made = await clusters.create()
        event = await clusters.told(made, "RefusedByManagementCluster")
        assert "does namespace tenant-nowhere exist there" in event["message"]
        assert "--cluster-name is nowhere" in event["message"]
