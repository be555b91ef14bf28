"""Port controllers on a real API server, and what publishes their answers there as the status writer would."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from kube.client import Access, KubeApi
from kube.controllers import ledger
from kube.controllers.allocation import Allocation
from kube.controllers.port_controller import PortController
from kube.objects import LoadBalancer, decode
from tests.kube.controllers.port_things import API_VERSION
from tests.support.kube_client import ApiClient


class Leader:
    """Believes that it leads, until it is told otherwise."""

    def __init__(self) -> None:
        self.leading = True


class Clock:
    """A clock that tests turn: Unix time."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


class Allocator:
    """A controller with its connection; a new one has forgotten everything, as after a restart."""

    def __init__(self, api: KubeApi, clock: Clock) -> None:
        self.api = api
        self.leader = Leader()
        self.controller = PortController(api, self.leader, clock=clock)

    async def ports(self, tenant: str, *lbs: LoadBalancer) -> dict[str, list[int | str]]:
        """Allocate for these, and return the listener ports by name; nothing is refused."""
        told = await self.controller.allocate(tenant, {lb.metadata.name: lb for lb in lbs})
        assert not any(each.refusals for each in told.values())
        return {name: [port.target_port for port in each.ports] for name, each in told.items()}


@asynccontextmanager
async def allocator(kubeconfig: Path, clock: Clock | None = None) -> AsyncIterator[Allocator]:
    """Give an allocator that speaks to where a kubeconfig leads."""
    async with KubeApi(Access(kubeconfig=kubeconfig)) as api:
        yield Allocator(api, clock or Clock())


async def stored(admin: ApiClient, tenant: str) -> dict[str, LoadBalancer]:
    """Return a tenant's LoadBalancers as they stand, by name."""
    listed = await admin.list(API_VERSION, "LoadBalancer", tenant)
    found = {}
    for item in listed["items"]:
        lb = decode({"apiVersion": API_VERSION, "kind": "LoadBalancer"} | item)
        assert isinstance(lb, LoadBalancer)
        found[lb.metadata.name] = lb
    return found


async def publish(admin: ApiClient, tenant: str, told: Mapping[str, Allocation]) -> None:
    """Write into the statuses what was told."""

    async def write(name: str, each: Allocation) -> None:
        ports = [
            {
                "name": port.name,
                "protocol": port.protocol,
                "port": port.port,
                "targetPort": port.target_port,
                "upstreamTargetPort": port.upstream_target_port,
            }
            for port in each.ports
        ]
        change = {"status": {"service": {"ports": ports}}}
        await admin.patch(reference(tenant, name), change, subresource="status")

    await asyncio.gather(*(write(name, each) for name, each in told.items()))


def reference(tenant: str, name: str) -> dict[str, Any]:
    """Return what names a LoadBalancer."""
    return {
        "apiVersion": API_VERSION,
        "kind": "LoadBalancer",
        "metadata": {"name": name, "namespace": tenant},
    }


def configmap(tenant: str, content: str | None = None) -> dict[str, Any]:
    """Return what names a tenant's ledger, with a content if there is one."""
    thing: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": ledger.NAME, "namespace": tenant},
    }
    return thing if content is None else thing | {"data": {ledger.CONTENT: content}}


async def written(admin: ApiClient, tenant: str) -> dict[str, Any]:
    """Return what a tenant's ledger says."""
    found = await admin.get(configmap(tenant))
    document = json.loads(found["data"][ledger.CONTENT])
    assert isinstance(document, dict)
    return document
