"""Reads what the control plane wrote into a cluster, for tests that wait for it."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

from tests.e2e.sources import ApiObjects, in_namespace
from tests.e2e.world import API_VERSION, loadbalancer
from tests.support.kube_client import Object, RefusedError
from xds.app.demo.waiting import poll

BOUND: Final = 15.0
"""Seconds within which anything that is to be written is written, on a machine that is busy."""


def exposed(name: str, port: int, backend_port: int, **more: Any) -> Object:
    """Return a LoadBalancer that asks for a Service."""
    document = loadbalancer(name, port, backend_port, **more)
    document["spec"]["type"] = "LoadBalancer"
    return document


def named(objects: ApiObjects, kind: str, name: str) -> Object:
    """Return what says which object is meant."""
    version = API_VERSION if kind == "LoadBalancer" else "v1"
    return in_namespace({"apiVersion": version, "kind": kind, "metadata": {"name": name}}, objects.tenant)


def conditions(lb: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """Return status and reason of each condition that is about the newest generation."""
    return {
        each["type"]: (each["status"], each["reason"])
        for each in lb.get("status", {}).get("conditions", ())
        if each["observedGeneration"] == lb["metadata"]["generation"]
    }


def message(lb: Mapping[str, Any], condition: str) -> str:
    """Return the message of a condition."""
    (found,) = [each for each in lb["status"]["conditions"] if each["type"] == condition]
    return str(found["message"])


async def says(objects: ApiObjects, name: str, *, within: float = BOUND, **wanted: str) -> Object:
    """Wait until a LoadBalancer's conditions have these reasons, for its newest generation; return it."""

    async def look() -> Object:
        return await objects.client.get(named(objects, "LoadBalancer", name))

    def holds(lb: Object) -> bool:
        found = conditions(lb)
        return all(found.get(kind, ("", ""))[1] == reason for kind, reason in wanted.items())

    return await poll(look, holds, within=within, what=f"{name} with {wanted}", every=0.05)


async def look(objects: ApiObjects, kind: str, name: str) -> Object | None:
    """Return an object, None where there is none."""
    try:
        return await objects.client.get(named(objects, kind, name))
    except RefusedError as error:
        if error.status != 404:
            raise
        return None


async def gone(objects: ApiObjects, kind: str, name: str) -> None:
    """Wait until an object is gone."""
    await poll(
        lambda: look(objects, kind, name),
        lambda found: found is None,
        within=BOUND,
        what=f"no {kind} {name}",
        every=0.05,
    )


async def versions(objects: ApiObjects) -> dict[tuple[str, str], str]:
    """Return the resourceVersion of each LoadBalancer and Service."""
    return {
        (kind, item["metadata"]["name"]): item["metadata"]["resourceVersion"]
        for version, kind in ((API_VERSION, "LoadBalancer"), ("v1", "Service"))
        for item in (await objects.client.list(version, kind, objects.tenant))["items"]
    }


def listener_port(lb: Mapping[str, Any]) -> int:
    """Return the port that is recorded for Envoy to listen on."""
    (port,) = lb["status"]["service"]["ports"]
    return int(port["targetPort"])


@asynccontextmanager
async def seen(objects: ApiObjects, name: str) -> AsyncIterator[AsyncIterator[Object]]:
    """Yield each state of a LoadBalancer from now on."""
    version = await objects.client.resource_version(API_VERSION, "LoadBalancer", objects.tenant)
    query = {"fieldSelector": f"metadata.name={name}", "resourceVersion": version}
    async with objects.client.watch(API_VERSION, "LoadBalancer", objects.tenant, **query) as events:

        async def states() -> AsyncIterator[Object]:
            async for event in events:
                yield event["object"]

        yield states()
