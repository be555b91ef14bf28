"""Candidates, a lease and a server in every order of events that hypothesis finds: never two that lead."""

from dataclasses import dataclass, field, replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from kube.coordination.claim import Claim, LeaseTiming, Record
from tests.support.examples import examples

TIMING = LeaseTiming(duration=15, renew=10, retry=2)
CANDIDATES = st.integers(0, 2)


@dataclass
class Request:
    """A write under way: what the server is to hold, over which version, and what it said once it got there."""

    record: Record
    version: int
    started: float
    accepted: bool | None = None


@dataclass
class Candidate:
    """A replica whose clock began anywhere and runs too fast or too slow. It asks one thing at a time."""

    claim: Claim
    began: float
    rate: float
    version: int | None = None
    request: Request | None = None
    late: list[Request] = field(default_factory=list)
    """Writes that it gave up waiting for, and that the server may still carry out."""

    def now(self, moment: float) -> float:
        """Return what its clock says."""
        return self.began + self.rate * moment


class Elections(RuleBasedStateMachine):
    """Two of the three have the same name, which must not matter."""

    def __init__(self) -> None:
        super().__init__()
        self.moment = 0.0
        self.record: Record | None = None
        self.version = 1
        self.texts = 0
        self.all = [
            Candidate(Claim("a", TIMING), 0, 1.0),
            Candidate(Claim("b", TIMING), -5000, 0.9),
            Candidate(Claim("b", TIMING), 7000, 1.1),
        ]

    @rule(seconds=st.sampled_from([0.1, 1, 2, 5, 9, 9.9, 10, 14, 15, 17, 40]))
    def time_passes(self, seconds: float) -> None:
        """Let nothing happen for a while: whoever is busy hangs, or is suspended."""
        self.moment += seconds

    @rule(who=CANDIDATES)
    def turn(self, who: int) -> None:
        """Let all go well for a candidate."""
        self.give_up(who)
        self.look(who)
        self.ask(who)
        if not self.all[who].late:
            self.arrive(who)
            self.answer(who)

    @rule(who=CANDIDATES, times=st.integers(1, 9))
    def lives(self, who: int, times: int) -> None:
        """Let only one candidate do anything for a while, and all go well for it."""
        for _ in range(times):
            self.moment += TIMING.retry
            self.turn(who)

    @rule(who=CANDIDATES)
    def look(self, who: int) -> None:
        """Have a candidate read the lease."""
        me = self.all[who]
        if me.request is None:
            me.claim.found(self.record, me.now(self.moment))
            me.version = self.version

    @rule(who=CANDIDATES)
    def ask(self, who: int) -> None:
        """Have a candidate send what it may."""
        me = self.all[who]
        now = me.now(self.moment)
        if me.request is None and me.version is not None and me.claim.is_free(now):
            self.texts += 1
            me.request = Request(me.claim.proposal(f"t{self.texts}"), me.version, now)

    @rule(who=CANDIDATES)
    def arrive(self, who: int) -> None:
        """Have the server carry out a candidate's write, one that it gave up before any other."""
        me = self.all[who]
        request = me.late.pop(0) if me.late else me.request
        if request is not None and request.accepted is None:
            request.accepted = request.version == self.version
            if request.accepted:
                self._put(request.record)

    @rule(who=CANDIDATES)
    def answer(self, who: int) -> None:
        """Have a candidate hear what became of its write."""
        me = self.all[who]
        request = me.request
        if request is None or request.accepted is None:
            return
        me.request, me.version = None, None
        if request.accepted:
            me.claim.written(request.record, request.started)
            me.version = self.version if self.record == request.record else None

    @rule(who=CANDIDATES)
    def give_up(self, who: int) -> None:
        """Have a candidate wait no longer for an answer."""
        me = self.all[who]
        if me.request is not None:
            if me.request.accepted is None:
                me.late.append(me.request)
            me.request, me.version = None, None

    @precondition(lambda self: self.record not in {None, Record()})  # a new process takes what nobody holds
    @rule(who=CANDIDATES)
    def release(self, who: int) -> None:
        """Have a candidate give the lease up and come back as another process, whose writes under way are lost."""
        me = self.all[who]
        me.claim.stop()
        if self.record is not None and me.claim.owns(self.record):
            self._put(me.claim.farewell("end"))
        name = "a" if who == 0 else "b"
        self.all[who] = replace(me, claim=Claim(name, TIMING), version=None, request=None, late=[])

    @rule()
    def label(self) -> None:
        """Write the Lease without touching its record."""
        self.version += 1

    @precondition(lambda self: self.record is not None and all(each.claim.holder for each in self.all))
    @rule(wiped=st.sampled_from([None, Record(), Record("x", 15, "t", "t", 0), Record("b", 2**31 - 1)]))
    def tamper(self, wiped: Record | None) -> None:
        """Delete the Lease or write anything into it, after all have seen a holder."""
        self._put(wiped)

    def _put(self, record: Record | None) -> None:
        self.record = record
        self.version += 1

    @invariant()
    def at_most_one_leads(self) -> None:
        """Two never believe in themselves."""
        leading = [each for each in self.all if each.claim.leads(each.now(self.moment))]
        assert len(leading) <= 1, leading


TestElections = Elections.TestCase
TestElections.settings = settings(max_examples=examples(200), stateful_step_count=40, deadline=None)
