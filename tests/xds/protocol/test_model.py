"""Whatever client and snapshot do, the client ends with what its subscriptions and the snapshot imply."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from tests.support.examples import examples
from tests.support.resources import cluster, endpoints, listener
from tests.xds.protocol.model_client import BAD, EVERYTHING, FULL, ModelClient
from xds.snapshot import Resource, Snapshot
from xds.snapshot.types import CLUSTER, ENDPOINT, LISTENER

MAKE: Final[dict[str, Callable[[str, int], Resource]]] = {
    CLUSTER: cluster,
    ENDPOINT: endpoints,
    LISTENER: listener,
}
TYPES = st.sampled_from(tuple(MAKE))
NAMES = st.sampled_from(sorted(EVERYTHING))
SETS = st.frozensets(NAMES)
CONTENTS = st.integers(0, BAD)
UPSERTS = st.lists(st.tuples(TYPES, NAMES, CONTENTS), max_size=4)
REMOVALS = st.lists(st.tuples(TYPES, NAMES), max_size=3)


class Machine(RuleBasedStateMachine):
    """One client of one variant, and the snapshot that it is served."""

    delta: bool
    client: ModelClient

    @initialize(upserts=UPSERTS, names_refused=st.booleans(), atomic=st.booleans())
    def begin(self, upserts: list[tuple[str, str, int]], names_refused: bool, atomic: bool) -> None:
        """Open a stream on some snapshot."""
        snapshot = Snapshot(MAKE, [MAKE[type_url](name, content) for type_url, name, content in upserts])
        self.client = ModelClient(snapshot, delta=self.delta, names_refused=names_refused, atomic=atomic)

    @rule(type_url=TYPES, names=SETS, wildcard=st.booleans())
    def subscribe(self, type_url: str, names: frozenset[str], wildcard: bool) -> None:
        """Subscribe to a type, or state another subscription."""
        if type_url not in self.client.views:
            self.client.start(type_url, names, wildcard=wildcard)
        elif self.delta:
            self.client.change(type_url, names | ({"*"} if wildcard else set()), frozenset())
        else:
            self.client.restate(type_url, names, wildcard=wildcard)

    @precondition(lambda self: self.delta and self.client.views)
    @rule(data=st.data(), subscribe=SETS, unsubscribe=SETS, wildcard=st.sampled_from((0, 0, 1)))
    def change_subscription(
        self, data: Any, subscribe: frozenset[str], unsubscribe: frozenset[str], wildcard: int
    ) -> None:
        """Subscribe to names and unsubscribe from others in one request."""
        type_url = data.draw(st.sampled_from(tuple(self.client.views)))
        self.client.change(type_url, subscribe, unsubscribe | ({"*"} if wildcard else set()))

    @precondition(lambda self: self.client.inbox)
    @rule(withhold=st.booleans())
    def deliver(self, withhold: bool) -> None:
        """Let the client take a response, and answer it now or later."""
        self.client.deliver(withhold=withhold)

    @rule(type_url=TYPES)
    def release(self, type_url: str) -> None:
        """Send the answers of a type that were withheld."""
        if type_url in self.client.views:
            self.client.release(type_url)

    @rule(upserts=UPSERTS, removals=REMOVALS)
    def change(self, upserts: list[tuple[str, str, int]], removals: list[tuple[str, str]]) -> None:
        """Change the snapshot in one transaction."""
        client = self.client
        resources = [MAKE[type_url](name, content) for type_url, name, content in upserts]
        changes = client.snapshot.update(resources, removals)
        for type_url, before in changes.items():
            names = before.keys()
            if type_url in client.views:
                client.views[type_url].stuck -= names
                # Rule 8: whoever waits for what is gone is answered when it returns, whether it ever heard of that or not.
                gone = {name for name in names if (type_url, name) in removals}
                client.views[type_url].required |= set() if self.delta or type_url in FULL else gone
        client.driver.state.changed(changes)
        client.collect(client.driver.poll())

    @rule(seconds=st.sampled_from((0.1, 0.2, 1.0, 5.0)))
    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.client.collect(self.client.driver.wait(seconds))

    @rule()
    def reconnect(self) -> None:
        """Lose the stream and what is on its way."""
        self.client.reconnect()

    @rule()
    def settle(self) -> None:
        """Let everything arrive, and look."""
        self.client.settle()

    def teardown(self) -> None:
        """Look in the end, too."""
        if hasattr(self, "client"):
            self.client.settle()


class SotwMachine(Machine):
    """State of the world."""

    delta = False


class DeltaMachine(Machine):
    """Delta."""

    delta = True


SETTINGS = settings(
    max_examples=examples(400),
    stateful_step_count=30,
    deadline=timedelta(seconds=5),
    report_multiple_bugs=False,
    suppress_health_check=[HealthCheck.too_slow],
)

TestSotw = SotwMachine.TestCase
TestSotw.settings = SETTINGS
TestDelta = DeltaMachine.TestCase
TestDelta.settings = SETTINGS
