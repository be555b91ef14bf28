"""Waiting for what is told of the informers: unlike the store they call nobody when something happens to them."""

from collections.abc import Callable

from tests.kube.cluster.following import BOUND, Following
from xds.app.demo.waiting import poll


async def told(follower: Following, holds: Callable[[], object], what: str, *, within: float = BOUND) -> None:
    """Wait until something holds of the informers; what is told of them is in the error if it does not."""

    async def probe() -> tuple[bool, object]:
        return bool(holds()), follower.source.informers

    await poll(probe, lambda found: found[0], within=within, what=what)


async def all_failing(follower: Following) -> None:
    """Wait until every informer says what is wrong."""
    await told(follower, lambda: all(status.error for status in follower.source.informers), "failures of all")


async def all_well(follower: Following) -> None:
    """Wait until no informer says that anything is wrong."""
    await told(follower, lambda: not any(status.error for status in follower.source.informers), "recovery")


async def watching(follower: Following) -> None:
    """Wait until every informer has opened a watch: what breaks from now on breaks for all of them."""
    await told(
        follower, lambda: all(status.watches for status in follower.source.informers), "watches of all"
    )
