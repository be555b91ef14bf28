from __future__ import annotations

from kube.informer.store import Change, Store
from tests.kube.informer.things import Listener, fault, ref, thing


def test_an_object_that_turns_invalid_keeps_its_last_good_version(store: Store) -> None:
    """An invalid version changes nothing that is stored, and says what is wrong."""
    store.apply(now=0, upserts=[thing("a", 1)])
    error = fault("a")
    assert store.apply(now=1, invalid=[error]) == ()
    assert store.get(ref("a")) == thing("a", 1)
    assert store.invalid == {ref("a"): error}


def test_an_object_that_was_never_good_is_not_stored(store: Store) -> None:
    """An object whose first version is invalid is not there, and says what is wrong."""
    store.apply(now=0, invalid=[fault("a")])
    assert store.get(ref("a")) is None
    assert ref("a") in store.invalid


def test_listeners_hear_of_it_once(store: Store) -> None:
    """A listener is called, without changes, when an object turns invalid or otherwise invalid, not for the same fault."""
    listener = Listener(store)
    store.apply(now=0, invalid=[fault("a")])
    store.apply(now=1, invalid=[fault("a")])
    assert listener.heard == [()]
    store.apply(now=2, invalid=[fault("a", "70000")])
    assert listener.heard == [(), ()]
    assert store.invalid[ref("a")].faults[0].value == "70000"


def test_a_good_version_heals_it(store: Store) -> None:
    """A good version takes the fault away."""
    store.apply(now=0, upserts=[thing("a", 1)])
    store.apply(now=1, invalid=[fault("a")])
    store.apply(now=2, upserts=[thing("a", 2)])
    assert store.get(ref("a")) == thing("a", 2)
    assert store.invalid == {}


def test_the_last_good_version_heals_it_without_a_change(store: Store) -> None:
    """A version equal to the last good one takes the fault away, which listeners hear without a change."""
    store.apply(now=0, upserts=[thing("a", 1)])
    store.apply(now=1, invalid=[fault("a")])
    listener = Listener(store)
    assert store.apply(now=2, upserts=[thing("a", 1)]) == ()
    assert listener.heard == [()]
    assert store.invalid == {}


def test_its_removal_takes_the_fault_along(store: Store) -> None:
    """A removal forgets the fault and the last good version, and the fault of an object that was never stored."""
    store.apply(now=0, upserts=[thing("a", 1)])
    store.apply(now=1, invalid=[fault("a"), fault("b")])
    listener = Listener(store)
    gone = Change(ref("a"), thing("a", 1), None)
    assert store.apply(now=2, removals=[ref("a")]) == (gone,)
    assert store.apply(now=3, removals=[ref("b")]) == ()
    assert listener.heard == [(gone,), ()]
    assert store.invalid == {}


def test_a_replacement_that_is_invalid_keeps_the_last_good_version(store: Store) -> None:
    """An object that one transaction removes and brings back invalid keeps its last good version."""
    store.apply(now=0, upserts=[thing("a", 1)])
    assert store.apply(now=1, removals=[ref("a")], invalid=[fault("a")]) == ()
    assert store.get(ref("a")) == thing("a", 1)
    assert ref("a") in store.invalid


def test_an_invalid_version_ends_the_linger(store: Store) -> None:
    """A lingering object that comes back invalid is there again: its last good version stays for good."""
    store.apply(now=0, upserts=[thing("a"), thing("user", names=("a",))])
    store.apply(now=1, removals=[ref("a")])
    store.apply(now=1.1, invalid=[fault("a")])
    assert store.next_expiry is None
    assert store.get(ref("a")) == thing("a")


def test_good_then_invalid_in_one_transaction_keeps_the_good_one(store: Store) -> None:
    """A version that comes with an invalid one after it is the last good version."""
    changes = store.apply(now=0, upserts=[thing("a", 1)], invalid=[fault("a")])
    assert changes == (Change(ref("a"), None, thing("a", 1)),)
    assert ref("a") in store.invalid


def test_what_is_invalid_is_for_reading(store: Store) -> None:
    """The faults show the present state and cannot be altered from outside."""
    shown = store.invalid
    store.apply(now=0, invalid=[fault("a")])
    assert list(shown) == [ref("a")]
    assert not hasattr(shown, "__setitem__")
