"""How long a stream is not read from, by the work that it causes."""

import pytest

from tests.support.resources import cluster
from tests.support.xds_client import XdsClient
from xds.server.pace import _BURST, _REQUEST, _RESPONSE_BYTE, _SHARE, Pace
from xds.snapshot import SnapshotCache
from xds.snapshot.types import CLUSTER


def test_a_stream_that_asks_now_and_then_never_waits() -> None:
    """Work within the share is never paused for, however long it goes on."""
    pace = Pace(0.0)
    for second in range(10_000):
        assert pace.request(float(second), second + _SHARE - _REQUEST) == 0


def test_a_burst_is_free() -> None:
    """So much work at once is not paused for, and for what goes beyond it the pause is what the share makes of it."""
    pace = Pace(0.0)
    assert pace.request(-_BURST + _REQUEST, 0.0) == 0
    assert pace.request(-0.01 + _REQUEST, 0.0) == pytest.approx(0.01 / _SHARE)


def test_after_the_pause_the_next_request_is_taken() -> None:
    """A pause that was kept empties the account to where the next request, and only that, is paid for again."""
    pace, now = Pace(0.0), 0.0
    pace.request(-10.0, now)
    for _ in range(100):
        now += pace.request(now - 0.001 + _REQUEST, now)
    assert pace.request(now - 0.001 + _REQUEST, now) == pytest.approx(0.001 / _SHARE)


def test_a_request_costs_what_grpc_does_for_it() -> None:
    """Requests that take no time at all are still counted: no flood is free."""
    pace = Pace(0.0)
    pauses = [pace.request(0.0, 0.0) for _ in range(10_000)]
    assert pauses[int(_BURST / _REQUEST) - 2] == 0
    assert pauses[int(_BURST / _REQUEST) + 1] > 0


def test_responses_count_too() -> None:
    """What was written is paid for by the next request."""
    pace = Pace(0.0)
    pace.response(-_BURST, 0.0, 20_000_000)
    assert pace.request(0.0, 0.0) == pytest.approx((20_000_000 * _RESPONSE_BYTE + _REQUEST) / _SHARE)


async def test_what_changes_is_not_what_was_asked_for(
    port: int, cache: SnapshotCache, monkeypatch: pytest.MonkeyPatch, *, delta: bool
) -> None:
    """However often a snapshot changes, only the response to a request is paid for, so that ACKs are read at once."""
    sizes: list[int] = []
    monkeypatch.setattr(Pace, "response", lambda *arguments: sizes.append(arguments[-1]))
    cache.update("tenant-a", [cluster("a")])
    async with XdsClient(port, delta=delta) as client:
        await client.subscribe(CLUSTER)
        for number in range(2, 10):
            response = await client.receive()
            cache.update("tenant-a", [cluster("a", number)])
            await client.ack(response)
        await client.receive()
    assert len(sizes) == 1
