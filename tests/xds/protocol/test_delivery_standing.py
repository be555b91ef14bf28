"""What is known of each Envoy: what it ACKed, what is on its way to it, what it refused."""

from tests.support.driver import only
from tests.support.resources import cluster, endpoints, listener
from tests.xds.protocol.fleet import TENANT, Fleet
from xds.protocol import Envoy, Standing
from xds.snapshot import Resource
from xds.snapshot.types import CLUSTER, ENDPOINT, LISTENER, ROUTE


def plain(name: str, content: int = 1) -> Resource:
    """Return a cluster that waits for no endpoints."""
    return cluster(name, content, eds=False)


def only_envoy(fleet: Fleet) -> Envoy:
    """Return the one Envoy that is connected."""
    (envoy,) = fleet.delivery.envoys(TENANT)
    return envoy


def test_a_resource_is_unasked_then_sent_then_acked(delta: bool) -> None:
    """An Envoy that asked for nothing has nothing; what it was sent is on its way until it answers."""
    fleet = Fleet(plain("a"))
    client = fleet.connect(delta=delta)
    envoy = only_envoy(fleet)
    assert envoy.standing(CLUSTER, "a") == Standing.UNASKED
    response = only(client.request(CLUSTER))
    assert envoy.standing(CLUSTER, "a") == Standing.SENT
    assert envoy.in_flight(CLUSTER) == {"a": plain("a").version}
    assert envoy.acked(CLUSTER) == {}
    client.ack(response)
    assert envoy.standing(CLUSTER, "a") == Standing.ACKED
    assert envoy.in_flight(CLUSTER) == {}
    assert envoy.acked(CLUSTER) == {"a": plain("a").version}


def test_what_waits_for_something_else_is_pending(delta: bool) -> None:
    """A listener that is held back until the clusters are ACKed is owed, not sent."""
    fleet = Fleet()
    client = fleet.connect(delta=delta)
    client.settled(CLUSTER)
    client.settled(LISTENER)
    ((clusters,),) = fleet.change(plain("a"), listener("l"))
    assert only_envoy(fleet).standing(LISTENER, "l") == Standing.PENDING
    (listeners,) = client.ack(clusters)
    assert only_envoy(fleet).standing(LISTENER, "l") == Standing.SENT
    client.ack(listeners)
    assert only_envoy(fleet).standing(LISTENER, "l") == Standing.ACKED


def test_newer_content_is_sent_while_the_older_is_held(delta: bool) -> None:
    """Until the new content is ACKed, what counts as held is the old one."""
    fleet = Fleet(plain("a"))
    client = fleet.connect(delta=delta)
    client.settled(CLUSTER)
    ((response,),) = fleet.change(plain("a", 2))
    envoy = only_envoy(fleet)
    assert envoy.standing(CLUSTER, "a") == Standing.SENT
    assert envoy.acked(CLUSTER) == {"a": plain("a").version}
    client.ack(response)
    assert envoy.acked(CLUSTER) == {"a": plain("a", 2).version}


def test_content_that_comes_back_is_not_acked_by_who_held_it_before(delta: bool) -> None:
    """Who holds it, and was sent something else that it has not answered, has it only once it has answered that and this again."""
    fleet = Fleet(plain("a"))
    client = fleet.connect(delta=delta)
    client.settled(CLUSTER)
    ((response,),) = fleet.change(plain("a", 2))
    (left,) = fleet.change(plain("a"))
    left = [response, *left]
    envoy = only_envoy(fleet)
    assert envoy.acked(CLUSTER) == {"a": plain("a").version}
    while left:
        assert envoy.standing(CLUSTER, "a") in {Standing.SENT, Standing.PENDING}
        left += client.ack(left.pop(0))
    assert envoy.standing(CLUSTER, "a") == Standing.ACKED


def test_a_removal_is_on_its_way_until_it_is_acked(delta: bool) -> None:
    """A resource that is gone is held by an Envoy that has not ACKed its removal."""
    fleet = Fleet(plain("a"), plain("b"))
    client = fleet.connect(delta=delta)
    client.settled(CLUSTER)
    ((response,),) = fleet.change(remove=[(CLUSTER, "a")])
    envoy = only_envoy(fleet)
    assert envoy.standing(CLUSTER, "a") == Standing.SENT
    assert envoy.in_flight(CLUSTER) == {"a": ""}
    client.ack(response)
    assert envoy.standing(CLUSTER, "a") == Standing.ACKED
    assert set(envoy.acked(CLUSTER)) == {"b"}


