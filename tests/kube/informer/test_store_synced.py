from __future__ import annotations

from kube.informer.store import Store
from tests.kube.informer.things import Listener, names_of


def test_a_store_that_expects_nobody_is_synced() -> None:
    """Without an expected source there is nothing to wait for."""
    assert Store(references=names_of).synced


def test_it_is_synced_when_the_last_source_is() -> None:
    """The store is synced once every expected source is, and names those that are not."""
    store = Store(references=names_of)
    store.expect("manifests")
    store.expect("kubernetes")
    store.mark_synced("manifests")
    assert (store.synced, store.unsynced) == (False, frozenset({"kubernetes"}))
    store.mark_synced("kubernetes")
    assert (store.synced, store.unsynced) == (True, frozenset())


def test_listeners_hear_that_it_synced_and_only_that() -> None:
    """A listener is called, without changes, when the store becomes synced: not for each source, nor twice."""
    store = Store(references=names_of)
    store.expect("manifests")
    store.expect("kubernetes")
    listener = Listener(store)
    store.mark_synced("manifests")
    assert listener.heard == []
    store.mark_synced("kubernetes")
    store.mark_synced("kubernetes")
    assert listener.heard == [()]


def test_listeners_hear_that_it_waits_for_a_further_source() -> None:
    """A source that is expected later makes a synced store unsynced, which listeners hear once."""
    store = Store(references=names_of)
    listener = Listener(store)
    store.expect("manifests")
    store.expect("kubernetes")
    assert not store.synced
    assert listener.heard == [()]
