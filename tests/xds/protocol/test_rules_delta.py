"""Rules 21 to 28: delta."""

import pytest

from tests.support.driver import Driver, brought, names, only
from tests.support.resources import cluster, endpoints, listener
from xds.snapshot import Resource
from xds.snapshot.types import CLUSTER, ENDPOINT, LISTENER


def delta(*resources: Resource) -> Driver:
    """Return a delta stream on these resources."""
    return Driver(*resources, delta=True)


def test_rule_21_without_a_nonce_nothing_is_answered() -> None:
    """A request without a nonce is neither ACK nor NACK, even with an error in it."""
    driver = delta(cluster("a"))
    response = only(driver.request(CLUSTER))
    driver.request(CLUSTER, error="no")
    assert driver.kind() == "subscribe"
    driver.ack(response)
    assert (driver.kind(), driver.outcome.push is None) == ("ack", False)


@pytest.mark.parametrize("nonce", ["stale", ""])
def test_rule_21_a_subscription_changes_whatever_the_nonce(nonce: str) -> None:
    """Names count in a request with a stale nonce as in one without any."""
    driver = delta(endpoints("a"), endpoints("b"))
    driver.settled(ENDPOINT, "a")
    assert names(only(driver.request(ENDPOINT, "b", unsubscribe=["a"], nonce=nonce))) == ["b"]
    assert driver.kind() == ("stale" if nonce else "subscribe")
    assert driver.change(endpoints("a", 2)) == []


def test_rule_21_each_response_is_answered_by_its_own_nonce() -> None:
    """An ACK of a newer response leaves an older one open, which may be refused yet."""
    driver = delta(endpoints("a"))
    first = only(driver.request(ENDPOINT, "a", "b"))
    (second,) = driver.wait() or driver.change(endpoints("b"))
    driver.ack(second)
    assert driver.outcome.push is not None
    assert driver.outcome.push.response.nonce == second.nonce
    driver.nack(first, "no")
    assert (driver.kind(), driver.outcome.held) == ("nack", ("a",))


def test_rule_22_a_name_that_is_asked_for_again_is_sent_again() -> None:
    """A name in ``resource_names_subscribe`` is sent even if it is subscribed to and current; its neighbours are not."""
    driver = delta(endpoints("a"), endpoints("b"))
    driver.settled(ENDPOINT, "a", "b")
    assert names(only(driver.request(ENDPOINT, "a"))) == ["a"]


def test_rule_22_a_name_asked_for_while_it_goes_and_comes_is_sent_again() -> None:
    """That a name was asked for is not forgotten when the resource goes and comes back before the response."""
    driver = delta(endpoints("a"), endpoints("b"))
    driver.settled(ENDPOINT, "a", "b")
    driver.change(endpoints("b", 2))  # not ACKed: the next response waits a moment
    assert driver.request(ENDPOINT, "a") == []
    driver.change(remove=[(ENDPOINT, "a")])
    driver.change(endpoints("a"))
    assert names(only(driver.wait(driver.timing.ack))) == ["a"]


def test_rule_22_asking_for_everything_again_brings_everything_again() -> None:
    """``*`` is a name like others: whoever subscribes to it again may have forgotten all that it covers."""
    driver = delta(cluster("a"), cluster("b"))
    driver.settled(CLUSTER, "*")
    assert names(only(driver.request(CLUSTER, "*"))) == ["a", "b"]


@pytest.mark.parametrize(
    "wanted", [(), ("*",), ("same", "other", "new", "gone")], ids=["legacy", "*", "by name"]
)
def test_rule_23_a_reconnect_is_sent_what_differs(wanted: tuple[str, ...]) -> None:
    """A first request is not sent what ``initial_resource_versions`` has, and is told what is gone."""
    resources = {name: cluster(name) for name in ("same", "other", "new")}
    driver = delta(*resources.values())
    have = {"same": resources["same"].version, "other": "older", "gone": "older"}
    response = only(driver.request(CLUSTER, *wanted, have=have))
    assert brought(response) == {name: resources[name].version for name in ("other", "new")}
    assert response.removed == ("gone",)


def test_rule_23_a_reconnect_by_name_that_has_everything_is_sent_nothing() -> None:
    """Names of a first request that the client holds at the current version are not sent."""
    assert delta(endpoints("a")).request(ENDPOINT, "a", have={"a": endpoints("a").version}) == []


def test_rule_23_what_the_client_came_with_is_followed_from_then_on() -> None:
    """What a client holds from before is updated, and removed, like what it was sent."""
    driver = delta(cluster("a"), cluster("b"))
    have = {name: cluster(name).version for name in "ab"}
    assert only(driver.request(CLUSTER, have=have)).resources == ()
    response = only(driver.wait() or driver.change(cluster("a", 2), remove=[(CLUSTER, "b")]))
    assert (names(response), response.removed) == (["a"], ("b",))


