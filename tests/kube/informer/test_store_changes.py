from __future__ import annotations

from kube.informer.store import Change, Store
from tests.kube.informer.things import Listener, ref, thing


def test_a_new_object_is_stored_and_told(store: Store) -> None:
    """An object that was not there is a change from None to it."""
    listener = Listener(store)
    changes = store.apply(now=0, upserts=[thing("a")])
    assert changes == (Change(ref("a"), None, thing("a")),)
    assert listener.heard == [changes]
    assert store.get(ref("a")) == thing("a")


def test_an_equal_object_is_no_change(store: Store) -> None:
    """An equal version makes no change, wakes no listener, and the stored object stays the same one."""
    first = thing("a", 1)
    store.apply(now=0, upserts=[first])
    listener = Listener(store)
    assert store.apply(now=1, upserts=[thing("a", 1)]) == ()
    assert listener.heard == []
    assert store.get(ref("a")) is first


def test_another_version_replaces_the_one_before(store: Store) -> None:
    """A change of an object carries the version before and the version after."""
    store.apply(now=0, upserts=[thing("a", 1)])
    assert store.apply(now=1, upserts=[thing("a", 2)]) == (Change(ref("a"), thing("a", 1), thing("a", 2)),)


def test_an_object_that_nothing_names_goes_at_once(store: Store) -> None:
    """A removal drops an object that no other names in the same transaction."""
    store.apply(now=0, upserts=[thing("a")])
    assert store.apply(now=1, removals=[ref("a")]) == (Change(ref("a"), thing("a"), None),)
    assert store.get(ref("a")) is None
    assert store.of_kind("Thing") == ()


def test_removing_what_is_not_there_is_no_change(store: Store) -> None:
    """A removal of an object that the store does not hold makes no change and wakes no listener."""
    listener = Listener(store)
    assert store.apply(now=0, removals=[ref("a")]) == ()
    assert listener.heard == []


def test_one_transaction_is_heard_in_one_call(store: Store) -> None:
    """A listener hears everything that one transaction changed in one call, after all of it is stored."""
    store.apply(now=0, upserts=[thing("old")])
    seen: list[tuple[int, object, object]] = []
    store.subscribe(lambda changes: seen.append((len(changes), store.get(ref("old")), store.get(ref("new")))))
    store.apply(now=1, upserts=[thing("new"), thing("other")], removals=[ref("old")])
    assert seen == [(3, None, thing("new"))]


def test_of_several_versions_in_one_transaction_the_last_counts(store: Store) -> None:
    """Two versions of one object in a transaction are one change, to the last of them."""
    store.apply(now=0, upserts=[thing("a", 1)])
    changes = store.apply(now=1, upserts=[thing("a", 2), thing("a", 3)])
    assert changes == (Change(ref("a"), thing("a", 1), thing("a", 3)),)


def test_versions_that_end_where_they_began_are_no_change(store: Store) -> None:
    """A transaction that leaves an object as it was makes no change, whatever lay between."""
    store.apply(now=0, upserts=[thing("a", 1)])
    assert store.apply(now=1, upserts=[thing("a", 2), thing("a", 1)]) == ()


def test_removed_and_there_again_is_replaced(store: Store) -> None:
    """An object that one transaction removes and brings is there, as one change from version to version."""
    store.apply(now=0, upserts=[thing("a", 1)])
    changes = store.apply(now=1, upserts=[thing("a", 2)], removals=[ref("a")])
    assert changes == (Change(ref("a"), thing("a", 1), thing("a", 2)),)


def test_removed_and_there_again_equal_is_no_change(store: Store) -> None:
    """An object that one transaction removes and brings back equal did not change."""
    store.apply(now=0, upserts=[thing("a", 1)])
    assert store.apply(now=1, upserts=[thing("a", 1)], removals=[ref("a")]) == ()


def test_the_same_removal_twice_is_one_change(store: Store) -> None:
    """Naming an object twice among the removals removes it once."""
    store.apply(now=0, upserts=[thing("a")])
    assert len(store.apply(now=1, removals=[ref("a"), ref("a")])) == 1


def test_objects_are_listed_by_kind(store: Store) -> None:
    """A kind's objects are listed without those of other kinds, as they stood when asked."""
    store.apply(now=0, upserts=[thing("a"), thing("b"), thing("a", kind="Other")])
    listed = store.of_kind("Thing")
    store.apply(now=1, removals=[ref("a")])
    assert set(listed) == {thing("a"), thing("b")}
    assert store.of_kind("Thing") == (thing("b"),)
    assert store.of_kind("Other") == (thing("a", kind="Other"),)
    assert store.of_kind("Nothing") == ()


def test_an_ended_subscription_hears_nothing(store: Store) -> None:
    """A listener that unsubscribed hears no further transaction, the others do."""
    gone, staying = Listener(store), Listener(store)
    gone.unsubscribe()
    store.apply(now=0, upserts=[thing("a")])
    assert gone.heard == []
    assert len(staying.heard) == 1


def test_a_listener_may_unsubscribe_while_it_is_called(store: Store) -> None:
    """A listener that ends its subscription during a call takes no other listener's turn away."""
    heard: list[str] = []

    def once(_: tuple[Change, ...]) -> None:
        heard.append("once")
        unsubscribe()

    unsubscribe = store.subscribe(once)
    store.subscribe(lambda _: heard.append("always"))
    store.apply(now=0, upserts=[thing("a")])
    store.apply(now=0, upserts=[thing("b")])
    assert heard == ["once", "always", "always"]


def test_its_repr_shows_its_state(store: Store) -> None:
    """The representation counts what is held and names who has not synced."""
    store.expect("manifests")
    store.apply(now=0, upserts=[thing("a", names=("b",)), thing("b")])
    store.apply(now=0, removals=[ref("b")])
    assert repr(store) == "<Store objects=2 lingering=1 invalid=0 unsynced=['manifests']>"
