"""Two replicas that are up for one lease on a real API server, with short times, and what each heard."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from kube.client import Access, KubeApi
from kube.coordination.claim import LeaseTiming
from kube.coordination.lease import Election, boot_time
from xds.app.demo.waiting import Journal, poll

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.support.kube_client import Object

BOUND = 15.0
"""Seconds within which anything that is to come has come, on a machine that is busy."""
QUICK = LeaseTiming(duration=3.0, renew=2.5, retry=0.1)
"""Short, and long enough for a machine that is busy not to lose a lease by that."""


class Replica:
    """An election that runs. ``heard`` is each change with the moment at which it came, by the machine's one clock."""

    def __init__(self, election: Election) -> None:
        self.election = election
        self.heard: Journal[tuple[bool, float]] = Journal(f"what {election.identity} heard")
        election.subscribe(lambda leading: self.heard.add((leading, boot_time())))
        self.task = asyncio.create_task(election.run())

    @property
    def changes(self) -> list[bool]:
        """What it heard, without the times."""
        return [leading for leading, _ in self.heard]

    async def leads(self, times: int = 1, *, within: float = BOUND) -> float:
        """Wait until it has begun to lead for so many times, and return when it did last."""
        await self.heard.until(
            lambda: self.changes.count(True) >= times, within=within, what=f"leading {times} times"
        )
        return [moment for leading, moment in self.heard if leading][times - 1]

    async def ends(self, times: int = 1, *, within: float = BOUND) -> float:
        """Wait until it has ceased to lead for so many times, and return when it did last."""
        await self.heard.until(
            lambda: self.changes.count(False) >= times, within=within, what=f"not leading {times} times"
        )
        return [moment for leading, moment in self.heard if not leading][times - 1]

    async def pause(self) -> None:
        """Stop it from doing anything: it neither renews nor looks."""
        self.task.cancel()
        await asyncio.wait([self.task])

    def resume(self) -> None:
        """Let it go on."""
        self.task = asyncio.create_task(self.election.run())


@asynccontextmanager
async def replica(
    kubeconfig: Path,
    namespace: str,
    identity: str,
    *,
    timing: LeaseTiming = QUICK,
    after: Replica | None = None,
) -> AsyncIterator[Replica]:
    """Run a replica with the credentials of a kubeconfig; `after` another one leads and is seen to do so, if that is given."""
    if after is not None:
        await after.leads()
    async with KubeApi(Access(kubeconfig=kubeconfig)) as api:
        running = Replica(Election(api, namespace=namespace, identity=identity, timing=timing))
        try:
            if after is not None:
                await until_seen(running, after.election.identity)
            yield running
        finally:
            if running.task.done() and not running.task.cancelled():
                await running.task
            await running.pause()
            await running.election.release()


async def until_seen(running: Replica, holder: str) -> None:
    """Wait until a replica knows who holds the lease."""

    async def probe() -> str:
        await asyncio.sleep(0)
        return running.election.holder

    await poll(
        probe, lambda found: found == holder, within=BOUND, what=f"{holder!r} as the holder", every=0.01
    )


def lease(namespace: str, **spec: object) -> Object:
    """Return the Lease as the API server takes it."""
    metadata = {"name": "kubelb-xds", "namespace": namespace}
    return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}