def test_rule_23_only_the_first_request_can_say_what_the_client_has() -> None:
    """Later ``initial_resource_versions`` count for nothing."""
    driver = delta(endpoints("a"), endpoints("b"))
    driver.settled(ENDPOINT, "a")
    have = {"a": endpoints("a", 2).version, "b": endpoints("b").version}
    response = only(driver.request(ENDPOINT, "b", have=have))
    assert names(response) == ["b"]
    driver.ack(response)
    assert names(only(driver.change(endpoints("a", 2)))) == ["a"]


def test_rule_23_names_it_has_but_does_not_want_are_left_alone() -> None:
    """A version of a resource that is not subscribed to brings neither the resource nor, later, its removal."""
    driver = delta(endpoints("a"), endpoints("b"))
    driver.settled(ENDPOINT, "a", have={"b": "older"})
    assert driver.change(remove=[(ENDPOINT, "b")]) == []


def test_rule_24_a_name_that_does_not_exist_is_said_to_be_removed() -> None:
    """A missing name goes to ``removed_resources`` once, whenever it is asked for, and stays watched."""
    driver = delta(endpoints("a"))
    response = driver.settled(ENDPOINT, "a", "missing")
    assert (names(response), response.removed) == (["a"], ("missing",))
    assert driver.change(endpoints("a", 2))[0].removed == ()
    again = only(driver.wait() or driver.request(ENDPOINT, "missing"))
    assert (again.resources, again.removed) == ((), ("missing",))
    driver.ack(again)
    assert names(only(driver.change(endpoints("missing")))) == ["missing"]


def test_rule_24_a_missing_name_is_told_at_once() -> None:
    """What was asked for and does not exist waits for no other type, as removals do."""
    driver = delta(cluster("a"), listener("l"))
    driver.settled(CLUSTER)
    driver.request(LISTENER)  # not ACKed
    assert only(driver.request(CLUSTER, "missing")).removed == ("missing",)


def test_rule_24_a_missing_name_is_told_at_once_when_the_snapshot_comes_later() -> None:
    """It is so as well for a client that asked before there was anything to serve, and it is told once."""
    driver = Driver(cluster("a"), listener("l"), delta=True, attached=False)
    driver.request(LISTENER)
    driver.request(CLUSTER, "a", "missing")
    driver.state.attach(driver.snapshot)
    clusters = only(driver.poll())
    assert (names(clusters), clusters.removed) == (["a"], ("missing",))
    driver.ack(*driver.ack(clusters))
    driver.state.detach()
    driver.state.attach(driver.snapshot)
    assert driver.poll() == []


def test_rule_24_it_is_told_when_the_type_comes_later() -> None:
    """A name that is missing is called so as soon as there is a set that it is missing from."""
    driver = Driver(delta=True, types=())
    assert driver.request(ENDPOINT, "a", "b") == []
    response = only(driver.change(endpoints("a")))
    assert (names(response), response.removed) == (["a"], ("b",))


def test_rule_25_unsubscribing_alone_gets_no_response() -> None:
    """A name that is unsubscribed from is followed no more, and nothing is said about it."""
    driver = delta(endpoints("a"), endpoints("b"))
    driver.settled(ENDPOINT, "a", "b", "missing")
    assert driver.request(ENDPOINT, unsubscribe=["a", "missing"]) == driver.wait() == []
    assert driver.change(endpoints("a", 2), endpoints("missing")) == []
    assert driver.change(remove=[(ENDPOINT, "a")]) == []


def test_rule_25_a_name_that_the_wildcard_still_covers_is_returned_or_removed() -> None:
    """After unsubscribing a name beside a wildcard the client is told which it is: sent again, or gone."""
    driver = delta(cluster("a"), cluster("b"))
    driver.settled(CLUSTER, "*", "a", "missing")
    response = only(driver.request(CLUSTER, unsubscribe=["a", "missing"]))
    assert (names(response), response.removed) == (["a"], ("missing",))


def test_rule_25_what_is_in_flight_when_it_is_unsubscribed_stays_forgotten() -> None:
    """An answer to a response that carried a name says nothing about it once the name is let go of."""
    driver = delta(endpoints("a"), endpoints("b"), endpoints("c"))
    response = only(driver.request(ENDPOINT, "a", "b", "c"))
    driver.request(ENDPOINT, unsubscribe=["a", "b"])
    driver.change(remove=[(ENDPOINT, "b")])
    assert driver.nack(response, "no") == driver.wait() == []
    assert driver.change(remove=[(ENDPOINT, "a")]) == []
    assert driver.change(endpoints("a", 2), endpoints("b", 2)) == driver.wait() == []


def test_rule_26_unsubscribing_what_was_never_subscribed_is_ignored() -> None:
    """Such a name gets no response, beside a wildcard neither."""
    by_name = delta(endpoints("a"), endpoints("b"))
    by_name.settled(ENDPOINT, "a")
    assert by_name.request(ENDPOINT, unsubscribe=["b", "missing"]) == []
    wildcard = delta(cluster("a"))
    wildcard.settled(CLUSTER)
    assert wildcard.request(CLUSTER, unsubscribe=["a", "missing"]) == []


def test_rule_26_a_name_subscribed_and_unsubscribed_at_once_is_not_subscribed() -> None:
    """In one request unsubscribing comes last, and the name is not called missing either."""
    driver = delta(endpoints("a"))
    driver.settled(ENDPOINT, "a")
    assert driver.request(ENDPOINT, "missing", unsubscribe=["missing"]) == []
    assert driver.change(endpoints("missing")) == []


