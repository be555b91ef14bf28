"""The table of listener ports against a model that recomputes everything at every step."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from kube.objects import LoadBalancer
from kube.objects.pairing import pair
from tests.support.examples import examples
from tests.xds.translate.make import group, load_balancer
from xds.translate import ListenerPorts, PortRefusal, PortTable

NAMES = st.sampled_from(["a", "a-b", "a.b", "b", "c"])
WORDS = st.tuples(
    st.sampled_from(["", "x:", "y:"]), st.sampled_from(["1", "2", "19000"]), st.sampled_from(["/TCP", "/UDP"])
).map("".join)


def unique_by_port_and_name(words: list[str]) -> bool:
    """Tell whether kube.objects takes a list of ports."""
    names = [word.split(":")[0] for word in words if ":" in word]
    ports = [word.split(":")[-1] for word in words]
    return len(names) == len(set(names)) and len(ports) == len(set(ports))


PORTS = st.lists(WORDS, min_size=1, max_size=3).filter(unique_by_port_and_name)
GROUPS = st.lists(PORTS, min_size=1, max_size=2)


class PortTableAgainstModel(RuleBasedStateMachine):
    """Random updates; the model knows only all LoadBalancers as they are now."""

    def __init__(self) -> None:
        super().__init__()
        self.table = PortTable()
        self.objects: dict[str, LoadBalancer] = {}

    def outcomes(self) -> dict[str, ListenerPorts]:
        """Return what everyone is told."""
        return {name: self.table.ports_of(name) for name in self.objects}

    def apply(self, name: str, lb: LoadBalancer | None) -> None:
        """Update table and model: the names returned are exactly those that are told something else."""
        before = self.outcomes()
        changed = self.table.update(name, lb)
        self.objects.pop(name, None)
        if lb is not None:
            self.objects[name] = lb
        after = self.outcomes()
        assert changed == {key for key in before | after if before.get(key) != after.get(key)}

    @rule(name=NAMES, groups=GROUPS, ports=st.just([]) | PORTS)
    def update(self, name: str, groups: list[list[str]], ports: list[str]) -> None:
        """Add or change a LoadBalancer."""
        self.apply(name, load_balancer(*(group(*words) for words in groups), name=name, ports=ports))

    @rule(name=NAMES)
    def remove(self, name: str) -> None:
        """Remove a LoadBalancer, or one that is not there."""
        self.apply(name, None)

    @invariant()
    def lowest_name_has_the_port(self) -> None:
        """Whoever has the lowest name of those that ask for a port has it, and the others are told who."""
        holders: dict[tuple[str, int], str] = {}
        for name in sorted(self.objects):
            for listen in wanted(self.objects[name]).values():
                holders.setdefault(listen, name)
        for name, lb in self.objects.items():
            wants = wanted(lb)
            for place, outcome in self.table.ports_of(name).items():
                if place not in wants:
                    assert isinstance(outcome, PortRefusal)
                elif holders[wants[place]] == name:
                    assert outcome == wants[place][1]
                else:
                    assert isinstance(outcome, PortRefusal)
                    assert f"LoadBalancer {holders[wants[place]]} " in outcome.message


def wanted(lb: LoadBalancer) -> dict[tuple[int, int], tuple[str, int]]:
    """Return protocol and port for each endpoint port that could listen, were the LoadBalancer alone."""
    wants: dict[tuple[int, int], tuple[str, int]] = {}
    for backend, entry in pair(lb).service_of.items():
        port = lb.spec.ports[entry]
        if not 19000 <= port.port <= 19999:
            wants[0, backend] = (port.protocol, port.port)
    return wants


TestPortTable = PortTableAgainstModel.TestCase
TestPortTable.settings = settings(max_examples=examples(100), stateful_step_count=20, deadline=None)
