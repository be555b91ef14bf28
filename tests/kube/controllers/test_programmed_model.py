"""Programmed against the same rules, each written as a scan over everything after everything that happens."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from kube.controllers.programmed import PATIENCE, Programmed
from kube.controllers.standing import Standing
from tests.support.examples import examples

TENANT = "t"
NAMES = ("a", "b", "c")
NAME = st.sampled_from(NAMES)
SOME = st.frozensets(NAME, max_size=3)
OTHERS = st.sampled_from(["x", "y"])


class Modelled:
    """One LoadBalancer of the model."""

    def __init__(self) -> None:
        self.changed = 0
        self.changed_at = 0.0
        self.empty = False
        self.generation = 1
        self.since: float | None = None
        self.since_seq = 0
        self.reason = ""
        self.said: tuple[str, str, int] | None = None


class Model:
    """The rules."""

    def __init__(self) -> None:
        self.now = 0.0
        self.synced = False
        self.seq = 0
        self.loadbalancers: dict[str, Modelled] = {}
        self.standings: dict[str, tuple[int, Standing]] = {}
        self.unsure_since: float | None = None

    def seq_of(self, replica: str) -> int | None:
        """Return which content a replica speaks of; 0 is one that is never known."""
        seq, standing = self.standings[replica]
        if replica == "here":
            return self.seq
        return seq if 0 < seq <= self.seq and not standing.unnamed else None

    def settle(self) -> None:
        """Look at everything."""
        connected = [name for name, (_, standing) in self.standings.items() if standing.envoys]
        unsure = not connected or any(self.seq_of(name) is None for name in connected)
        if unsure and self.unsure_since is None:
            self.unsure_since = self.now
        for name, one in self.loadbalancers.items():
            self.settle_one(name, one, connected)
        if not unsure:
            self.unsure_since = None

    def settle_one(self, name: str, one: Modelled, connected: list[str]) -> None:
        """Look at one."""
        knowing = [replica for replica in connected if (self.seq_of(replica) or -1) >= one.changed]
        refused = [replica for replica in knowing if name in self.standings[replica][1].refused]
        behind = [
            replica
            for replica in connected
            if replica not in knowing or name in self.standings[replica][1].behind
        ]
        if refused and self.synced and not one.empty:
            one.since, one.said = None, ("False", "Rejected", one.generation)
            return
        if connected and not behind and not refused and self.synced and not one.empty:
            one.since, one.said = None, ("True", "Programmed", one.generation)
            return
        reason = "NotServed" if one.empty else "NoAnswer" if connected else "NoEnvoyConnected"
        if one.since is None:
            one.since = self.now if self.unsure_since is None else self.unsure_since
            one.since_seq = one.changed
        elif one.reason != reason and one.said and one.said[0] == "Unknown":
            one.since, one.since_seq = self.now, one.changed
        elif (
            behind
            and one.since_seq < one.changed
            and all(
                (self.seq_of(replica) or -1) >= one.since_seq
                and name not in self.standings[replica][1].behind
                for replica in behind
            )
        ):
            one.since, one.since_seq = max(one.since, one.changed_at), one.changed
        one.reason = reason
        if self.now >= one.since + PATIENCE and self.synced:
            one.said = ("Unknown", reason, one.generation)


class ProgrammedMachine(RuleBasedStateMachine):
    """Drives both alike."""

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        self.programmed = Programmed("here")
        self.written: dict[str, object] = {}

    @property
    def now(self) -> float:
        """The time."""
        return self.model.now

    def told(self) -> None:
        """Have both look at what happened; nothing is news that is not different."""
        self.programmed.expire(self.now)
        self.model.settle()
        for _, name in self.programmed.news():
            condition = self.programmed.condition(TENANT, name)
            assert condition is not None
            assert self.written.get(name) != condition
            self.written[name] = condition

    @initialize()
    def first(self) -> None:
        """Begin with one LoadBalancer, before anything else is known."""
        self.model.standings["here"] = (0, Standing())
        self.content(frozenset("a"), frozenset())

    @precondition(lambda self: not self.model.synced)
    @rule()
    def synced(self) -> None:
        """Have all reports known."""
        self.model.synced = True
        self.programmed.synced(self.now)
        self.told()

    @rule(changed=SOME, gone=SOME, empty=st.sampled_from([(), (), NAMES]))
    def content(self, changed: frozenset[str], gone: frozenset[str], empty: tuple[str, ...] = ()) -> None:
        """Change, create and delete LoadBalancers, of which some have nothing for an Envoy; the first one stays."""
        gone -= changed | {"a"}
        model = self.model
        model.seq += 1
        generations: dict[str, int | None] = {}
        here = model.standings["here"][1]
        for name in sorted(changed):
            one = model.loadbalancers.setdefault(name, Modelled())
            one.changed, one.changed_at = model.seq, model.now
            one.generation += 1
            one.empty = name in empty
            generations[name] = one.generation
            if here.envoys:
                here.refused.pop(name, None)
                here.behind.add(name)
        for name in sorted(gone):
            model.loadbalancers.pop(name, None)
            here.behind.discard(name)
            here.refused.pop(name, None)
            generations[name] = None
            self.written.pop(name, None)
        self.programmed.content(TENANT, str(model.seq), generations, self.now, empty=empty)
        self.told()

    @rule(name=NAME)
    def generation(self, name: str) -> None:
        """Change a LoadBalancer's generation and nothing of its content."""
        one = self.model.loadbalancers.get(name)
        if one is not None:
            one.generation += 1
            empty = (name,) if one.empty else ()
            version = str(self.model.seq)
            self.programmed.content(TENANT, version, {name: one.generation}, self.now, empty=empty)
            self.told()

    @rule(
        envoys=st.integers(0, 2),
        acked=SOME,
        behind=SOME,
        refused=st.dictionaries(NAME, st.sampled_from("no")),
    )
    def local(
        self, envoys: int, acked: frozenset[str], behind: frozenset[str], refused: dict[str, str]
    ) -> None:
        """Have this replica's Envoys come, go and answer."""
        known = set(self.model.loadbalancers)
        here = self.model.standings["here"][1]
        behind = (behind & known) - acked - refused.keys()
        texts = {name: text for name, text in refused.items() if name in known and name not in acked}
        here.envoys = envoys
        here.behind = ((here.behind - acked) | behind) - texts.keys()
        here.refused = {
            name: text for name, text in here.refused.items() if name not in acked | behind
        } | texts
        if not envoys:
            here.behind, here.refused = set(), {}
        self.programmed.local(TENANT, envoys=envoys, acked=acked, behind=behind, refused=texts, now=self.now)
        self.told()

    @rule(
        replica=OTHERS,
        lag=st.integers(-1, 3),
        known=st.booleans(),
        behind=SOME,
        refused=st.dictionaries(NAME, st.sampled_from(["no", "never"])),
        unnamed=st.sampled_from([0, 0, 0, 1]),
    )
    def reported(
        self,
        *,
        replica: str,
        lag: int,
        known: bool,
        behind: frozenset[str],
        refused: dict[str, str],
        unnamed: int,
    ) -> None:
        """Have another replica report of this content, an older one, the next one, or one that is never here."""
        seq = max(1, self.model.seq - lag) if known else 0
        behind -= refused.keys()
        version = str(seq) if seq else "elsewhere"
        for standings in (True, False):
            standing = Standing(
                version=version, envoys=1, behind=set(behind), refused=dict(refused), unnamed=unnamed
            )
            if standings:
                self.model.standings[replica] = seq, standing
            else:
                self.programmed.reported(replica, TENANT, standing, self.now)
        self.told()

    @rule(replica=OTHERS, lost=st.booleans())
    def silent(self, *, replica: str, lost: bool) -> None:
        """Have another replica lose its Envoys, or die."""
        self.model.standings.pop(replica, None)
        if lost:
            self.programmed.lost(replica, self.now)
        else:
            self.programmed.reported(replica, TENANT, None, self.now)
        self.told()

    @rule(seconds=st.sampled_from([1.0, 10.0, 30.0, PATIENCE - 1, PATIENCE]))
    def wait(self, seconds: float) -> None:
        """Let time pass, looking at every moment that is asked for."""
        until = self.now + seconds
        while (at := self.programmed.next_expiry) is not None and at <= until:
            self.model.now = max(self.now, at)
            self.told()
        self.model.now = until
        self.told()

    @invariant()
    def says_the_same(self) -> None:
        """See that every condition is what the rules say, and that what was news is what is said."""
        for name in NAMES:
            one = self.model.loadbalancers.get(name)
            condition = self.programmed.condition(TENANT, name)
            said = condition and (condition.status, condition.reason, condition.observed_generation)
            assert said == (one.said if one else None), name
            assert self.written.get(name) == condition


TestProgrammedAgainstModel = ProgrammedMachine.TestCase
TestProgrammedAgainstModel.settings = settings(
    max_examples=examples(200), stateful_step_count=40, deadline=None
)
