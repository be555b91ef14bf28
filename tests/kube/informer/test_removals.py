"""What lists no longer have goes when all informers agree, and not before."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kube.informer.removals import Removals
from tests.kube.informer.things import ref

if TYPE_CHECKING:
    from collections.abc import Collection

    from kube.objects import ObjectRef

A, B, C = ref("a"), ref("b"), ref("c")


class Clock:
    """Moves on by a second each time it is asked."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Return the time."""
        self.now += 1
        return self.now


class Member:
    """An informer that lists when it is told to, and remembers what it was asked."""

    def __init__(self, name: str, removals: Removals, clock: Clock) -> None:
        self.name = name
        self.list_began = float("-inf")
        self.asked: list[float] = []
        self.removed: list[set[ObjectRef]] = []
        self._removals = removals
        self._clock = clock
        removals.join(self)

    @property
    def has_synced(self) -> bool:
        """Whether it ever listed."""
        return self.list_began > float("-inf")

    def list_again(self, since: float) -> None:
        """Remember to list, if the last list was earlier."""
        if self.list_began < since:
            self.asked.append(since)

    def remove(self, refs: Collection[ObjectRef]) -> None:
        """Remember what is to go."""
        self.removed.append(set(refs))

    def lists(self, *missing: ObjectRef, began: float | None = None) -> None:
        """Complete a list that lacks something, and began just now if nothing else is said."""
        self.list_began = self._clock() if began is None else began
        self._removals.listed(self, missing)


@pytest.fixture
def clock() -> Clock:
    """Return a clock."""
    return Clock()


@pytest.fixture
def removals(clock: Clock) -> Removals:
    """Return removals of nobody yet."""
    return Removals(clock)


@pytest.fixture
def members(removals: Removals, clock: Clock) -> list[Member]:
    """Return three members that have all listed once, and lacked nothing."""
    members = [Member(name, removals, clock) for name in ("first", "second", "third")]
    for member in members:
        member.lists()
    return members


def waiting(removals: Removals) -> list[str]:
    """Return the names of those that are waited for."""
    return [*removals.waiting_for]


def confirm(members: list[Member]) -> None:
    """Have those list again that were asked to since, as long as any is, with what they lacked before."""
    for member in members:
        if member.asked and member.list_began < member.asked[-1]:
            member.lists(A)


def test_lists_that_lack_nothing_begin_nothing(members: list[Member], removals: Removals) -> None:
    """As long as lists lack nothing nobody is asked, and nothing is waited for."""
    members[0].lists()
    assert waiting(removals) == []
    assert [member.asked for member in members] == [[], [], []]
    assert [member.removed for member in members] == [[], [], []]


def test_what_one_lacks_waits_for_the_others(members: list[Member], removals: Removals) -> None:
    """What a list lacks stays until each other member has completed a list that began no earlier."""
    first, second, third = members
    first.lists(A)
    began = first.list_began
    assert waiting(removals) == ["second", "third"]
    assert (first.asked, second.asked, third.asked) == ([], [began], [began])
    second.lists()
    assert waiting(removals) == ["third"]
    assert first.removed == []
    third.lists()
    confirm(members)
    assert first.removed == [{A}]
    assert (second.removed, third.removed) == ([], [])
    assert waiting(removals) == []


def test_a_list_that_began_earlier_does_not_count(
    members: list[Member], removals: Removals, clock: Clock
) -> None:
    """A list that was under way when the first one began to lack something says nothing about now."""
    first, second, third = members
    early = clock()
    first.lists(A)
    second.lists(began=early)
    third.lists()
    assert waiting(removals) == ["second"]
    assert first.removed == []


def test_each_loses_what_it_lacks(members: list[Member]) -> None:
    """When a round ends every member loses what its own last list lacked."""
    first, second, third = members
    first.lists(A)
    second.lists(B, C)
    third.lists()
    if first.asked:
        first.lists(A)
    if second.asked[1:]:
        second.lists(B, C)
    assert (first.removed, second.removed, third.removed) == ([{A}], [{B, C}], [])


def test_a_later_list_takes_the_place_of_an_earlier_one(members: list[Member], removals: Removals) -> None:
    """What a list lacked and the next one of the same member has again does not go."""
    first, second, third = members
    first.lists(A, B)
    second.lists()
    first.lists(B)
    third.lists()
    if removals.waiting_for:
        first.lists(B)
    assert first.removed == [{B}]


def test_what_a_watch_told_of_does_not_go(members: list[Member], removals: Removals) -> None:
    """An object that a watch has said something about since the list lacked it is not removed for the list's sake."""
    first, second, third = members
    first.lists(A, B)
    removals.seen(first, A)
    removals.seen(second, B)  # another kind's: it has nothing to do with it
    second.lists()
    removals.seen(first, C)
    third.lists()
    if removals.waiting_for:
        first.lists(B)
    assert first.removed == [{B}]


def test_a_member_that_leaves_is_waited_for_no_longer(members: list[Member], removals: Removals) -> None:
    """A round ends without a member that leaves, and what that one lacked is nobody's business any more."""
    first, second, third = members
    first.lists(A)
    second.lists()
    removals.leave(third)
    assert "third" not in waiting(removals)
    confirm([first])
    assert first.removed == [{A}]
    first.removed.clear()
    first.lists(A)
    removals.leave(second)
    confirm([first])
    assert (first.removed, second.removed) == ([{A}], [])


def test_a_list_of_one_that_has_left_counts_for_nothing(members: list[Member], removals: Removals) -> None:
    """A list that is completed after its member has left neither begins a round nor has it waited for."""
    first, second, third = members
    removals.leave(third)
    third.lists(A)
    assert waiting(removals) == []
    assert (first.asked, second.asked) == ([], [])
    first.lists(B)
    second.lists()
    if removals.waiting_for:
        first.lists(B)
    assert waiting(removals) == []
    assert (first.removed, third.removed) == ([{B}], [])


def test_rounds_follow_each_other(members: list[Member], removals: Removals) -> None:
    """After a round the next list that lacks something begins another one, for which all have to list once more."""
    first, second, third = members
    for missing in (A, B):
        first.lists(missing)
        assert waiting(removals) == ["second", "third"]
        second.lists()
        third.lists()
        if removals.waiting_for:
            first.lists(missing)
    assert first.removed == [{A}, {B}]


def test_one_member_alone(removals: Removals, clock: Clock) -> None:
    """A single member needs no other's word."""
    alone = Member("alone", removals, clock)
    alone.lists(A)
    assert alone.removed == [{A}]


def test_one_that_never_listed_holds_nobody_up(
    members: list[Member], removals: Removals, clock: Clock
) -> None:
    """A member that has never listed is asked, but not waited for."""
    first, second, third = members
    late = Member("late", removals, clock)
    first.lists(A)
    assert late.asked == [first.list_began]
    assert waiting(removals) == ["second", "third"]
    second.lists()
    third.lists()
    confirm(members)
    assert first.removed == [{A}]
