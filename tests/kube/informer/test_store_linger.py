from __future__ import annotations

import pytest

from kube.informer.store import Change, Store
from kube.objects import ObjectRef
from tests.kube.informer.things import Listener, names_of, ref, thing

SECRET = thing("secret")
USER = thing("user", names=("secret",))


@pytest.fixture
def store(store: Store) -> Store:
    """Return a store in which a user names a secret, both there since second 0."""
    store.apply(now=0, upserts=[SECRET, USER])
    return store


def test_what_is_named_outlives_its_removal(store: Store) -> None:
    """A removed object that another one names stays visible, without a change."""
    listener = Listener(store)
    assert store.apply(now=10, removals=[SECRET.ref]) == ()
    assert store.get(SECRET.ref) == SECRET
    assert SECRET in store.of_kind("Thing")
    assert listener.heard == [()]  # no change, but an expiry to wait for


def test_it_goes_when_its_time_is_over(store: Store) -> None:
    """Half a second after its removal, not earlier, an object that is still named goes."""
    store.apply(now=10, removals=[SECRET.ref])
    listener = Listener(store)
    assert store.next_expiry == 10.5
    assert store.expire(10.4) == ()
    assert listener.heard == []
    assert store.expire(10.5) == (Change(SECRET.ref, SECRET, None),)
    assert listener.heard == [(Change(SECRET.ref, SECRET, None),)]
    assert store.get(SECRET.ref) is None
    assert store.next_expiry is None


def test_an_equal_object_in_time_means_nothing_happened(store: Store) -> None:
    """An object that comes back equal while it lingers makes no change, and stays for good."""
    store.apply(now=10, removals=[SECRET.ref])
    listener = Listener(store)
    assert store.apply(now=10.1, upserts=[thing("secret")]) == ()
    assert (store.next_expiry, store.expire(99)) == (None, ())
    assert listener.heard == [()]  # no change, and no expiry to wait for
    assert store.get(SECRET.ref) is SECRET


def test_another_version_in_time_is_one_change(store: Store) -> None:
    """An object that comes back different while it lingers is one change, from version to version."""
    store.apply(now=10, removals=[SECRET.ref])
    new = thing("secret", 2)
    assert store.apply(now=10.1, upserts=[new]) == (Change(SECRET.ref, SECRET, new),)
    assert store.next_expiry is None


def test_it_goes_with_the_last_that_names_it(store: Store) -> None:
    """A lingering object goes at once, in one transaction, when the last object that names it is removed."""
    store.apply(now=10, removals=[SECRET.ref])
    changes = store.apply(now=10.1, removals=[USER.ref])
    assert set(changes) == {Change(USER.ref, USER, None), Change(SECRET.ref, SECRET, None)}
    assert store.next_expiry is None


def test_it_goes_when_the_last_that_names_it_names_it_no_longer(store: Store) -> None:
    """A lingering object goes at once when a version of its last referrer no longer names it."""
    store.apply(now=10, removals=[SECRET.ref])
    alone = thing("user")
    assert set(store.apply(now=10.1, upserts=[alone])) == {
        Change(USER.ref, USER, alone),
        Change(SECRET.ref, SECRET, None),
    }


def test_it_stays_while_another_names_it(store: Store) -> None:
    """A lingering object stays its time when one of several referrers goes."""
    store.apply(now=9, upserts=[thing("second", names=("secret",))])
    store.apply(now=10, removals=[SECRET.ref])
    store.apply(now=10.1, removals=[USER.ref])
    assert store.get(SECRET.ref) == SECRET
    assert store.next_expiry == 10.5


@pytest.mark.parametrize("order", [(SECRET.ref, USER.ref), (USER.ref, SECRET.ref)])
def test_both_removed_together_go_together(store: Store, order: tuple[ObjectRef, ...]) -> None:
    """An object that is removed with the only one that names it does not linger, whichever was named first."""
    changes = store.apply(now=10, removals=order)
    assert set(changes) == {Change(USER.ref, USER, None), Change(SECRET.ref, SECRET, None)}


