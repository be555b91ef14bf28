"""The rules of a lease, by a clock that the tests set."""

from dataclasses import dataclass

import pytest

from kube.coordination.claim import LONGEST_PATIENCE, Claim, LeaseTiming, Record

TIMING = LeaseTiming(duration=15, renew=10, retry=2)
FOREIGN = Record("other", 15, "t0", "t1", 3)
MAX_INT32 = 2**31 - 1


@dataclass
class Candidate:
    """A claim, and a count that makes each of its texts another one."""

    claim: Claim
    texts: int = 0

    def writes(self, started: float) -> Record:
        """Have the server take what it proposes."""
        record = self.proposes()
        self.claim.written(record, started)
        return record

    def proposes(self) -> Record:
        """Return what it would write."""
        self.texts += 1
        return self.claim.proposal(f"2026-01-01T00:00:00.{self.texts:06}Z")


def candidate(name: str = "me") -> Candidate:
    """Return somebody who has seen nothing yet."""
    return Candidate(Claim(name, TIMING))


def test_a_lease_that_does_not_exist_is_free() -> None:
    """Where there is no Lease the first who comes takes it, and its transitions begin at 0."""
    me = candidate()
    assert not me.claim.is_free(0)  # before anybody looked
    me.claim.found(None, 0)
    assert me.claim.is_free(0)
    record = me.writes(0)
    assert (record.holder_identity, record.lease_duration_seconds, record.lease_transitions) == ("me", 15, 0)
    assert record.acquire_time == record.renew_time


@pytest.mark.parametrize("empty", [Record(), Record(lease_duration_seconds=15), Record(holder_identity="")])
def test_a_lease_that_nobody_held_is_free(empty: Record) -> None:
    """A Lease without a holder is free for who finds it so at first."""
    me = candidate()
    me.claim.found(empty, 0)
    assert me.claim.is_free(0)


def test_leading_ends_by_the_clock() -> None:
    """It leads for the renew deadline from when its request began, not from when it was answered, and no moment longer."""
    me = candidate()
    assert not me.claim.leads(0)
    me.claim.found(None, 100)
    me.writes(100)
    assert me.claim.leads(109.9)
    assert not me.claim.leads(110)
    me.writes(105)
    assert me.claim.leads(114.9)
    assert not me.claim.leads(115)
    me.writes(200)  # answered only after it had run out: began too long ago
    assert not me.claim.leads(210)


def test_a_foreign_lease_is_left_alone_for_its_duration() -> None:
    """A holder is gone once its record has not changed for the duration since it was first seen so."""
    me = candidate()
    me.claim.found(FOREIGN, 100)
    me.claim.found(FOREIGN, 114)
    assert not me.claim.is_free(114.9)
    assert me.claim.is_free(115)
    record = me.writes(115)
    assert record.lease_transitions == 4
    renewed = me.writes(117)
    assert (renewed.acquire_time, renewed.lease_transitions) == (record.acquire_time, 4)
    assert renewed.renew_time != record.renew_time


def test_every_change_begins_the_wait_anew() -> None:
    """Whatever changes in the record, somebody lives; what its times say does not matter."""
    me = candidate()
    for moment, text in enumerate(("1999-01-01T00:00:00.000000Z", "2999-01-01T00:00:00.000000Z", "")):
        me.claim.found(Record("other", 15, "t0", text, 3), 10 * moment)
        assert not me.claim.is_free(10 * moment + 14.9)
    assert me.claim.is_free(35)


@pytest.mark.parametrize(
    ("theirs", "waits"), [(1, 15), (None, 15), (60, 60), (MAX_INT32, 15 * LONGEST_PATIENCE)]
)
def test_a_holder_may_ask_for_longer(theirs: int | None, waits: float) -> None:
    """The longer one of its duration and ours is waited for, but not for ever."""
    me = candidate()
    me.claim.found(Record("other", theirs, "t0", "t1", 3), 0)
    assert not me.claim.is_free(waits - 0.1)
    assert me.claim.is_free(waits)


def test_a_released_lease_is_free_at_once() -> None:
    """What its holder gave up is free, and it counts as a transition."""
    me, other = candidate(), candidate("other")
    other.claim.found(None, 0)
    me.claim.found(other.writes(0), 1)
    other.claim.stop()
    assert not other.claim.leads(1)
    farewell = other.claim.farewell("t9")
    assert farewell.released
    assert farewell.holder_identity is None
    me.claim.found(farewell, 2)
    assert me.claim.is_free(2)
    assert me.writes(2).lease_transitions == 1


