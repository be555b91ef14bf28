"""How long a stream is not read from, by the work that it causes."""

import time
from functools import partial

import pytest

from tests.support.resources import cluster, listener
from tests.support.xds_client import XdsClient
from xds.protocol import Outcome
from xds.server import Observer, StreamInfo, XdsServer, stream
from xds.server.pace import _BURST, _REQUEST, _RESPONSE_BYTE, _SHARE, Pace
from xds.snapshot import SnapshotCache
from xds.snapshot.types import CLUSTER, LISTENER


def test_a_stream_that_asks_now_and_then_never_waits() -> None:
    """Work within the share is never paused for, however long it goes on."""
    pace = Pace(0.0)
    for second in range(10_000):
        assert pace.request(_SHARE - _REQUEST, float(second)) == 0


def test_a_burst_is_free() -> None:
    """So much work at once is not paused for, and for what goes beyond it the pause is what the share makes of it."""
    pace = Pace(0.0)
    assert pace.request(_BURST - _REQUEST, 0.0) == 0
    assert pace.request(0.01 - _REQUEST, 0.0) == pytest.approx(0.01 / _SHARE)


def test_after_the_pause_the_next_request_is_taken() -> None:
    """A pause that was kept empties the account to where the next request, and only that, is paid for again."""
    pace, now = Pace(0.0), 0.0
    pace.request(10.0, now)
    for _ in range(100):
        now += pace.request(0.001 - _REQUEST, now)
    assert pace.request(0.001 - _REQUEST, now) == pytest.approx(0.001 / _SHARE)


def test_a_request_costs_what_grpc_does_for_it() -> None:
    """Requests that take no time at all are still counted: no flood is free."""
    pace = Pace(0.0)
    pauses = [pace.request(0.0, 0.0) for _ in range(10_000)]
    assert pauses[int(_BURST / _REQUEST) - 2] == 0
    assert pauses[int(_BURST / _REQUEST) + 1] > 0


def test_responses_count_too() -> None:
    """What was written is paid for by the next request."""
    pace = Pace(0.0)
    pace.response(_BURST, 20_000_000, 0.0)
    assert pace.request(0.0, 0.0) == pytest.approx((20_000_000 * _RESPONSE_BYTE + _REQUEST) / _SHARE)


async def test_what_changes_is_not_what_was_asked_for(
    port: int, cache: SnapshotCache, monkeypatch: pytest.MonkeyPatch, *, delta: bool
) -> None:
    """However often a snapshot changes, only the response to a request is paid for, so that ACKs are read at once."""
    sizes: list[int] = []
    monkeypatch.setattr(Pace, "response", lambda _pace, _work, size, _now: sizes.append(size))
    cache.update("tenant-a", [cluster("a")])
    async with XdsClient(port, delta=delta) as client:
        await client.subscribe(CLUSTER)
        for number in range(2, 10):
            response = await client.receive()
            cache.update("tenant-a", [cluster("a", number)])
            await client.ack(response)
        await client.receive()
    assert len(sizes) == 1


class Stalled(Observer):
    """An observer in whose time the machine runs something else, for longer than a burst."""

    def answered(self, stream: StreamInfo, type_url: str, outcome: Outcome, seconds: float) -> None:  # noqa: ARG002
        """Stand still, without working."""
        time.sleep(2 * BURST)


BURST = 0.05
"""Seconds of CPU: a hundred times what a request takes here, and much less than the bound of a test."""


async def test_a_machine_that_was_busy_elsewhere_is_not_paid_for(
    cache: SnapshotCache, monkeypatch: pytest.MonkeyPatch, *, delta: bool
) -> None:
    """Requests in whose time the process did not run are no work of their stream: the next one is read at once."""
    monkeypatch.setattr(stream, "Pace", partial(Pace, share=0.001, burst=BURST))
    cache.update("tenant-a", [cluster("a"), listener("a")])
    server = XdsServer(cache, observer=Stalled())
    try:
        async with XdsClient(await server.start("127.0.0.1:0"), delta=delta) as client:
            await client.subscribe(CLUSTER)
            await client.ack(await client.receive())
            await client.subscribe(LISTENER)
            await client.receive()
    finally:
        await server.stop()
