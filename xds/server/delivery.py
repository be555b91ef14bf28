"""Waiting until every Envoy of a tenant has what the tenant's snapshot says: the question of ``xds.protocol``, with a clock."""

import asyncio
from collections.abc import Iterable

from xds.protocol import Awaited, Delivery, Report
from xds.snapshot import SnapshotCache, keys_of


async def delivered(
    cache: SnapshotCache,
    delivery: Delivery,
    tenant: str,
    keys: Iterable[tuple[str, str]] | None,
    *,
    envoys: int,
    timeout: float,  # noqa: ASYNC109 — who waits hears at its end who has not answered
) -> Report:
    """Do what ``XdsServer.delivered`` says."""
    snapshot = cache.get(tenant)
    if snapshot is None:
        raise LookupError(f"tenant {tenant!r} has no snapshot: nothing is served to it that could be ACKed")
    asked = None if keys is None else keys_of(keys)
    awaited = Awaited(delivery, tenant, snapshot, keys=asked, envoys=envoys)
    event = asyncio.Event()

    def heard(stream: int) -> None:
        awaited.heard(stream)
        event.set()

    unwatch = cache.watch(tenant, awaited.changed), delivery.watch(tenant, heard)
    try:
        async with asyncio.timeout(timeout):
            while not awaited.done:
                event.clear()
                await event.wait()
    except TimeoutError:
        pass
    finally:
        for end in unwatch:
            end()
    return awaited.report()
