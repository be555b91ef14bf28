from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from kube.coordination.conditions import LONGEST_MESSAGE, OURS, merge, timestamp
from kube.objects import Condition

NOW = datetime(2026, 7, 1, 12, 0, 0, 500_000, tzinfo=UTC)
THEN = "2026-06-30T08:00:00Z"

TYPES = st.sampled_from(["Accepted", "ResolvedRefs", "Programmed", "Foreign", "example.com/Other"])
CONDITIONS = st.builds(
    Condition,
    type=TYPES,
    status=st.sampled_from(["True", "False", "Unknown"]),
    reason=st.sampled_from(["A", "B"]),
    message=st.sampled_from(["", "text"]),
    observed_generation=st.integers(0, 2),
    last_transition_time=st.sampled_from(["", THEN]),
)
EXISTING = st.lists(CONDITIONS, max_size=5, unique_by=lambda it: it.type).map(tuple)
NEW = st.lists(CONDITIONS.filter(lambda it: it.type in OURS), max_size=3, unique_by=lambda it: it.type).map(
    tuple
)


@dataclass(frozen=True)
class Given:
    """A condition that is there."""

    type: str = "Accepted"
    status: str = "True"
    reason: str = "Accepted"
    message: str = ""
    generation: int = 1
    since: str = THEN

    def condition(self) -> Condition:
        """Return it."""
        return Condition(
            type=self.type,
            status=self.status,  # type: ignore[arg-type]
            reason=self.reason,
            message=self.message,
            observed_generation=self.generation,
            last_transition_time=self.since,
        )


def condition(**values: object) -> Condition:
    """Return a condition; what is not given is as in `Given`."""
    return Given(**values).condition()  # type: ignore[arg-type]


def found(**values: object) -> Condition:
    """Return a condition as it is found out: without a moment and a generation."""
    return condition(**{"since": "", "generation": 0, **values})


def test_what_is_there_already_is_not_written() -> None:
    """Conditions that say what they said for the same generation are no change, whatever the moment."""
    assert merge((condition(),), (found(),), 1, NOW) is None
    assert merge((), (), 1, NOW) is None


def test_a_new_generation_is_a_change_that_keeps_the_moment() -> None:
    """Where only the generation differs, observedGeneration changes and lastTransitionTime stays."""
    assert merge((condition(),), (found(),), 2, NOW) == (condition(generation=2),)


def test_the_moment_changes_with_the_status_only() -> None:
    """Another reason or message keeps lastTransitionTime; another status sets it."""
    said = merge((condition(),), (found(reason="Other", message="text"),), 1, NOW)
    assert said == (condition(reason="Other", message="text"),)
    said = merge((condition(),), (found(status="False"),), 1, NOW)
    assert said == (condition(status="False", since="2026-07-01T12:00:00Z"),)


def test_a_condition_may_speak_of_a_generation_of_its_own() -> None:
    """Programmed says which generation it is about; that is not the object's newest."""
    said = merge((), (condition(type="Programmed", generation=3, since=""),), 7, NOW)
    assert said is not None
    assert said[0].observed_generation == 3


def test_what_others_wrote_stays_and_ours_goes() -> None:
    """Types of others stay where they are; one of ours that is not found any more is dropped, unless it is to be kept."""
    foreign, ours = condition(type="example.com/Seen"), condition(type="CACertificateExpiring")
    programmed = condition(type="Programmed", status="False")
    existing = (ours, foreign, programmed)
    assert merge(existing, (found(),), 1, NOW, keep={"Programmed"}) == (
        foreign,
        programmed,
        condition(since=timestamp(NOW)),
    )
    assert merge((foreign, programmed), (), 1, NOW) == (foreign,)
    assert merge((foreign, programmed), (), 1, NOW, keep={"Programmed"}) is None


def test_the_order_stays() -> None:
    """What changes keeps its place, whatever order it is found in; a second one of a type is dropped."""
    one, two = condition(type="ResolvedRefs"), condition(type="Accepted")
    assert merge((one, two), (found(), found(type="ResolvedRefs")), 1, NOW) is None
    assert merge((one, two, condition(type="ResolvedRefs", status="False")), (found(), one), 1, NOW) == (
        one,
        two,
    )


def test_messages_are_cut_at_what_the_api_server_takes() -> None:
    """A message is no longer than metav1.Condition allows, and an ellipsis says so."""
    said = merge((), (found(message="x" * (LONGEST_MESSAGE + 1)),), 1, NOW)
    assert said is not None
    assert len(said[0].message) == LONGEST_MESSAGE
    assert said[0].message.endswith("x…")


def test_moments_are_in_utc() -> None:
    """A moment in another time zone is written in UTC, in whole seconds."""
    assert timestamp(NOW.astimezone(timezone(timedelta(hours=2)))) == "2026-07-01T12:00:00Z"


@given(existing=EXISTING, new=NEW, keep=st.frozensets(TYPES, max_size=2))
def test_merging_twice_changes_nothing(
    existing: tuple[Condition, ...], new: tuple[Condition, ...], keep: frozenset[str]
) -> None:
    """Whatever is there and whatever is found: once it is written, nothing is left to write, and all of it is there."""
    once = merge(existing, new, 1, NOW, keep=keep)
    result = existing if once is None else once
    assert merge(result, new, 1, NOW + timedelta(days=1), keep=keep) is None
    types = [each.type for each in result]
    assert len(set(types)) == len(types)
    before = {each.type: each for each in existing}
    for each in result:
        assert each.last_transition_time or each.type not in {found.type for found in new}
        if each.type not in OURS:
            assert each == before[each.type]
        elif each.type in before and before[each.type].status == each.status:
            old = before[each.type]
            assert each.last_transition_time in {
                old.last_transition_time or timestamp(NOW),
                old.last_transition_time,
            }
    for each in new:
        same = next(it for it in result if it.type == each.type)
        assert msgspec.structs.replace(
            same, observed_generation=0, last_transition_time=""
        ) == msgspec.structs.replace(each, observed_generation=0, last_transition_time="")
