import math
from collections.abc import Mapping

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from kube.controllers.allocation import allocation, join, wants_of
from kube.controllers.ledger import decode, encode
from kube.controllers.ports import REST, Claims, Holdings, Key, Listen, Pool, assign
from kube.objects import LoadBalancer
from tests.kube.controllers.port_things import TENANT, lb, published
from tests.support.examples import examples

TINY = Pool(18996, 20003, range(19000, 20000))
"""Eight ports, so that they run out."""
NAMES = st.sampled_from(["a", "b", "c", "d"])
ENTRIES = st.lists(
    st.sampled_from(["https:443", "tls:443", ":443", "443:8443", "http:80", "dns:53/UDP", ":53/UDP"]),
    min_size=1,
    max_size=3,
    unique=True,
)
RECORDS = st.lists(
    st.tuples(
        st.sampled_from(["https:443", ":443", "odd-name:443", "http:80", "dns:53/UDP"]),
        st.sampled_from([18995, 18996, 18997, 18999, 19001, 20000, 20003]),
    ),
    min_size=1,
    max_size=3,
)


class AllocationAgainstModel(RuleBasedStateMachine):
    """A leader that forgets everything between two allocations but what it wrote down; what was told is the model."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1_700_000_000.0
        self.ledger = encode(Holdings())
        self.objects: dict[str, LoadBalancer] = {}
        self.told: dict[Key, int] = {}
        """What was given to keys that live, as far as it is written down anywhere."""
        self.freed: dict[Listen, tuple[Key, float]] = {}
        """Who had a port last, and until when nobody else may have it."""

    @property
    def holdings(self) -> Holdings:
        """Return what the ledger says, read anew: it has no faults."""
        holdings, faults = decode(self.ledger)
        assert not faults
        return holdings

    @property
    def claims(self) -> Claims:
        """Return what all want."""
        return join(wants_of(each) for each in self.objects.values())

    @rule(name=NAMES, entries=ENTRIES)
    def put(self, name: str, entries: list[str]) -> None:
        """Create a LoadBalancer, or rename, add and remove ports of one; its status stays as it is."""
        unique = {word.partition(":")[2]: word for word in entries}
        made = lb(name, *unique.values())
        before = self.objects.get(name)
        self.objects[name] = published(made, before.status.service.ports if before else ())

    @rule(name=NAMES)
    def delete(self, name: str) -> None:
        """Delete a LoadBalancer, or one that is not there."""
        self.objects.pop(name, None)

    @rule(name=NAMES, records=RECORDS)
    def record(self, name: str, records: list[tuple[str, int]]) -> None:
        """Let KubeLB, or a backup, say in a status what it likes."""
        if name in self.objects:
            status = lb(name, recorded=[f"{word}={port}" for word, port in records]).status.service.ports
            self.objects[name] = published(self.objects[name], status)

    @rule(seconds=st.sampled_from([0.25, 1.0, REST - 1, REST + 1]))
    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds

    @rule()
    def lose_the_ledger(self) -> None:
        """Delete the ConfigMap: what statuses say is all there is."""
        self.ledger = encode(Holdings())
        self.freed = {}

    @rule()
    def lose_the_statuses(self) -> None:
        """Restore the LoadBalancers without their statuses."""
        self.objects = {name: published(each, ()) for name, each in self.objects.items()}

    @rule(publish=st.booleans())
    def allocate(self, publish: bool) -> None:
        """Allocate and write it down; the program may end before any status is published."""
        before, claims = self.holdings, self.claims
        outcome = assign(TENANT, before, claims, now=self.now, pool=TINY)
        held = outcome.holdings.held
        assert held.keys() | outcome.refused.keys() == claims.recorded.keys()
        assert not held.keys() & outcome.refused.keys()
        assert {key: held.get(key) for key in self._promised(before, claims)} == self._promised(
            before, claims
        )
        for key, port in before.held.items():
            if key not in claims.recorded:
                self.freed[key.protocol, port] = (key, math.ceil(self.now) + REST)
        self.freed = {listen: freed for listen, freed in self.freed.items() if self.now < freed[1]}
        for key, port in held.items():
            assert self.freed.get((key.protocol, port), (key,))[0] == key
        self._check_records(before, claims, held)
        for key in outcome.refused:
            used = {port for other, port in held.items() if other.protocol == key.protocol}
            used |= {port for protocol, port in self.freed if protocol == key.protocol}
            used |= {port for protocol, port in claims.mentioned if protocol == key.protocol}
            assert all(TINY.nth(index) in used for index in range(TINY.size))
        self.told = dict(held)
        if outcome.changed:
            self.ledger = encode(outcome.holdings)
        again = assign(TENANT, self.holdings, claims, now=self.now, pool=TINY)
        assert not again.changed
        assert again.holdings.held == held
        if publish:
            for name, each in self.objects.items():
                told = allocation(each, held, outcome.refused)
                assert len(told.ports) + len(told.refusals) == len(each.spec.ports)
                self.objects[name] = published(each, told.ports)

    def _promised(self, before: Holdings, claims: Claims) -> dict[Key, int]:
        """Return what was told and is written down: in the ledger, or in statuses, of which the lowest key counts."""
        lowest: dict[Listen, Key] = {}
        for key in sorted(claims.recorded):
            lowest.setdefault((key.protocol, claims.recorded[key] or 0), key)
        return {
            key: port
            for key, port in self.told.items()
            if key in claims.recorded
            and (
                before.held.get(key) == port
                or (claims.recorded[key] == port and lowest[key.protocol, port] == key)
            )
        }

    def _check_records(self, before: Holdings, claims: Claims, held: Mapping[Key, int]) -> None:
        """Hold what was recorded and nobody else claims to be kept."""
        claimants: dict[Listen, set[Key]] = {listen: {freed[0]} for listen, freed in self.freed.items()}
        for key, recorded in [*before.held.items(), *claims.recorded.items()]:
            if recorded:
                claimants.setdefault((key.protocol, recorded), set()).add(key)
        owners = {freed[0] for freed in self.freed.values()}
        for key, port in claims.recorded.items():
            known = key in before.held or key in owners
            if port and TINY.has(port) and not known and claimants[key.protocol, port] == {key}:
                assert held[key] == port

    @invariant()
    def no_port_twice(self) -> None:
        """Nobody shares a port in a protocol, no port is held and rests, and all of them are of the pool."""
        holdings = self.holdings
        listens = [(key.protocol, port) for key, port in holdings.held.items()]
        assert len(listens) == len({*listens})
        assert not {*listens} & holdings.resting.keys()
        assert all(TINY.has(port) for _, port in listens)


TestAllocation = AllocationAgainstModel.TestCase
TestAllocation.settings = settings(max_examples=examples(150), stateful_step_count=30, deadline=None)
