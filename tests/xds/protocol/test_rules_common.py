"""Rules 2 to 4, 6 to 9 and 11: what both variants of the protocol have in common."""

import pytest

from tests.support.driver import Driver, names, only
from tests.support.resources import cluster, endpoints, listener, route
from xds.messages import DeltaDiscoveryResponse, DiscoveryResponse
from xds.protocol import ProtocolError
from xds.snapshot import Resource, Snapshot
from xds.snapshot.types import CLUSTER, ENDPOINT, LISTENER, ROUTE, SECRET

UNKNOWN = "type.googleapis.com/example.Unknown"


def test_rule_02_nonces_are_unique_across_types(delta: bool) -> None:
    """No two responses of a stream share a nonce, whatever their types."""
    driver = Driver(cluster("a"), endpoints("a"), listener("a"), delta=delta)
    responses = [driver.settled(CLUSTER), driver.settled(ENDPOINT, "a"), driver.settled(LISTENER)]
    for content in (2, 3, 4):
        for changed in (endpoints("a", content), listener("a", content)):
            responses += driver.change(changed)
            driver.ack(responses[-1])
    nonces = [response.nonce for response in responses]
    assert len(set(nonces)) == len(nonces) == 9


def test_rule_03_a_nack_of_one_type_leaves_the_others_alone(delta: bool) -> None:
    """Each type's state is its own: what refuses clusters goes on getting listeners, and knows its endpoints."""
    driver = Driver(cluster("a", eds=False), endpoints("a"), listener("a"), delta=delta)
    driver.settled(ENDPOINT, "a")
    clusters = only(driver.request(CLUSTER))
    assert driver.nack(clusters, "no") == []
    assert only(driver.request(LISTENER)).type_url == LISTENER
    assert only(driver.change(endpoints("a", 2))).type_url == ENDPOINT


def test_rule_03_a_nonce_of_one_type_answers_no_other(delta: bool) -> None:
    """A nonce that went out with another type is none of this type's."""
    driver = Driver(cluster("a"), listener("a"), delta=delta)
    listeners = driver.settled(LISTENER)
    clusters = only(driver.request(CLUSTER))
    assert driver.request(CLUSTER, nonce=listeners.nonce) == []
    assert driver.kind() == "stale"
    driver.ack(clusters)
    assert driver.kind() == "ack"


def test_rule_03_an_aggregated_stream_needs_a_type(delta: bool) -> None:
    """An empty type URL on ADS breaks the protocol."""
    with pytest.raises(ProtocolError, match="type_url is empty"):
        Driver(delta=delta).request("")


def test_rule_03_an_empty_type_means_a_per_type_streams_own(delta: bool) -> None:
    """On a stream of one type an empty type URL is that type, in what is sent and in what is noted."""
    driver = Driver(cluster("a"), delta=delta, only_type=CLUSTER)
    response = only(driver.request(""))
    assert (response.type_url, names(response)) == (CLUSTER, ["a"])
    assert driver.outcome.type_url == CLUSTER


def test_rule_03_a_per_type_stream_takes_no_other_type(delta: bool) -> None:
    """Another type on a stream of one type breaks the protocol, and both are named."""
    driver = Driver(delta=delta, only_type=CLUSTER)
    with pytest.raises(
        ProtocolError, match=f"type_url is '{LISTENER}': this stream carries '{CLUSTER}' only"
    ):
        driver.request(LISTENER)


def test_rule_04_an_unknown_type_is_held_open_in_silence(delta: bool) -> None:
    """A type that the snapshot does not know gets no response, not even an empty one, and the others go on."""
    driver = Driver(cluster("a"), delta=delta)
    assert driver.request(UNKNOWN) == driver.request(SECRET, "x") == driver.wait() == []
    assert names(driver.settled(CLUSTER)) == ["a"]


def test_rule_04_a_type_that_comes_later_is_answered_then(delta: bool) -> None:
    """A subscription to an unknown type is answered once the snapshot has it, with what was asked for only."""
    driver = Driver(delta=delta, types=())
    assert driver.request(ROUTE, "a") == []
    response = only(driver.change(route("a"), route("b")))
    assert (response.type_url, names(response)) == (ROUTE, ["a"])
    driver.ack(response)
    assert names(only(driver.change(route("a", 2), route("b", 2)))) == ["a"]


