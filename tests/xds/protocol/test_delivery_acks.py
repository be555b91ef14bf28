"""When an Envoy ACKed what: kept in little room, and told for each resource."""

from datetime import datetime, timedelta

from tests.support.driver import only
from tests.support.resources import cluster, endpoints
from tests.xds.protocol.fleet import NOON, TENANT, Fleet
from xds.protocol.acks import Acks
from xds.snapshot import Resource
from xds.snapshot.types import CLUSTER, ENDPOINT


def plain(name: str, content: int = 1) -> Resource:
    """Return a cluster that waits for no endpoints."""
    return cluster(name, content, eds=False)


def acked_at(fleet: Fleet) -> dict[str, datetime | None]:
    """Return when the one Envoy ACKed each cluster."""
    (envoy,) = fleet.delivery.envoys(TENANT)
    return {state.name: state.acked_at for state in envoy.resources(CLUSTER)}


def test_each_resource_has_the_moment_of_its_own_ack(delta: bool) -> None:
    """A change of one resource makes the ACK of that one newer, and of no other."""
    fleet = Fleet(plain("a"), plain("b"))
    client = fleet.connect(delta=delta)
    client.settled(CLUSTER)
    ((response,),) = fleet.change(plain("a", 2))
    later = fleet.later(5)
    client.ack(response)
    assert acked_at(fleet) == {"a": later, "b": NOON}


def test_a_types_last_ack_is_known_with_its_version(delta: bool) -> None:
    """Of each type the newest ACK is told, with the type's version then; of a type without one nothing is."""
    fleet = Fleet(plain("a"))
    client = fleet.connect(delta=delta)
    (envoy,) = fleet.delivery.envoys(TENANT)
    assert envoy.last_ack(CLUSTER) is None
    response = client.settled(CLUSTER)
    assert envoy.last_ack(CLUSTER) == (NOON, response.version)
    assert envoy.last_ack(ENDPOINT) is None


def test_what_is_unanswered_waits_since_it_was_sent(delta: bool) -> None:
    """The oldest unanswered response says since when; none after the ACK."""
    fleet = Fleet(plain("a"))
    client = fleet.connect(delta=delta)
    client.now = 7
    response = only(client.request(CLUSTER))
    (envoy,) = fleet.delivery.envoys(TENANT)
    assert envoy.waits_since(CLUSTER) == 7
    client.ack(response)
    assert envoy.waits_since(CLUSTER) is None


def test_who_never_answers_waits_since_the_first_push(delta: bool) -> None:
    """However many follow that nobody can remember all of: the moment is that of the first one, until there is any answer."""
    fleet = Fleet(plain("a"))
    client = fleet.connect(delta=delta)
    client.now = 7
    client.request(CLUSTER)
    responses = []
    for content in range(2, 300):
        client.now += 1
        ((response,),) = fleet.change(plain("a", content))
        responses.append(response)
    (envoy,) = fleet.delivery.envoys(TENANT)
    assert envoy.waits_since(CLUSTER) == 7
    client.ack(responses[-2])
    assert envoy.waits_since(CLUSTER) == (client.now if not delta else client.now - 99)


def test_only_what_is_not_acked_is_open(delta: bool) -> None:
    """Of a hundred resources the one that is on its way is open, and all count."""
    fleet = Fleet(*(plain(f"c-{number}") for number in range(100)))
    client = fleet.connect(delta=delta)
    client.settled(CLUSTER)
    fleet.change(plain("c-7", 2))
    (envoy,) = fleet.delivery.envoys(TENANT)
    assert [state.name for state in envoy.open(CLUSTER)] == ["c-7"]
    assert envoy.size(CLUSTER) == 100


def test_streams_of_single_types_are_counted_together() -> None:
    """An Envoy with a stream for each cluster's endpoints has as many assignments as it asked for, each with its ACK."""
    fleet = Fleet(endpoints("a"), endpoints("b"))
    for name in "ab":
        client = fleet.connect(delta=True, only_type=ENDPOINT)
        client.settled(ENDPOINT, name)
    (envoy,) = fleet.delivery.envoys(TENANT)
    assert envoy.size(ENDPOINT) == 2
    assert [(state.name, state.acked_at) for state in envoy.resources(ENDPOINT)] == [("a", NOON), ("b", NOON)]


def test_old_acks_are_told_as_a_moment_before_which_they_were() -> None:
    """What is kept is bounded: a name that was ACKed long ago has a later moment, never an earlier one."""
    acks = Acks()
    for number in range(1000):
        acks.add(NOON + timedelta(seconds=number), "v", (f"name-{number}",))
    assert acks.when("name-999") == NOON + timedelta(seconds=999)
    first = acks.when("name-0")
    assert first is not None
    assert NOON < first < NOON + timedelta(seconds=999)


def test_an_ack_of_everything_keeps_one_moment() -> None:
    """A first ACK of thousands of names takes no room for them."""
    acks = Acks()
    acks.add(NOON, "v", tuple(map(str, range(10_000))))
    assert acks.when("5") == NOON
    assert not acks._recent