@pytest.mark.parametrize("first", [(), ("*",)], ids=["legacy", "*"])
def test_rule_27_a_name_added_to_a_wildcard_keeps_it(first: tuple[str, ...]) -> None:
    """Everything is still followed after a name was added and dropped again; only ``*`` ends the wildcard."""
    driver = delta(cluster("a"), cluster("b"))
    driver.settled(CLUSTER, *first)
    driver.ack(*driver.request(CLUSTER, "a"))
    driver.ack(*driver.request(CLUSTER, unsubscribe=["a"]))
    driver.ack(*driver.request(CLUSTER, "a"))
    driver.ack(only(driver.change(cluster("b", 2))))
    assert driver.request(CLUSTER, unsubscribe=["*"]) == []
    assert driver.change(cluster("b", 3), cluster("c"), remove=[(CLUSTER, "b")]) == []
    assert names(only(driver.change(cluster("a", 2)))) == ["a"]


def test_rule_27_a_wildcard_that_is_added_to_names_brings_the_rest() -> None:
    """Subscribing to ``*`` later brings everything, and does not call missing names missing again."""
    driver = delta(cluster("a"), cluster("b"))
    driver.settled(CLUSTER, "a", "missing")
    response = only(driver.request(CLUSTER, "*"))
    assert (names(response), response.removed) == (["a", "b"], ())


@pytest.mark.parametrize("type_url", [CLUSTER, ENDPOINT])
@pytest.mark.parametrize("first", [(), ("*",)], ids=["legacy", "*"])
def test_rule_28_a_first_wildcard_is_answered_even_when_there_is_nothing(
    type_url: str, first: tuple[str, ...]
) -> None:
    """An empty response tells a client that asks for everything that there is nothing."""
    response = delta().settled(type_url, *first)
    assert (response.resources, response.removed) == ((), ())


def test_rule_28_it_is_answered_also_where_the_client_has_everything() -> None:
    """A wildcard that reconnects with all versions current is answered with an empty response."""
    driver = delta(cluster("a"))
    response = only(driver.request(CLUSTER, have={"a": cluster("a").version}))
    assert (response.resources, response.removed) == ((), ())


def test_rule_28_a_wildcard_that_was_ended_before_its_answer_gets_none() -> None:
    """No empty response is owed to a client that no longer asks for everything."""
    driver = Driver(delta=True, attached=False)
    driver.request(CLUSTER)
    driver.request(CLUSTER, unsubscribe=["*"])
    driver.state.attach(driver.snapshot)
    assert driver.poll() == []


def test_rule_24_a_name_that_goes_before_its_answer_is_told() -> None:
    """A name that exists when it is asked for, and no longer when the answer may go, is said to be removed."""
    driver = delta(cluster("a"), listener("a"), listener("b"))
    driver.settled(CLUSTER)
    driver.change(cluster("a", 2))  # not ACKed: listeners wait
    assert driver.request(LISTENER, "a", "b") == []
    driver.change(remove=[(LISTENER, "b")])
    response = only(driver.wait(driver.timing.listeners))
    assert (names(response), response.removed) == (["a"], ("b",))


def test_rule_24_a_missing_name_is_told_once_when_it_is_also_resent() -> None:
    """A name that is called missing already is not removed once more when its cluster changes (rule 30)."""
    driver = delta(cluster("a"), endpoints("b"))
    driver.settled(CLUSTER)
    driver.settled(ENDPOINT, "*", "a")
    driver.change(endpoints("b", 2))  # not ACKed: the next response waits a moment
    assert driver.request(ENDPOINT, unsubscribe=["a"]) == []
    clusters = only(driver.change(cluster("a", 2)))
    assert only(driver.wait(driver.timing.ack)).removed == ("a",)
    assert driver.ack(clusters) == driver.wait() == []


def test_rule_25_a_wildcard_that_returns_hears_of_what_went_meanwhile() -> None:
    """What is under way when everything is dropped and asked for again is said to be gone if it is."""
    driver = delta(cluster("a"), cluster("b"))
    driver.request(CLUSTER)  # not ACKed
    driver.request(CLUSTER, unsubscribe=["*"])
    driver.change(remove=[(CLUSTER, "b")])
    driver.request(CLUSTER, "*")
    response = only(driver.wait(driver.timing.ack))
    assert (names(response), response.removed) == (["a"], ("b",))


def test_rule_25_what_waits_for_a_name_goes_with_its_subscription() -> None:
    """What is owed under a name, a change or a removal, is not sent when it is unsubscribed before it could be."""
    driver = delta(endpoints("a"), endpoints("b"), endpoints("c"))
    driver.settled(ENDPOINT, "a", "b", "c")
    driver.change(endpoints("c", 2))  # not ACKed: the next response waits a moment
    assert driver.change(endpoints("a", 2), remove=[(ENDPOINT, "b")]) == []
    assert driver.request(ENDPOINT, unsubscribe=["a", "b"]) == driver.wait() == []
