from __future__ import annotations

from typing import NamedTuple

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from kube.informer.store import LINGER, Change, Store
from kube.objects import ObjectRef
from tests.kube.informer.things import Listener, Thing, fault, names_of, ref
from tests.support.examples import examples

NAMES = st.sampled_from("abcde")
THINGS = st.builds(
    Thing,
    ref=NAMES.map(ref),
    value=st.integers(0, 1),
    names=st.frozensets(NAMES.map(ref), max_size=2),
)


class Entry(NamedTuple):
    """What the model knows of one object that is visible."""

    thing: Thing
    until: float | None  # when it goes; None while it has not been removed


class NaiveModel:
    """The store's rules, each written as a scan over everything."""

    def __init__(self) -> None:
        self.entries: dict[ObjectRef, Entry] = {}
        self.invalid: set[ObjectRef] = set()

    def referrers(self, target: ObjectRef) -> set[ObjectRef]:
        """Return who names an object, found by looking at all."""
        return {ref for ref, entry in self.entries.items() if target in entry.thing.names}

    def drop_what_lingers_for_nobody(self) -> None:
        """Drop what was removed and is named by no other, until there is nothing of the kind."""
        while idle := [
            ref
            for ref, entry in self.entries.items()
            if entry.until is not None and not self.referrers(ref) - {ref}
        ]:
            del self.entries[idle[0]]

    def apply(
        self, now: float, upserts: list[Thing], removals: list[ObjectRef], invalid: list[ObjectRef]
    ) -> None:
        """Make one transaction: what goes, then what is there, then what is there but invalid."""
        for target in removals:
            self.invalid.discard(target)
            entry = self.entries.get(target)
            if entry is not None and entry.until is None:
                self.entries[target] = Entry(entry.thing, now + LINGER)
        for thing in upserts:
            self.invalid.discard(thing.ref)
            self.entries[thing.ref] = Entry(thing, None)
        for target in invalid:
            self.invalid.add(target)
            if target in self.entries:
                self.entries[target] = Entry(self.entries[target].thing, None)
        self.drop_what_lingers_for_nobody()

    def expire(self, now: float) -> None:
        """Drop what was removed too long ago."""
        self.entries = {
            ref: entry for ref, entry in self.entries.items() if entry.until is None or entry.until > now
        }
        self.drop_what_lingers_for_nobody()


class StoreMachine(RuleBasedStateMachine):
    """Drives the store and the model alike, and holds every view of the one against the other."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.model = NaiveModel()
        self.store = Store(references=names_of)
        self.listener = Listener(self.store)
        self.told: dict[ObjectRef, Thing] = {}

    def check_changes(self, changes: tuple[Change, ...]) -> None:
        """Hold changes against what a listener knew, as one would that keeps a copy of its own."""
        assert len({change.ref for change in changes}) == len(changes)
        if changes:
            assert self.listener.heard.pop() == changes
        assert self.listener.heard in ([], [()])
        self.listener.heard.clear()
        for change in changes:
            assert change.old == self.told.get(change.ref)
            assert change.old != change.new
            if isinstance(change.new, Thing):
                self.told[change.ref] = change.new
            else:
                del self.told[change.ref]

    @rule(
        upserts=st.lists(THINGS, max_size=3),
        removals=st.lists(NAMES.map(ref), max_size=3),
        invalid=st.lists(NAMES, max_size=1),
    )
    def apply(self, upserts: list[Thing], removals: list[ObjectRef], invalid: list[str]) -> None:
        """Make one transaction of anything."""
        self.model.apply(self.now, upserts, removals, [ref(name) for name in invalid])
        self.check_changes(
            self.store.apply(
                now=self.now, upserts=upserts, removals=removals, invalid=[fault(name) for name in invalid]
            )
        )

    @rule(seconds=st.sampled_from([0.0, 0.1, 0.25, LINGER]))
    def wait(self, seconds: float) -> None:
        """Let time pass without anyone looking."""
        self.now += seconds

    @rule()
    def expire(self) -> None:
        """Look whether something's time is over."""
        self.model.expire(self.now)
        self.check_changes(self.store.expire(self.now))

    @invariant()
    def holds_the_same_objects(self) -> None:
        """See that what is visible, by name and by kind and to a listener, is what the model says."""
        expected = {target: entry.thing for target, entry in self.model.entries.items()}
        assert {thing.ref: thing for thing in self.store.of_kind("Thing")} == expected
        assert {name: self.store.get(name) for name in expected} == expected
        assert self.told == expected

    @invariant()
    def indexes_the_same_referrers(self) -> None:
        """See that the index names for every object, there or not, the referrers that a scan finds."""
        for name in "abcde":
            assert self.store.referrers(ref(name)) == self.model.referrers(ref(name))

    @invariant()
    def knows_what_is_next(self) -> None:
        """See that the next expiry is the earliest of all, and what is invalid is the same."""
        times = [entry.until for entry in self.model.entries.values() if entry.until is not None]
        assert self.store.next_expiry == min(times, default=None)
        assert set(self.store.invalid) == self.model.invalid


TestStoreAgainstModel = StoreMachine.TestCase
TestStoreAgainstModel.settings = settings(max_examples=examples(150), stateful_step_count=30, deadline=None)
