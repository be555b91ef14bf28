"""What the control plane writes into a cluster while a real Envoy takes what it serves: ports, Services, conditions, Events."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from tests.e2e.conftest import PATIENCE
from tests.e2e.sources import ApiObjects
from tests.e2e.world import World, reached
from tests.e2e.written import (
    BOUND,
    conditions,
    exposed,
    gone,
    listener_port,
    look,
    message,
    named,
    says,
    seen,
)
from tests.support.kube_client import Object
from tests.support.workbench import running_envoy
from xds.app.demo.backends import Backend
from xds.app.demo.certificates import Authority
from xds.app.demo.client import Outcome, ask
from xds.app.demo.waiting import poll

FreePort = Callable[..., int]
GOOD = {"Accepted": "Accepted", "ResolvedRefs": "ResolvedRefs", "Programmed": "Programmed"}
FINALIZER = "kubelb.k8c.io/cleanup"


async def served(objects: ApiObjects, name: str) -> Object:
    """Wait until all is said to be well with a LoadBalancer, and return it."""
    lb = await says(objects, name, **GOOD)
    assert conditions(lb) == {kind: ("True", reason) for kind, reason in GOOD.items()}
    return lb


async def service(objects: ApiObjects, name: str) -> Object:
    """Wait for the Service of a LoadBalancer, and return it."""
    found = await poll(
        lambda: look(objects, "Service", f"envoy-{name}"), bool, within=BOUND, what="the Service"
    )
    assert found is not None
    return found


async def warnings(objects: ApiObjects, name: str) -> list[Object]:
    """Return the Events about a LoadBalancer."""
    listed = await objects.client.list("v1", "Event", objects.tenant)
    return [each for each in listed["items"] if each["involvedObject"]["name"] == name]


async def test_from_its_creation_to_its_end(written_back: World, writable: ApiObjects) -> None:
    """A LoadBalancer gets a port that carries traffic, a Service to it, and three conditions; deleted, it leaves nothing."""
    played = written_back
    async with Backend("web") as backend:
        await played.put("web", exposed("web", 443, backend.port))
        lb = await served(writable, "web")
        port = listener_port(lb)
        assert 10_000 <= port < 65_535
        await reached(port)
        assert FINALIZER in lb["metadata"]["finalizers"]
        (service_port,) = (await service(writable, "web"))["spec"]["ports"]
        assert (service_port["port"], service_port["targetPort"]) == (443, port)

        # What changes is said of the new generation, and the port stays.
        async with Backend("other") as other:
            await played.put("web", exposed("web", 443, other.port))
            changed = await served(writable, "web")
            assert changed["metadata"]["generation"] > lb["metadata"]["generation"]
            assert listener_port(changed) == port
            await reached(port)

        # What a cloud says of the Service is copied, and what it takes back too.
        ingress = {"ingress": [{"ip": "203.0.113.7"}]}
        thing = named(writable, "Service", "envoy-web")
        await writable.client.patch(thing, {"status": {"loadBalancer": ingress}}, subresource="status")
        await address(writable, "web", ["203.0.113.7"])
        await writable.client.patch(thing, {"status": {"loadBalancer": None}}, subresource="status")
        await address(writable, "web", [])

        await played.remove("web")
        await gone(writable, "LoadBalancer", "web")
        assert await look(writable, "Service", "envoy-web") is None
        await poll(
            lambda: ask(port),
            lambda attempt: attempt.outcome is Outcome.REFUSED,
            within=5,
            what="no listener",
        )
    assert await played.rejected() == {}


async def address(objects: ApiObjects, name: str, wanted: list[str]) -> None:
    """Wait until a LoadBalancer's status has these addresses."""

    async def found() -> list[str]:
        lb = await objects.client.get(named(objects, "LoadBalancer", name))
        return [each["ip"] for each in (lb["status"].get("loadBalancer") or {}).get("ingress", ())]

    await poll(found, lambda ips: ips == wanted, within=BOUND, what=f"addresses {wanted}", every=0.05)


async def test_a_ca_that_is_missing(written_back: World, writable: ApiObjects) -> None:
    """A missing Secret makes ResolvedRefs False, with one Event, until it is there."""
    played, authority = written_back, Authority("ca")
    async with Backend("web", identity=authority.issue("web")) as backend:
        await played.put("web", exposed("web", 443, backend.port, policy="Verify", ca="backend-ca"))
        lb = await says(writable, "web", ResolvedRefs="InvalidCACertificateRef", Programmed="Programmed")
        assert conditions(lb)["ResolvedRefs"] == ("False", "InvalidCACertificateRef")
        assert "backend-ca" in message(lb, "ResolvedRefs")
        await poll(lambda: warnings(writable, "web"), bool, within=BOUND, what="an Event")
        await played.put_ca("backend-ca", authority.pem)
        lb = await served(writable, "web")
        await reached(listener_port(lb))
        (event,) = await warnings(writable, "web")
        assert (event["type"], event["reason"], event["count"]) == ("Warning", "InvalidCACertificateRef", 1)
        assert "backend-ca" in event["message"]


async def test_an_envoy_that_stands_still(written_back: World, writable: ApiObjects) -> None:
    """A change that a stopped Envoy has not ACKed is never Programmed: it is unknown after patience, and True once it goes on."""
    played = written_back
    async with Backend("web") as backend, Backend("other") as other:
        await played.put("web", exposed("web", 443, backend.port))
        before = await served(writable, "web")
        played.envoy.pause()
        try:
            async with seen(writable, "web") as states, asyncio.timeout(PATIENCE + BOUND):
                await played.put("web", exposed("web", 443, other.port))
                said: tuple[str, str] = ("", "")
                async for lb in states:
                    assert lb["metadata"]["generation"] > before["metadata"]["generation"]
                    said = conditions(lb).get("Programmed", said)
                    assert said[0] != "True"
                    if said == ("Unknown", "NoAnswer"):
                        break
        finally:
            played.envoy.resume()
        await served(writable, "web")


async def test_no_envoy_is_connected(
    written_back: World, writable: ApiObjects, tmp_path: Path
) -> None:
    """Without an Envoy, Programmed is unknown after patience; ports and other conditions are written; True once one comes."""
    played = written_back
    async with Backend("web") as backend:
        await played.envoy.stop()
        await played.put("web", exposed("web", 443, backend.port))
        lb = await says(writable, "web", Accepted="Accepted", ResolvedRefs="ResolvedRefs")
        assert listener_port(lb)
        lb = await says(writable, "web", Programmed="NoEnvoyConnected")
        assert conditions(lb)["Programmed"] == ("Unknown", "NoEnvoyConnected")
        directory = tmp_path / "another"
        directory.mkdir()
        async with running_envoy(played.envoy.bootstrap.read_text(), directory) as envoy:
            played.envoy = envoy
            await reached(listener_port(await served(writable, "web")))
