"""What the fault tests share: which requests were made of a proxy, how far apart, and waiting for what an informer says.

`unjittered` makes every pause as long as it may be, so that the number of requests has a bound that can be computed.
"""

import asyncio
from collections.abc import Callable, Sequence
from types import SimpleNamespace

import pytest

from kube.informer import timing as informer_timing
from kube.informer.status import InformerStatus
from kube.informer.timing import Timing
from tests.kube.cluster.following import BOUND, Following
from tests.support.fault_proxy import FaultProxy
from tests.support.faults import Request, When, lists
from xds.app.demo.waiting import poll

TOLERANCE = 0.03
"""Seconds by which a request may reach the proxy earlier than its pause says: the one before took that long to be recorded."""
STEADY = Timing(first_wait=0.05, longest_wait=0.3)
"""Pauses that can be told apart on a machine that is busy, and end soon."""
BRISK = Timing(first_wait=0.01, longest_wait=0.1)
"""Reconnects at once, nearly: for tests that are not about pauses."""


def unjittered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have each pause last for as long as its bound."""
    monkeypatch.setattr(informer_timing, "random", SimpleNamespace(uniform=lambda _, high: high))


def made(proxy: FaultProxy, when: When, since: int = 0) -> list[Request]:
    """Return the requests that match, from index ``since`` on."""
    return [request for request in proxy.requests[since:] if when(request)]


def attempts(seconds: float, timing: Timing) -> int:
    """Return how often something that fails at once is tried in so many seconds, if every pause is as long as it may be."""
    count, moment, pause = 1, 0.0, timing.first_wait
    while (moment := moment + pause) <= seconds + TOLERANCE:
        count += 1
        pause = min(pause * 2, timing.longest_wait)
    return count


def are_paced(requests: Sequence[Request], timing: Timing, *, repeated: int = 0) -> bool:
    """Return whether there are no more of these requests than pauses leave room for, and than are repeated at once."""
    elapsed = requests[-1].moment - requests[0].moment
    return len(requests) <= attempts(elapsed, timing) + repeated


def fetches(request: Request) -> bool:
    """Match the requests for one Secret."""
    return lists("secrets")(request) and "fieldSelector" in request.query


def checks(plural: str) -> When:
    """Match the requests that find out whether versions went back."""
    return lambda request: lists(plural)(request) and request.query.get("limit") == "1"


def whole_lists(plural: str) -> When:
    """Match lists that are neither a check nor for one object."""
    return lambda request: lists(plural)(request) and not checks(plural)(request) and not fetches(request)


async def watching(proxy: FaultProxy, when: When = lambda _: True, *, count: int = 3) -> Request:
    """Wait until so many watches were opened, of three informers each one; return the last one."""
    return await proxy.saw(lambda each: each.is_watch and each.status == 200 and when(each), count=count)


async def watched_again(proxy: FaultProxy, when: When, seen: int) -> Request:
    """Wait until a watch has opened after so many requests, and return it: its list was complete then."""
    return await proxy.saw(
        lambda each: each in proxy.requests[seen:] and when(each) and each.is_watch and each.status == 200,
        within=BOUND,
    )


async def says(
    follower: Following, kind: str, holds: Callable[[InformerStatus], object], *, what: str
) -> InformerStatus:
    """Wait until something holds of an informer's status, and return that."""

    async def probe() -> InformerStatus:
        await asyncio.sleep(0)
        return follower.status(kind)

    return await poll(probe, lambda status: bool(holds(status)), within=BOUND, what=what, every=0.01)
