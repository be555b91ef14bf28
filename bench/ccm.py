"""What a tenant of 1,000 Services costs its cloud controller manager, on two real API servers: requests a Service, and seconds.

`python -m bench.ccm`; builds the API server first if need be. The bench is the control plane: it writes addresses and conditions
into the LoadBalancers. The manager runs in this process, so that its requests can be counted; times contain what the bench does.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from kube.ccm.manager import Manager
from kube.ccm.names import Tenant
from kube.client import Access, KubeApi
from tests.envtest.assets import assets
from tests.support.kube_api import ApiServer
from tests.support.kube_client import ApiClient, Object
from xds.app.demo.waiting import poll

CLUSTER = "bench"
HOME = f"tenant-{CLUSTER}"
WITHIN = 600.0
TICK = 0.05
AT_ONCE = 50
GROUP = "kubelb.k8c.io/v1alpha1"


class Row(NamedTuple):
    """One phase: seconds until it has settled, and requests into each cluster."""

    name: str
    seconds: float
    tenant: int
    management: int

    def line(self, services: int) -> str:
        """Return the line of the table."""
        each = f"{self.tenant / services:.2f} + {self.management / services:.2f}"
        return f"{self.name:<34} {self.seconds:>7.1f} s {self.tenant:>8} {self.management:>8}   {each}"


class Ccm(NamedTuple):
    """A manager that runs, and its ways to both clusters."""

    manager: Manager
    tenant: KubeApi
    management: KubeApi

    async def phase(
        self, name: str, holds: Callable[[Manager], bool], doing: Awaitable[None] | None = None
    ) -> Row:
        """Do something, and wait until something holds of what the manager knows and it has nothing to do."""
        began = time.monotonic()
        before = self.tenant.requests, self.management.requests
        if doing is not None:
            await doing

        async def probe() -> bool:
            await asyncio.sleep(0)
            return self.manager.settled and holds(self.manager)

        await poll(probe, bool, within=WITHIN, what=name, every=TICK)
        return Row(
            name,
            time.monotonic() - began,
            self.tenant.requests - before[0],
            self.management.requests - before[1],
        )


@asynccontextmanager
async def ccm(tenant: Path, management: Path) -> AsyncIterator[Ccm]:
    """Run a manager."""
    async with (
        KubeApi(Access(kubeconfig=tenant)) as tenant_api,
        KubeApi(Access(kubeconfig=management)) as management_api,
    ):
        manager = Manager(
            tenant_api, management_api, tenant=Tenant(CLUSTER), identity="bench", own_namespace="default"
        )
        running = asyncio.create_task(manager.run())
        try:
            yield Ccm(manager, tenant_api, management_api)
        finally:
            running.cancel()
            await asyncio.wait([running])
            await manager.close()


def service(number: int) -> Object:
    """Return a Service with both annotations."""
    annotations = {
        "kubelb.k8c.io/backend-tls-policy": "Verify",
        "kubelb.k8c.io/backend-tls-ca-secret": "backend-ca",
    }
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": f"web-{number}", "namespace": "default", "annotations": annotations},
        "spec": {"type": "LoadBalancer", "selector": {"app": "web"}, "ports": [{"port": 443}]},
    }


async def answer(management: ApiClient) -> None:
    """Be the control plane: write what it would into each LoadBalancer."""
    copies = iter((await management.list(GROUP, "LoadBalancer", HOME))["items"])
    moment = "2026-07-01T00:00:00Z"
    conditions = [
        {"type": kind, "status": "True", "reason": kind, "message": "", "lastTransitionTime": moment}
        for kind in ("Accepted", "ResolvedRefs", "Programmed")
    ]
    status = {"loadBalancer": {"ingress": [{"ip": "203.0.113.7"}]}, "conditions": conditions}

    async def work() -> None:
        for copy in copies:
            named = {"apiVersion": GROUP, "kind": "LoadBalancer", "metadata": copy["metadata"]}
            await management.patch(named, {"status": status}, subresource="status")

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(work())


async def remove(tenant: ApiClient, count: int) -> None:
    """Delete all Services."""
    left = iter(range(count))

    async def work() -> None:
        for number in left:
            await tenant.delete(service(number))

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(work())


async def measure(count: int, directory: Path) -> list[Row]:
    """Run all phases."""
    programs = assets(print)
    for name in ("tenant", "management"):
        (directory / name).mkdir()
    async with (
        ApiServer(programs, directory / "tenant", flags=["--service-cluster-ip-range=10.0.0.0/16"]) as here,
        ApiServer(programs, directory / "management") as there,
        here.client() as tenant,
        there.client() as management,
    ):
        await management.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": HOME}})
        node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "one"}}
        addresses = [{"type": "ExternalIP", "address": "192.0.2.1"}]
        ready = {"conditions": [{"type": "Ready", "status": "True"}], "addresses": addresses}
        await tenant.create(node)
        await tenant.patch(node, {"status": ready}, subresource="status")
        await tenant.create_all(service(number) for number in range(count))
        configs = here.kubeconfig(directory, name="tenant.conf"), there.kubeconfig(directory, name="m.conf")
        rows = []
        async with ccm(*configs) as running:
            rows.append(await running.phase("created", lambda it: len(it.view.copies) == count))
            rows.append(
                await running.phase(
                    "address and conditions",
                    lambda it: all(each.load_balancer and each.conditions for each in it.view.services),
                    answer(management),
                )
            )
        async with ccm(*configs) as running:
            rows.append(
                await running.phase("restart, nothing to do", lambda it: len(it.view.copies) == count)
            )
            assert running.manager.writer.stats.writes == 0
            rows.append(
                await running.phase(
                    "deleted",
                    lambda it: not it.view.services and not it.view.copies,
                    remove(tenant, count),
                )
            )
        return rows


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--services", type=int, default=1000)
    count: int = parser.parse_args().services
    with tempfile.TemporaryDirectory(prefix="kubelb-xds-bench-") as directory:
        rows = asyncio.run(measure(count, Path(directory)))
    print(f"{count} Services: {'settled after':>29}   tenant     mgmt   requests a Service")
    for row in rows:
        print(row.line(count))


if __name__ == "__main__":
    main()