@pytest.mark.parametrize("wiped", [None, Record(), Record(lease_duration_seconds=15)])
def test_a_lease_that_was_wiped_may_be_held(wiped: Record | None) -> None:
    """A Lease whose holder vanished without giving it up is left alone for the duration: its holder believes in it still."""
    me = candidate()
    me.claim.found(FOREIGN, 0)
    me.claim.found(wiped, 20)
    assert not me.claim.is_free(34.9)
    assert me.claim.is_free(35)


def test_a_holder_creates_a_deleted_lease_anew() -> None:
    """Who holds a Lease that somebody deleted leads on and may create it; its tenure stays the same."""
    me = candidate()
    me.claim.found(FOREIGN, 0)
    before = me.writes(15)
    me.claim.found(None, 16)
    assert me.claim.leads(16)
    assert me.claim.is_free(16)
    assert me.writes(16).acquire_time == before.acquire_time


def test_a_deleted_lease_is_nobodys_once_leading_has_ended() -> None:
    """Who led once and finds no Lease waits like others: somebody may have held it, and lead still, since it looked last."""
    me = candidate()
    me.claim.found(None, 0)
    me.writes(0)
    me.claim.found(None, 10)
    assert not me.claim.is_free(24.9)
    assert me.claim.is_free(25)


@pytest.mark.parametrize(
    "nonsense",
    [FOREIGN, Record(), Record("me", 15, "t0", "t1", 0), Record("me"), Record("�" * 1000, MAX_INT32)],
)
def test_whoever_overwrites_the_record_ends_leading(nonsense: Record) -> None:
    """A holder that finds anything but its own record leads no more, even if it bears its name, and waits like others."""
    me = candidate()
    me.claim.found(None, 0)
    me.writes(0)
    me.claim.found(nonsense, 2)
    assert not me.claim.leads(2)
    assert not me.claim.at_stake
    assert not me.claim.is_free(16.9)
    assert me.claim.is_free(2 + 15 * LONGEST_PATIENCE)


def test_a_namesake_is_somebody_else() -> None:
    """A record of this name that this process did not write is another's: two replicas were given one name."""
    me, namesake = candidate(), candidate()
    namesake.claim.found(None, 0)
    namesake.texts = 50
    me.claim.found(namesake.writes(0), 0)
    assert not me.claim.is_free(14.9)


def test_a_write_that_nobody_answered_is_known_again() -> None:
    """What was sent and not answered does not make it lead; found in the lease later, it is its own and renewed at once."""
    me = candidate()
    me.claim.found(FOREIGN, 0)
    unanswered = me.proposes()
    assert not me.claim.leads(15)
    assert me.claim.at_stake
    me.claim.found(FOREIGN, 17)  # not there yet
    second = me.proposes()
    assert second.acquire_time == unanswered.acquire_time
    me.claim.found(unanswered, 19)
    assert me.claim.is_free(19)
    assert not me.claim.leads(19)


def test_its_own_past_is_not_its_own() -> None:
    """After etcd was restored to where this replica once led, it waits as for anybody: another may lead still."""
    me = candidate()
    me.claim.found(None, 0)
    past = me.writes(0)
    me.claim.found(FOREIGN, 20)
    me.claim.found(past, 25)
    assert not me.claim.is_free(39.9)
    assert me.claim.is_free(40)


@pytest.mark.parametrize(("before", "after"), [(MAX_INT32, 0), (MAX_INT32 - 1, MAX_INT32), (None, 1)])
def test_transitions_stay_an_int32(before: int | None, after: int) -> None:
    """A count that is at its end begins anew instead of making the Lease invalid."""
    me = candidate()
    me.claim.found(Record("other", 15, "t0", "t1", before), 0)
    assert me.writes(15).lease_transitions == after


@pytest.mark.parametrize("timing", [(15, 15, 2), (15, 10, 6), (15, 10, 0), (10, 15, 2), (0, 0, 0)])
def test_times_that_do_not_work_are_refused(timing: tuple[float, float, float]) -> None:
    """Times by which two could lead, or by which one failed attempt ends leading, are an error."""
    with pytest.raises(ValueError, match="a lease needs"):
        LeaseTiming(*timing)
