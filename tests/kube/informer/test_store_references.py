from __future__ import annotations

from kube.informer.store import Store, Stored
from kube.objects import ObjectRef
from tests.kube.informer.things import names_of, ref, thing


def test_referrers_of_an_object_are_those_that_name_it(store: Store) -> None:
    """Each object that names another is its referrer."""
    store.apply(
        now=0, upserts=[thing("ca"), thing("a", names=("ca",)), thing("b", names=("ca", "x")), thing("c")]
    )
    assert store.referrers(ref("ca")) == {ref("a"), ref("b")}
    assert store.referrers(ref("a")) == frozenset()


def test_what_does_not_exist_has_referrers_too(store: Store) -> None:
    """An object that is named before it exists, or after it went, has its referrers."""
    store.apply(now=0, upserts=[thing("a", names=("ca",))])
    assert store.referrers(ref("ca")) == {ref("a")}
    store.apply(now=0, upserts=[thing("ca")])
    store.apply(now=1, removals=[ref("ca")])
    store.expire(2)
    assert store.get(ref("ca")) is None
    assert store.referrers(ref("ca")) == {ref("a")}


def test_a_version_that_names_others_moves_the_index(store: Store) -> None:
    """When an object names others than before, it refers to those and no longer to the ones before."""
    store.apply(now=0, upserts=[thing("a", names=("x", "y"))])
    store.apply(now=1, upserts=[thing("a", names=("y", "z"))])
    assert [store.referrers(ref(name)) for name in "xyz"] == [frozenset(), {ref("a")}, {ref("a")}]


def test_an_object_that_went_refers_to_nothing(store: Store) -> None:
    """A removed object is nobody's referrer."""
    store.apply(now=0, upserts=[thing("a", names=("x",))])
    store.apply(now=1, removals=[ref("a")])
    assert store.referrers(ref("x")) == frozenset()


def test_what_was_returned_does_not_change(store: Store) -> None:
    """The referrers that were asked for stay as they were then."""
    store.apply(now=0, upserts=[thing("a", names=("x",))])
    before = store.referrers(ref("x"))
    store.apply(now=1, upserts=[thing("b", names=("x",))])
    assert before == {ref("a")}


def test_references_are_asked_once_for_each_version() -> None:
    """What an object names is worked out once for a version, and not at all for an equal one."""
    asked: list[Stored] = []

    def references(stored: Stored) -> frozenset[ObjectRef]:
        asked.append(stored)
        return names_of(stored)

    store = Store(references=references)
    store.apply(now=0, upserts=[thing("a", 1, names=("x",))])
    store.apply(now=1, upserts=[thing("a", 1, names=("x",))])
    store.apply(now=2, upserts=[thing("a", 2, names=("x",))])
    store.apply(now=3, removals=[ref("a")])
    assert asked == [thing("a", 1, names=("x",)), thing("a", 2, names=("x",))]


def test_an_object_may_name_itself(store: Store) -> None:
    """An object that names itself is its own referrer, and goes at once all the same."""
    store.apply(now=0, upserts=[thing("a", names=("a",))])
    assert store.referrers(ref("a")) == {ref("a")}
    store.apply(now=1, removals=[ref("a")])
    assert store.get(ref("a")) is None
    assert store.referrers(ref("a")) == frozenset()
