"""The program as a process of its own, killed with SIGKILL at each write of a creation and of a deletion: nothing is left over.

Each time another one starts, and does what is left to do. A write is cut off before it reaches the API server, or after it
did and before its answer is back: whoever is killed there cannot know which.
"""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Literal, TypeAlias

import pytest

from tests.kube.ccm.clusters import BOUND, FINALIZER, GROUP, Clusters
from tests.support.command import serving
from tests.support.faults import Request
from tests.support.kube_client import Object
from tests.support.program import START_WITHIN
from xds.app.demo.waiting import poll

Moment: TypeAlias = Literal["before", "after"]
MANY = 12
"""Writes that no creation and no deletion takes."""


class NthWrite:
    """Matches the n-th write of a process, the lease left out; ``met`` says that there was one."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._seen: dict[Request, int] = {}
        self.met: Request | None = None

    def __call__(self, request: Request) -> bool:
        """Return whether this is the one; a request is counted once, however often it is asked about."""
        if request.method == "GET" or request.path.endswith("/events") or "/leases" in request.path:
            return False
        if self._seen.setdefault(request, len(self._seen) + 1) != self._number:
            return False
        self.met = request
        return True


@asynccontextmanager
async def control_plane(clusters: Clusters, made: Object) -> AsyncIterator[None]:
    """Play the control plane for one LoadBalancer: a finalizer, an address, and when it is deleted the finalizer goes."""

    async def play() -> None:
        copy = clusters.copy_of(made)
        while True:
            found = await clusters.find(clusters.management, copy)
            if found:
                with contextlib.suppress(AssertionError):  # it has just gone
                    finalizers = found["metadata"].get("finalizers")
                    if "deletionTimestamp" in found["metadata"]:
                        await clusters.management.patch(copy, {"metadata": {"finalizers": None}})
                    elif not finalizers:
                        await clusters.management.patch(copy, {"metadata": {"finalizers": [FINALIZER]}})
                    elif not found.get("status"):
                        await clusters.address(made, {"ip": "203.0.113.7"})
            await asyncio.sleep(0.02)

    playing = asyncio.create_task(play())
    try:
        yield
    finally:
        playing.cancel()
        await asyncio.wait([playing])


async def killed_at(
    clusters: Clusters, number: int, moment: Moment, done: Callable[[], Awaitable[bool]]
) -> bool:
    """Run a process until its n-th write, and kill it there; return False if it was done without one."""
    async with clusters.proxies() as (tenant, management):
        here, there = clusters.kubeconfigs(tenant=tenant.url, management=management.url)
        write = NthWrite(number)
        for proxy in (tenant, management):
            if moment == "before":
                proxy.hang(write)
            else:
                proxy.silence(write)
        arguments = [
            *("--cluster-name", clusters.cluster, "--own-namespace", clusters.namespace),
            *("--kubeconfig", str(here), "--management-kubeconfig", str(there)),
        ]
        async with serving(arguments, command="ccm") as process:

            async def stopped() -> bool:
                request = write.met
                if request is not None and (moment == "before" or request.status is not None):
                    return True
                return await done()

            try:
                await poll(stopped, bool, within=START_WITHIN, what=f"write {number}, or the end")
            finally:
                process.send(signal.SIGKILL)
                await process.ended()
                for line in process.lines:
                    print(line)  # noqa: T201 — pytest shows it where something failed
            for proxy in (tenant, management):
                # What was held never reaches the API server: whoever sent it is gone.
                ended = [*proxy.requests]
                await proxy.requests.until(partial(all_over, ended), within=BOUND, what="the end of all")
    # Its lease would be believed for 15 s.
    lease = {"name": "kubelb-ccm", "namespace": clusters.namespace}
    await clusters.tenant.delete({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": lease})
    return write.met is not None


def all_over(requests: list[Request]) -> bool:
    """Return whether a proxy has done with all of these."""
    return all(request.over for request in requests)


async def copies(clusters: Clusters) -> list[Object]:
    """Return the LoadBalancers of the tenant."""
    return list((await clusters.management.list(GROUP, "LoadBalancer", clusters.home))["items"])


def complete(found: Object) -> bool:
    """Return whether a Service has all that it is to have."""
    return bool(found["status"].get("loadBalancer")) and FINALIZER in found["metadata"].get("finalizers", [])


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_during_a_creation(clusters: Clusters, moment: Moment) -> None:
    """At whichever write it is killed: then there is one LoadBalancer, as it is to be, the Service has its address, and both can go."""
    await clusters.node("one", ("ExternalIP", "192.0.2.1"))
    for number in range(1, MANY):
        made = await clusters.create(f"web-{number}")
        await clusters.management.clear(GROUP, "Addresses", clusters.home)
        async with control_plane(clusters, made):

            async def done(made: Object = made) -> bool:
                listed = await clusters.find(clusters.management, clusters.addresses)
                return complete(await clusters.tenant.get(made)) and bool(listed)

            was_killed = await killed_at(clusters, number, moment, done)
            async with clusters.ccm() as running:
                await clusters.became(made, complete)
                await running.settled()
                (copy,) = await copies(clusters)
                assert copy["metadata"]["name"] == made["metadata"]["uid"]
                assert copy["spec"]["type"] == "LoadBalancer"
                assert await clusters.listed(bool) == [{"ip": "192.0.2.1"}]
                await clusters.tenant.delete(made)
                await clusters.became(made, lambda found: not found)
                assert await copies(clusters) == []
        if not was_killed:
            # Finalizer, Addresses, LoadBalancer, address.
            assert number == 5
            return
    raise AssertionError("it never came to its end")


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_during_a_deletion(clusters: Clusters, moment: Moment) -> None:
    """At whichever write it is killed: then the Service is gone, its LoadBalancer is gone, and no finalizer keeps anything."""
    for number in range(1, MANY):
        made = await clusters.create(f"web-{number}")
        async with control_plane(clusters, made):
            async with clusters.ccm() as running:
                await clusters.became(made, complete)
                await running.settled()
            await clusters.tenant.delete(made)

            async def done(made: Object = made) -> bool:
                return not await clusters.find(clusters.tenant, made)

            was_killed = await killed_at(clusters, number, moment, done)
            async with clusters.ccm() as running:
                await clusters.became(made, lambda found: not found)
                await running.settled()
                assert await copies(clusters) == []
        if not was_killed:
            # The LoadBalancer's deletion; once more to see that it is gone; the Service's finalizer.
            assert number == 4
            return
    raise AssertionError("it never came to its end")


async def test_a_write_that_arrives_late(clusters: Clusters) -> None:
    """What a process that is long dead had on its way creates a LoadBalancer whose Service is gone: it is deleted."""
    async with clusters.ccm() as running:
        made = await clusters.create()
        copy = await clusters.copied(made)
        await clusters.tenant.delete(made)
        await clusters.became(made, lambda found: not found)
        await running.settled()
        late = {key: copy[key] for key in ("apiVersion", "kind", "spec")}
        late["metadata"] = {
            key: copy["metadata"][key] for key in ("name", "namespace", "labels", "annotations")
        }
        await clusters.management.create(late)
        await clusters.copied(made, lambda found: not found)
