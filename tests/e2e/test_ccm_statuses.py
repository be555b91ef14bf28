"""What comes back to the tenant's Service: its address, and all that the control plane says of its LoadBalancer."""

from tests.e2e.sources import in_namespace
from tests.e2e.tenancy import Tenancy
from tests.support.kube_client import Object
from xds.app.demo.certificates import Authority
from xds.app.demo.manifests import secret


def condition(made: Object, name: str) -> tuple[str, str]:
    """Return status and reason of a condition of a Service that is the control plane's."""
    found = {each["type"]: each for each in made["status"].get("conditions", ())}
    each = found.get(f"kubelb.k8c.io/{name}", {})
    return each.get("status", ""), each.get("reason", "")


async def test_the_address_comes_back(tenancy: Tenancy) -> None:
    """What the cloud gives to Envoy's Service is the tenant's Service's: the first address, another one, and none."""
    clusters = tenancy.clusters
    async with tenancy.node("one") as node, clusters.ccm():
        await tenancy.ready(node)
        made = await tenancy.create()
        for ingress, wanted in (
            ([{"ip": "203.0.113.7"}], [{"ip": "203.0.113.7", "ipMode": "VIP"}]),
            ([{"hostname": "web.example.com"}], [{"hostname": "web.example.com"}]),
            ([], None),
        ):
            await tenancy.exposed(made, *ingress)
            await clusters.became(
                made,
                lambda it, wanted=wanted: it["status"]["loadBalancer"].get("ingress") == wanted,  # type: ignore[misc]
            )


async def test_conditions_come_back_as_events(tenancy: Tenancy) -> None:
    """Each that turns bad is a Warning in the control plane's words, and each that turns good a Normal one; the same in the status."""
    clusters, ca = tenancy.clusters, Authority("ca")
    async with tenancy.node("one", ca.issue("one")) as node, clusters.ccm():
        await tenancy.ready(node)
        made = await tenancy.create(policy="Verify", ca="my-ca")
        missing = await tenancy.says(made, "failed to get CA secret")
        assert (missing["type"], missing["reason"]) == ("Warning", "InvalidCACertificateRef")
        await clusters.became(
            made, lambda it: condition(it, "ResolvedRefs") == ("False", "InvalidCACertificateRef")
        )
        copy = await clusters.copied(made, lambda it: bool(it.get("status", {}).get("conditions")))
        (said,) = (each for each in copy["status"]["conditions"] if each["type"] == "ResolvedRefs")
        assert missing["message"] == said["message"]

        await clusters.management.apply(in_namespace(secret("", "my-ca", ca.pem), clusters.home))
        assert (await clusters.told(made, "ResolvedRefs"))["type"] == "Normal"
        await clusters.became(made, lambda it: condition(it, "ResolvedRefs") == ("True", "ResolvedRefs"))
        assert (await clusters.told(made, "Programmed"))["type"] == "Normal"
        await tenancy.answered(await tenancy.listener(made))

        await clusters.annotate(made, ca=None)
        required = await tenancy.says(made, "caSecretRef is required for Verify policy")
        assert required["type"] == "Warning"
    assert await tenancy.world.rejected() == {}
