"""The pause before a reconnect."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube.informer import timing as informer_timing
from kube.informer.timing import Backoff, Timing

if TYPE_CHECKING:
    from collections.abc import Callable

TIMING = Timing(first_wait=1.0, longest_wait=10.0)


@pytest.fixture
def longest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every pause last for as long as its bound."""
    _draw(monkeypatch, lambda _, high: high)


def _draw(monkeypatch: pytest.MonkeyPatch, uniform: Callable[[float, float], float]) -> None:
    monkeypatch.setattr(informer_timing, "random", SimpleNamespace(uniform=uniform))


@pytest.mark.usefixtures("longest")
def test_it_doubles_up_to_the_longest() -> None:
    """Each failure doubles the bound, from the first wait to the longest, where it stays."""
    backoff = Backoff(TIMING)
    assert [backoff.pause(0.0) for _ in range(6)] == [1, 2, 4, 8, 10, 10]


@pytest.mark.usefixtures("longest")
def test_a_connection_that_lived_begins_anew() -> None:
    """After a connection that lived for longer than the bound the first wait is the bound again; one that did not changes nothing."""
    backoff = Backoff(TIMING)
    waits = [backoff.pause(lived) for lived in (0.0, 0.5, 2.0, 8.5, 0.0, 100.0)]
    assert waits == [1, 2, 4, 1, 2, 1]


@pytest.mark.usefixtures("longest")
def test_the_servers_wish_is_kept() -> None:
    """A pause is never shorter than the server asks for, and the bound grows as ever."""
    backoff = Backoff(TIMING)
    asked = (5.0, 0.0, None, 7.0, 600.0, -3.0)
    waits = [backoff.pause(0.0, retry_after=seconds) for seconds in asked]
    assert waits == [5.0, 2.0, 4.0, 8.0, 600.0, 10.0]


def test_the_whole_range_is_drawn_from(monkeypatch: pytest.MonkeyPatch) -> None:
    """The jitter is full: a pause is drawn from nothing at all up to the bound."""
    drawn: list[tuple[float, float]] = []

    def uniform(low: float, high: float) -> float:
        drawn.append((low, high))
        return (low + high) / 2

    _draw(monkeypatch, uniform)
    backoff = Backoff(TIMING)
    assert [backoff.pause(0.0) for _ in range(3)] == [0.5, 1.0, 2.0]
    assert drawn == [(0, 1.0), (0, 2.0), (0, 4.0)]


@given(lived=st.lists(st.floats(0, 1000), max_size=20), retry_after=st.none() | st.floats(0, 1e6))
def test_it_is_bounded(lived: list[float], retry_after: float | None) -> None:
    """Whatever happens, a pause is between nothing and the longest, or what the server asks for."""
    backoff = Backoff(TIMING)
    for seconds in lived:
        assert 0 <= backoff.pause(seconds) <= TIMING.longest_wait
    wait = backoff.pause(0.0, retry_after=retry_after)
    assert (retry_after or 0) <= wait <= max(TIMING.longest_wait, retry_after or 0)


@given(watch=st.floats(0.1, 10_000))
def test_the_time_of_a_watch(watch: float) -> None:
    """A watch is asked for between half of its time and all of it, in whole seconds, one at least."""
    seconds = Timing(watch=watch).watch_seconds()
    assert max(1, round(watch / 2)) <= seconds <= max(1, round(watch))