def test_a_refused_resource_is_refused_until_its_content_changes(delta: bool) -> None:
    """What an Envoy refused stands as refused, what it held before as ACKed; new content is on its way again."""
    fleet = Fleet(plain("a"), plain("b"))
    client = fleet.connect(delta=delta)
    client.settled(CLUSTER)
    ((response,),) = fleet.change(plain("a", 2), plain("b", 2))
    for repeated in client.nack(response, "Error adding/updating cluster(s) a: no"):
        client.ack(repeated)
    envoy = only_envoy(fleet)
    assert envoy.standing(CLUSTER, "a") == Standing.REFUSED
    assert envoy.standing(CLUSTER, "b") == Standing.ACKED
    assert envoy.acked(CLUSTER) == {"a": plain("a").version, "b": plain("b", 2).version}
    ((response,),) = fleet.change(plain("a", 3))
    assert envoy.standing(CLUSTER, "a") == Standing.SENT
    client.ack(response)
    assert envoy.standing(CLUSTER, "a") == Standing.ACKED


def test_what_may_have_been_taken_in_part_is_not_taken_for_acked(delta: bool) -> None:
    """A NACK that names nothing leaves open what an Envoy took of new resources."""
    fleet = Fleet()
    client = fleet.connect(delta=delta)
    client.settled(CLUSTER)
    ((response,),) = fleet.change(plain("a"), plain("b"))
    client.nack(response, "something is wrong")
    assert only_envoy(fleet).acked(CLUSTER) == {}
    assert only_envoy(fleet).standing(CLUSTER, "a") == Standing.REFUSED


def test_names_that_were_not_asked_for_are_unasked(delta: bool) -> None:
    """Of endpoints an Envoy has what it asked for by name."""
    fleet = Fleet(endpoints("a"), endpoints("b"))
    client = fleet.connect(delta=delta)
    client.settled(ENDPOINT, "a")
    envoy = only_envoy(fleet)
    assert envoy.types == (ENDPOINT,)
    assert envoy.standing(ENDPOINT, "a") == Standing.ACKED
    assert envoy.standing(ENDPOINT, "b") == Standing.UNASKED
    assert envoy.standing(ROUTE, "a") == Standing.UNASKED


def test_what_a_delta_client_came_with_counts_as_acked() -> None:
    """A reconnect that presents the current version of a resource has it, without being sent it."""
    fleet = Fleet(plain("a"), plain("b"))
    client = fleet.connect(delta=True)
    response = only(client.request(CLUSTER, have={"a": plain("a").version, "b": "older"}))
    envoy = only_envoy(fleet)
    assert envoy.standing(CLUSTER, "a") == Standing.ACKED
    assert envoy.standing(CLUSTER, "b") == Standing.SENT
    assert envoy.acked(CLUSTER) == {"a": plain("a").version, "b": "older"}
    client.ack(response)
    assert envoy.acked(CLUSTER) == {"a": plain("a").version, "b": plain("b").version}


def test_one_ack_does_not_answer_for_a_response_that_follows() -> None:
    """With two responses on their way the ACK of the first is that of the first only."""
    fleet = Fleet(plain("a"))
    client = fleet.connect(delta=True)
    client.settled(CLUSTER)
    ((first,),) = fleet.change(plain("a", 2))
    fleet.change(plain("a", 3))
    (second,) = client.wait(client.timing.ack)
    client.ack(first)
    envoy = only_envoy(fleet)
    assert envoy.acked(CLUSTER) == {"a": plain("a", 2).version}
    assert envoy.standing(CLUSTER, "a") == Standing.SENT
    client.ack(second)
    assert envoy.standing(CLUSTER, "a") == Standing.ACKED


def test_what_is_asked_for_again_is_not_acked_by_the_earlier_response() -> None:
    """A name that is subscribed to anew, while it is on its way, is ACKed with an ACK and not before."""
    fleet = Fleet(endpoints("a"))
    client = fleet.connect(delta=True)
    client.request(ENDPOINT, "a")
    client.request(ENDPOINT, "a")
    assert only_envoy(fleet).standing(ENDPOINT, "a") == Standing.PENDING
    assert only_envoy(fleet).acked(ENDPOINT) == {}
    client.ack(*client.wait())
    assert only_envoy(fleet).standing(ENDPOINT, "a") == Standing.ACKED


def test_an_envoy_that_never_answers_never_has_anything(delta: bool) -> None:
    """However many responses go unanswered, none of them counts as ACKed, nor what they brought."""
    fleet = Fleet()
    client = fleet.connect(delta=delta)
    client.settled(CLUSTER)
    for number in range(150):
        fleet.change(plain(f"c{number}"))
        client.wait()
    envoy = only_envoy(fleet)
    assert envoy.acked(CLUSTER) == {}
    assert {envoy.standing(CLUSTER, f"c{number}") for number in range(150)} <= {
        Standing.SENT,
        Standing.PENDING,
    }


def test_nothing_is_asked_for_where_nothing_is_served(delta: bool) -> None:
    """While a tenant is cleared, or a type unknown, nobody stands in any way to its resources."""
    fleet = Fleet(plain("a"), types=[CLUSTER])
    client = fleet.connect(delta=delta)
    client.settled(CLUSTER)
    client.request(LISTENER)
    assert only_envoy(fleet).standing(LISTENER, "l") == Standing.UNASKED
    client.state.detach()
    assert only_envoy(fleet).standing(CLUSTER, "a") == Standing.UNASKED
