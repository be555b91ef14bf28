"""The listener ports that a LoadBalancer's spec names."""

import pytest

from tests.xds.translate.make import group, load_balancer
from xds.translate import PortRefusal, PortTable


def test_own_port_is_the_listener_port() -> None:
    """An endpoint port listens on the port of its entry in spec.ports."""
    table = PortTable()

    changed = table.update("web", load_balancer(group("a:8080", "b:5353/UDP"), ports=("b:53/UDP", "a:80")))

    assert changed == {"web"}
    assert table.ports_of("web") == {(0, 0): 80, (0, 1): 53}


def test_lower_name_keeps_the_port_whoever_came_first() -> None:
    """Of two LoadBalancers with one protocol and port the lower name has it, and the other hears who."""
    table = PortTable()
    table.update("web", load_balancer(name="web"))

    changed = table.update("api", load_balancer(name="api"))

    assert changed == {"api", "web"}
    assert table.ports_of("api") == {(0, 0): 80}
    refusal = table.ports_of("web")[0, 0]
    assert isinstance(refusal, PortRefusal)
    assert refusal.reason == "PortConflict"
    assert "spec.ports[0].port 80 (TCP) is held by LoadBalancer api" in refusal.message


def test_port_moves_in_one_update() -> None:
    """When the holder goes, the same update says that the next one has the port."""
    table = PortTable()
    table.update("api", load_balancer(name="api"))
    table.update("web", load_balancer(name="web"))

    assert table.update("api", None) == {"api", "web"}
    assert table.ports_of("web") == {(0, 0): 80}


def test_new_holder_is_news_to_everyone_who_waits() -> None:
    """Whoever waits for a port names its holder, so a new holder changes what all of them are told."""
    table = PortTable()
    for name in ("a", "b", "c", "d"):
        table.update(name, load_balancer(name=name))

    assert table.update("a", load_balancer(name="a", ports=("81",))) == {"a", "b", "c", "d"}


def test_waiting_costs_nobody_else_anything() -> None:
    """A LoadBalancer that asks for a port which a lower name holds changes only itself."""
    table = PortTable()
    table.update("a", load_balancer(name="a"))
    table.update("b", load_balancer(name="b"))

    assert table.update("c", load_balancer(name="c")) == {"c"}
    assert table.update("c", None) == {"c"}


def test_protocols_do_not_collide() -> None:
    """TCP 53 and UDP 53 are two ports."""
    table = PortTable()
    table.update("a", load_balancer(group("8053"), name="a", ports=("53",)))

    table.update("b", load_balancer(group("8053/UDP"), name="b", ports=("53/UDP",)))

    assert table.ports_of("a") == table.ports_of("b") == {(0, 0): 53}


def test_equal_update_changes_nothing() -> None:
    """A LoadBalancer that asks for what it asked for before changes nobody, itself included."""
    table = PortTable()
    table.update("web", load_balancer())

    assert table.update("web", load_balancer(policy="Insecure")) == frozenset()


def test_reordered_entries_change_nothing() -> None:
    """The order of spec.ports says nothing where names pair them."""
    table = PortTable()
    table.update("web", load_balancer(group("a:1", "b:2"), ports=("a:80", "b:81")))

    assert table.update("web", load_balancer(group("a:1", "b:2"), ports=("b:81", "a:80"))) == frozenset()


@pytest.mark.parametrize("port", [19000, 19999])
def test_envoys_own_ports_are_refused(port: int) -> None:
    """19000 to 19999 are Envoy's own, and nobody gets one."""
    table = PortTable()
    table.update("web", load_balancer(ports=(str(port),)))

    refusal = table.ports_of("web")[0, 0]

    assert isinstance(refusal, PortRefusal)
    assert (refusal.reason, refusal.path) == ("ReservedPort", "spec.ports[0].port")
    assert f"{port} is one of Envoy's own ports (19000-19999)" in refusal.message


@pytest.mark.parametrize("port", [18999, 20000])
def test_ports_beside_envoys_own_are_free(port: int) -> None:
    """The range of Envoy's own ports ends where it says."""
    table = PortTable()
    table.update("web", load_balancer(ports=(str(port),)))

    assert table.ports_of("web") == {(0, 0): port}


def test_further_group_gets_no_listener() -> None:
    """A further endpoint group is told that spec.ports belongs to the first."""
    table = PortTable()
    table.update("web", load_balancer(group("8080"), group("8080", "8081")))

    outcome = table.ports_of("web")

    assert outcome[0, 0] == 80
    for place in ((1, 0), (1, 1)):
        refusal = outcome[place]
        assert isinstance(refusal, PortRefusal)
        assert refusal.reason == "NotFirstEndpointGroup"


def test_port_without_entry_gets_no_listener() -> None:
    """An endpoint port that spec.ports does not list is told so."""
    table = PortTable()
    table.update("web", load_balancer(group("http:8080", "metrics:9090"), ports=("http:80",)))

    refusal = table.ports_of("web")[0, 1]

    assert isinstance(refusal, PortRefusal)
    assert (refusal.reason, refusal.path) == ("PortNotListed", "spec.endpoints[0].ports[1]")
    assert '("metrics", TCP 9090)' in refusal.message


def test_gone_is_gone() -> None:
    """A LoadBalancer that was removed is unknown, and removing it again changes nothing."""
    table = PortTable()
    table.update("web", load_balancer())
    table.update("web", None)

    assert table.update("web", None) == frozenset()
    with pytest.raises(KeyError):
        table.ports_of("web")
    assert repr(table) == "<PortTable 0 LoadBalancers, 0 ports>"
