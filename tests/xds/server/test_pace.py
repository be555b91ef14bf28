"""How long a stream is not read from, by the work that it causes."""

import pytest

from xds.server.pace import _BURST, _REQUEST, _RESPONSE_BYTE, _SHARE, Pace


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
    """Requests that take no work at all are still counted: no flood is free."""
    pace = Pace(0.0)
    pauses = [pace.request(0.0, 0.0) for _ in range(10_000)]
    assert pauses[int(_BURST / _REQUEST) - 2] == 0
    assert pauses[int(_BURST / _REQUEST) + 1] > 0


def test_responses_count_too() -> None:
    """What was written is paid for by the next request."""
    pace = Pace(0.0)
    pace.response(_BURST, 20_000_000, 0.0)
    assert pace.request(0.0, 0.0) == pytest.approx((20_000_000 * _RESPONSE_BYTE + _REQUEST) / _SHARE)