def test_a_referrer_that_comes_with_the_removal_makes_it_linger() -> None:
    """What counts is who names an object after the transaction: a referrer it brings makes the removed one linger."""
    store = Store(references=names_of)
    store.apply(now=0, upserts=[SECRET])
    assert store.apply(now=10, upserts=[USER], removals=[SECRET.ref]) == (Change(USER.ref, None, USER),)
    assert store.next_expiry == 10.5


def test_a_referrer_may_change_hands_in_one_transaction(store: Store) -> None:
    """A lingering object stays when one transaction takes its last referrer away and brings another."""
    store.apply(now=10, removals=[SECRET.ref])
    store.apply(now=10.1, upserts=[thing("second", names=("secret",))], removals=[USER.ref])
    assert store.get(SECRET.ref) == SECRET
    assert store.next_expiry == 10.5


def test_a_new_referrer_does_not_prolong_it(store: Store) -> None:
    """An object that begins to name a lingering one sees it, and does not give it more time."""
    store.apply(now=10, removals=[SECRET.ref])
    store.apply(now=10.4, upserts=[thing("second", names=("secret",))])
    assert store.expire(10.5) == (Change(SECRET.ref, SECRET, None),)


def test_a_new_referrer_does_not_bring_back_what_went(store: Store) -> None:
    """An object that names one that has gone finds nothing."""
    store.apply(now=10, removals=[SECRET.ref])
    store.expire(10.5)
    store.apply(now=11, upserts=[thing("second", names=("secret",))])
    assert store.get(SECRET.ref) is None
    assert store.next_expiry is None


def test_a_second_removal_does_not_prolong_it(store: Store) -> None:
    """Removing what already lingers leaves it the time it had."""
    store.apply(now=10, removals=[SECRET.ref])
    store.apply(now=10.3, removals=[SECRET.ref])
    assert store.next_expiry == 10.5


def test_removed_again_after_it_came_back_it_lingers_anew(store: Store) -> None:
    """An object that came back and is removed again has its whole time again, behind those that were before it."""
    other = thing("other")
    store.apply(now=0, upserts=[other, thing("second", names=("other",))])
    store.apply(now=10, removals=[SECRET.ref, other.ref])
    store.apply(now=10.1, upserts=[SECRET])
    store.apply(now=10.2, removals=[SECRET.ref])
    assert store.expire(10.5) == (Change(other.ref, other, None),)
    assert store.next_expiry == 10.7


def test_a_chain_goes_with_its_head() -> None:
    """When an object goes, what lingered only for it goes in the same transaction, link by link."""
    store = Store(references=names_of)
    chain = [thing("a", names=("b",)), thing("b", names=("c",)), thing("c")]
    store.apply(now=0, upserts=chain)
    store.apply(now=10, removals=[ref("b"), ref("c")])
    assert store.of_kind("Thing") == tuple(chain)
    assert len(store.apply(now=10.1, removals=[ref("a")])) == 3
    assert store.next_expiry is None


def test_what_expires_takes_what_lingered_only_for_it() -> None:
    """When a lingering object's time is over, one that lingered only because of it goes with it."""
    store = Store(references=names_of)
    store.apply(now=0, upserts=[thing("a", names=("b",)), thing("b", names=("c",)), thing("c")])
    store.apply(now=10, removals=[ref("b")])
    store.apply(now=10.4, removals=[ref("c")])
    assert {change.ref for change in store.expire(10.5)} == {ref("b"), ref("c")}


def test_a_circle_ends_with_its_time() -> None:
    """Objects that name each other linger for each other, and no longer than their time."""
    store = Store(references=names_of)
    store.apply(now=0, upserts=[thing("a", names=("b",)), thing("b", names=("a",))])
    assert store.apply(now=10, removals=[ref("a"), ref("b")]) == ()
    assert {change.ref for change in store.expire(10.5)} == {ref("a"), ref("b")}
    assert store.of_kind("Thing") == ()


def test_the_time_is_a_setting() -> None:
    """A store lingers for as many seconds as it is told."""
    store = Store(references=names_of, linger=2.0)
    store.apply(now=0, upserts=[SECRET, USER])
    store.apply(now=1, removals=[SECRET.ref])
    assert store.next_expiry == 3.0