def test_rule_04_a_snapshot_that_comes_later_is_served_then(delta: bool) -> None:
    """Requests that came before there was a snapshot are answered when it is attached, in order."""
    driver = Driver(cluster("a"), endpoints("a"), listener("a"), delta=delta, attached=False)
    assert driver.request(LISTENER) == driver.request(ENDPOINT, "a") == driver.request(CLUSTER) == []
    driver.state.attach(driver.snapshot)
    first, second = driver.poll()
    assert (first.type_url, second.type_url) == (CLUSTER, ENDPOINT)
    assert only(driver.ack(first, second)).type_url == LISTENER


def test_rule_06_an_ack_with_nothing_new_gets_no_answer(delta: bool) -> None:
    """An ACK is not answered, neither at once nor later."""
    driver = Driver(cluster("a"), endpoints("a"), delta=delta)
    for type_url, wanted in ((CLUSTER, ()), (ENDPOINT, ("a", "missing"))):
        response = only(driver.request(type_url, *wanted))
        assert driver.ack(response) == driver.wait() == []
        assert driver.kind() == "ack"
        assert driver.outcome.push is not None
        assert driver.outcome.push.response.nonce == response.nonce


def test_rule_07_no_name_is_twice_in_a_response(delta: bool) -> None:
    """What is subscribed to twice, changes twice, or goes and comes back, is in a response once."""
    driver = Driver(cluster("a"), cluster("b"), listener("l"), delta=delta)
    assert names(driver.settled(CLUSTER, "*", "a", "a")) == ["a", "b"]
    listeners = only(driver.request(LISTENER))
    # The removal waits for the listeners' ACK, and then it is none any more.
    driver.change(cluster("a", 2), remove=[(CLUSTER, "b")])
    responses = [*driver.wait(driver.timing.ack), *driver.change(cluster("a", 3), cluster("b", 2))]
    responses += [*driver.ack(listeners), *driver.wait()]
    for response in responses:
        touched = [*names(response), *response.removed]
        assert len(set(touched)) == len(touched)
    assert {name for response in responses for name in response.removed} == set()


def test_rule_08_a_name_that_does_not_exist_is_answered_when_it_appears(delta: bool) -> None:
    """A subscription to a missing name is kept, and served once there is such a resource, and again when it returns."""
    driver = Driver(endpoints("a"), delta=delta)
    driver.settled(ENDPOINT, "a", "later")
    for _ in range(2):
        response = only(driver.change(endpoints("later")))
        assert names(response) == ["later"]
        driver.ack(response)
        driver.ack(*driver.change(remove=[(ENDPOINT, "later")]))


def test_rule_09_a_new_stream_inherits_nothing(delta: bool) -> None:
    """A second stream on the same snapshot is subscribed to nothing, and is sent what the first one has."""
    snapshot = Snapshot((CLUSTER, ENDPOINT), [cluster("a"), endpoints("a")])
    old = Driver(snapshot=snapshot, delta=delta)
    old.settled(CLUSTER)
    settled = old.settled(ENDPOINT, "a")
    new = Driver(snapshot=snapshot, delta=delta)
    assert new.change(cluster("a", 2), endpoints("a", 2)) == []
    response = only(new.request(ENDPOINT, "a", nonce=settled.nonce))
    assert names(response) == ["a"]
    assert new.kind() == "subscribe"


@pytest.mark.parametrize(
    "resource",
    [
        cluster("a"),
        endpoints("a"),
        listener("a"),
        route("a"),
        Resource(type_url=UNKNOWN, name="a", value=b"\x0a\x01x"),
    ],
    ids=lambda resource: resource.type_url.rpartition(".")[2],
)
def test_rule_11_a_resources_type_is_the_responses(delta: bool, resource: Resource) -> None:
    """The type URL inside each resource's Any is the one of the response that carries it."""
    response = only(Driver(resource, delta=delta, types=()).request(resource.type_url, "a")).encode(b"")
    if delta:
        parsed = DeltaDiscoveryResponse.FromString(response)
        (packed,) = [found.resource for found in parsed.resources]
    else:
        parsed = DiscoveryResponse.FromString(response)
        (packed,) = parsed.resources
    assert packed.type_url == parsed.type_url == resource.type_url
