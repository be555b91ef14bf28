"""Rule 5: what is refused is recorded and held back, and hides nothing else."""

import pytest

from tests.support.driver import Driver, brought, names, only
from tests.support.resources import cluster, endpoints, listener
from xds.snapshot import Resource, Snapshot
from xds.snapshot.types import CLUSTER, ENDPOINT, LISTENER

ENVOYS = "Error adding/updating cluster(s) {}: Failed to load trusted CA certificates from <inline>"


def plain(name: str, content: int = 1) -> Resource:
    """Return a cluster that waits for no endpoints."""
    return cluster(name, content, eds=False)


def with_clusters(*resources: Resource, delta: bool) -> Driver:
    """Return a stream that has these clusters and has ACKed them."""
    driver = Driver(*resources, delta=delta)
    driver.settled(CLUSTER)
    return driver


def test_rule_05_a_nack_is_the_presence_of_an_error(delta: bool) -> None:
    """An error without a word in it is a NACK; another version than the response's, without an error, is none."""
    driver = with_clusters(plain("a"), delta=delta)
    response = only(driver.change(plain("a", 2)))
    driver.request(CLUSTER, nonce=response.nonce, version="another")
    assert driver.kind() == "ack"
    response = only(driver.change(plain("a", 3)))
    driver.request(CLUSTER, nonce=response.nonce, version=response.version, error="")
    assert driver.kind() == "nack"


def test_rule_05_a_nack_is_recorded(delta: bool) -> None:
    """The outcome of a NACK has the text, the refused version, when it was sent, and the names that are held back."""
    driver = with_clusters(plain("a"), plain("b"), delta=delta)
    driver.now = 5.0
    response = only(driver.change(plain("a", 2), plain("b", 2)))
    driver.nack(response, ENVOYS.format("b"))
    outcome = driver.outcome
    assert (outcome.type_url, outcome.kind, outcome.error) == (CLUSTER, "nack", ENVOYS.format("b"))
    assert outcome.held == ("b",)
    assert outcome.push is not None
    assert (outcome.push.response.version, outcome.push.sent_at) == (response.version, 5.0)


def test_rule_05_what_is_refused_is_not_sent_again(delta: bool) -> None:
    """A refused resource is not sent again by itself, nor with a change of another one."""
    driver = with_clusters(plain("a"), delta=delta)
    response = only(driver.change(plain("bad")))
    assert driver.nack(response, ENVOYS.format("bad")) == driver.wait() == []
    assert names(only(driver.change(plain("a", 2)))) == ["a"]


def test_rule_05_the_rest_of_a_refused_response_goes_on(delta: bool) -> None:
    """What a NACK does not name is sent again at once, without what it names: it may all have been dropped."""
    driver = with_clusters(plain("old"), delta=delta)
    response = only(driver.change(plain("a"), plain("bad"), plain("c"), remove=[(CLUSTER, "old")]))
    rest = only(driver.nack(response, ENVOYS.format("bad")))
    assert (names(rest), rest.changed, rest.removed) == (["a", "c"], ("a", "c"), ("old",))
    assert driver.ack(rest) == driver.wait() == []


def test_rule_05_a_response_refused_piece_by_piece_comes_to_an_end(delta: bool) -> None:
    """Each NACK holds back what it names, until nothing is left to send."""
    driver = with_clusters(delta=delta)
    response = only(driver.change(*(plain(name) for name in "abc")))
    response = only(driver.nack(response, ENVOYS.format("b")))
    assert names(response) == ["a", "c"]
    response = only(driver.nack(response, ENVOYS.format("a")))
    assert names(response) == ["c"]
    assert driver.nack(response, ENVOYS.format("c")) == driver.wait() == []


def test_rule_05_a_nack_without_names_holds_all_of_the_response(delta: bool) -> None:
    """Where the text names none of the resources, none of them is sent again, and another one is as ever."""
    driver = with_clusters(plain("a"), delta=delta)
    response = only(driver.change(plain("b"), plain("c"), remove=[(CLUSTER, "a")]))
    assert driver.nack(response, "something is wrong") == driver.wait() == []
    assert driver.outcome.held == ("b", "c")
    assert names(only(driver.change(plain("d")))) == ["d"]


@pytest.mark.parametrize("text", [ENVOYS.format("bad"), "something is wrong"], ids=["named", "not named"])
def test_rule_05_changed_content_is_tried_again(delta: bool, text: str) -> None:
    """A refused resource goes out as soon as its content differs, and back to what was refused it is tried too."""
    driver = with_clusters(plain("a"), delta=delta)
    driver.nack(only(driver.change(plain("bad"))), text)
    mended = only(driver.change(plain("bad", 2)))
    assert mended.changed == ("bad",)
    assert driver.ack(mended) == []
    assert only(driver.change(plain("bad"))).changed == ("bad",)


@pytest.mark.parametrize("text", [ENVOYS.format("bad"), "something is wrong"], ids=["named", "not named"])
def test_rule_05_going_and_coming_back_is_a_change(delta: bool, text: str) -> None:
    """A refused resource that was removed and returns is tried again."""
    driver = with_clusters(plain("a"), delta=delta)
    driver.nack(only(driver.change(plain("bad"))), text)
    driver.ack(*driver.change(remove=[(CLUSTER, "bad")]))
    assert only(driver.change(plain("bad"))).changed == ("bad",)


def test_rule_05_a_new_subscription_is_tried_again(delta: bool) -> None:
    """A refused resource is sent again to whoever subscribes to it anew."""
    driver = Driver(endpoints("a"), endpoints("bad"), delta=delta)
    response = only(driver.request(ENDPOINT, "a", "bad"))
    rest = only(driver.nack(response, "bad is refused"))
    assert names(rest) == ["a"]
    driver.ack(rest)
    driver.request(ENDPOINT, *(() if delta else ("a",)), unsubscribe=["bad"], nonce=rest.nonce)
    again = ("bad",) if delta else ("a", "bad")
    assert names(only(driver.request(ENDPOINT, *again, nonce=rest.nonce))) == ["bad"]


def test_rule_05_asking_in_the_nack_itself_is_asking() -> None:
    """In delta a request that refuses a resource and subscribes to it is both, in this order."""
    driver = Driver(endpoints("a"), delta=True)
    response = only(driver.request(ENDPOINT, "a"))
    assert names(only(driver.request(ENDPOINT, "a", nonce=response.nonce, error="a is refused"))) == ["a"]


def test_rule_05_the_client_keeps_what_it_held(delta: bool) -> None:
    """After a refused update the older content is believed to be there still: it is not sent when it comes back."""
    driver = with_clusters(plain("a"), plain("b"), delta=delta)
    driver.nack(only(driver.change(plain("a", 2))), ENVOYS.format("a"))
    assert driver.change(plain("a")) == driver.wait() == []
    response = only(driver.change(remove=[(CLUSTER, "a")]))
    assert response.removed == ("a",)


def test_rule_05_after_a_nack_without_names_nothing_is_believed(delta: bool) -> None:
    """A client may have applied a part of what it refused as a whole: the older content is sent when it comes back."""
    driver = with_clusters(plain("a"), plain("b"), delta=delta)
    driver.nack(only(driver.change(plain("a", 2))), "something is wrong")
    assert only(driver.change(plain("a"))).changed == ("a",)


def test_rule_05_after_a_nack_without_names_a_new_resource_is_removed_for_sure() -> None:
    """In delta a resource of such a response is called removed when it goes: the client may have taken it."""
    driver = with_clusters(plain("a"), delta=True)
    driver.nack(only(driver.change(plain("b"))), "something is wrong")
    assert only(driver.change(remove=[(CLUSTER, "b")])).removed == ("b",)


def test_rule_05_a_name_that_does_not_exist_is_told_again_after_a_nack() -> None:
    """In delta what a refused response said to be missing is said again with the rest of it."""
    driver = Driver(endpoints("bad"), delta=True)
    response = only(driver.request(ENDPOINT, "bad", "missing"))
    rest = only(driver.nack(response, "bad is refused"))
    assert (rest.resources, rest.removed) == ((), ("missing",))


def test_rule_05_a_nack_of_an_older_response_does_not_hold_back_a_newer_one(delta: bool) -> None:
    """Content that was mended while its refusal was under way is neither held back nor sent twice."""
    driver = with_clusters(plain("a"), delta=delta)
    bad = only(driver.change(plain("b")))
    mended = only(driver.change(plain("b", 2)) or driver.wait(driver.timing.ack))
    assert brought(mended)["b"] == plain("b", 2).version
    assert driver.nack(bad, ENVOYS.format("b")) == []
    assert driver.outcome.held == ("b",)
    assert driver.ack(mended) == driver.wait() == []


def test_rule_05_two_refusals_in_flight_leave_what_was_there_before_both(delta: bool) -> None:
    """When two updates are refused one after the other, the client holds what it held before the first."""
    driver = with_clusters(plain("a"), delta=delta)
    first = only(driver.change(plain("a", 2)))
    second = only(driver.change(plain("a", 3)) or driver.wait(driver.timing.ack))
    driver.nack(first, ENVOYS.format("a"))
    driver.nack(second, ENVOYS.format("a"))
    assert driver.change(plain("a")) == driver.wait() == []


def test_rule_05_endpoints_of_a_refused_response_go_on_too(delta: bool) -> None:
    """Envoy drops the assignments after the one that it refuses, in state of the world too: they are sent again."""
    driver = Driver(*(endpoints(name) for name in ("a", "bad", "c")), delta=delta)
    response = only(driver.request(ENDPOINT, "a", "bad", "c"))
    rest = only(driver.nack(response, "bad: malformed"))
    assert names(rest) == ["a", "c"]
    driver.ack(rest)
    gone = driver.change(remove=[(ENDPOINT, "bad")])
    assert [response.removed for response in gone] == ([("bad",)] if delta else [])  # rule 24
    driver.ack(*gone)
    assert names(only(driver.change(endpoints("bad")))) == ["bad"]


def test_rule_05_a_refused_cluster_gets_no_endpoints_again(delta: bool) -> None:
    """Endpoints that were refused are not sent again because their cluster changed (rule 30 gives way)."""
    driver = Driver(cluster("a"), endpoints("a"), delta=delta)
    driver.settled(CLUSTER)
    driver.nack(only(driver.request(ENDPOINT, "a")), "a is refused")
    assert only(driver.change(cluster("a", 2))).type_url == CLUSTER


# State of the world: what is left out of a full response is deleted, so what is refused cannot simply be left out.


def test_rule_05_sotw_names_what_the_client_holds_instead_of_what_it_refused() -> None:
    """An existing cluster whose update was refused is named in its accepted content, and the response is acceptable."""
    driver = with_clusters(plain("a"), plain("b"), delta=False)
    rest = only(driver.nack(only(driver.change(plain("a", 2), plain("b", 2))), ENVOYS.format("a")))
    assert brought(rest) == {"a": plain("a").version, "b": plain("b", 2).version}
    driver.ack(rest)
    response = only(driver.change(plain("c")))
    assert brought(response) == {**brought(rest), "c": plain("c").version}
    current = driver.snapshot.get(CLUSTER)
    assert current is not None
    assert response.version != current.version


def test_rule_05_sotw_keeps_the_accepted_content_until_the_removal_may_go() -> None:
    """A refused cluster that is to be removed after its listener stays as the client has it."""
    driver = Driver(plain("a"), plain("b"), listener("a"), delta=False)
    driver.settled(CLUSTER)
    driver.settled(LISTENER)
    driver.nack(only(driver.change(plain("a", 2))), ENVOYS.format("a"))
    driver.change(remove=[(CLUSTER, "a"), (LISTENER, "a")])
    response = only(driver.change(plain("b", 2)))
    assert brought(response) == {"a": plain("a").version, "b": plain("b", 2).version}


def test_rule_05_sotw_deletes_nothing_that_it_did_not_send() -> None:
    """After a reconnect a refused cluster is named still, since the client may hold another content; but not by itself."""
    driver = Driver(plain("a"), plain("bad", 2), delta=False)
    response = only(driver.request(CLUSTER, version="of another time"))
    assert driver.nack(response, ENVOYS.format("bad")) == driver.wait() == []
    response = only(driver.change(plain("a", 2)))
    assert names(response) == ["a", "bad"]
    assert driver.nack(response, ENVOYS.format("bad")) == driver.wait() == []
    assert names(only(driver.change(plain("bad", 3)))) == ["a", "bad"]


def test_rule_05_sotw_knows_what_the_client_holds_after_its_first_ack() -> None:
    """From the first ACK on a reconnected client holds what it was sent and nothing else."""
    driver = Driver(plain("a"), delta=False)
    driver.ack(only(driver.request(CLUSTER, version="of another time")))
    response = only(driver.change(plain("bad"), plain("a", 2)))
    assert names(only(driver.nack(response, ENVOYS.format("bad")))) == ["a"]


def test_rule_05_sotw_a_refusal_that_covers_several_responses_deletes_nothing() -> None:
    """Envoy answers the newest of several with the words about any: what they name may be there, and is named still."""
    driver = with_clusters(plain("a"), delta=False)
    only(driver.change(plain("b")))
    newest = only(driver.change(plain("b", 2)) or driver.wait(driver.timing.ack))
    assert driver.nack(newest, ENVOYS.format("b")) == driver.wait() == []
    response = only(driver.change(plain("a", 2)))
    assert brought(response) == {"a": plain("a", 2).version, "b": plain("b", 2).version}
    driver.ack(response)
    assert only(driver.change(remove=[(CLUSTER, "b")])).removed == ("b",)


def test_rule_05_sotw_an_ack_of_all_is_an_ack_of_what_was_refused_once() -> None:
    """What an accepted response carries is held by the client, and is kept when its update is refused."""
    driver = Driver(plain("a"), plain("b", 2), delta=False)
    driver.nack(only(driver.request(CLUSTER, version="of another time")), ENVOYS.format("b"))
    driver.ack(only(driver.change(plain("a", 2))))
    state = driver.state.of_type(CLUSTER)
    assert state is not None
    assert not state.refuses(plain("b", 2))
    response = only(driver.change(plain("a", 3), plain("b", 3)))
    rest = only(driver.nack(response, ENVOYS.format("b")))
    assert brought(rest) == {"a": plain("a", 3).version, "b": plain("b", 2).version}


def test_rule_05_sotw_an_older_response_can_be_refused_while_a_newer_is_under_way() -> None:
    """The answer to the older response counts, and the names of the request do not: the client will state them again."""
    snapshot = Snapshot((), [endpoints("a"), endpoints("b")])
    driver = Driver(snapshot=snapshot, delta=False)
    first = only(driver.request(ENDPOINT, "a"))
    second = only(driver.request(ENDPOINT, "a", "b", nonce=first.nonce) or [])
    third = only(driver.change(endpoints("a", 2)) or driver.wait(driver.timing.ack))
    driver.request(ENDPOINT, "a", "c", nonce=second.nonce, error="b is refused")
    assert driver.kind() == "nack"
    assert driver.change(endpoints("c")) == []
    driver.request(ENDPOINT, "a", "c", nonce=third.nonce)
    assert driver.kind() == "ack"


def test_rule_05_sotw_what_the_client_may_have_taken_is_not_taken_from_it() -> None:
    """Content that came after an update which the client may or may not have applied is, when refused, named still."""
    driver = with_clusters(plain("a"), delta=False)
    first = only(driver.change(plain("a", 2), plain("bad")))
    driver.change(plain("c"))
    second = only(driver.wait(driver.timing.ack))
    assert driver.nack(first, ENVOYS.format("bad")) == []
    assert driver.change(plain("a", 3)) == []
    response = only(driver.nack(second, ENVOYS.format("bad")))
    assert brought(response) == {"a": plain("a", 3).version, "c": plain("c").version}
    assert driver.nack(response, ENVOYS.format("a")) == driver.wait() == []
    response = only(driver.change(plain("c", 2)))
    assert brought(response) == {"a": plain("a", 3).version, "c": plain("c", 2).version}


def test_rule_05_a_refused_removal_is_tried_again_when_everything_is_asked_for() -> None:
    """In delta a removal that was refused as a part of a whole waits for a new subscription, as resources do."""
    driver = with_clusters(plain("a"), delta=True)
    response = only(driver.change(plain("bad"), remove=[(CLUSTER, "a")]))
    assert driver.nack(response, "something is wrong") == driver.wait() == []
    again = only(driver.request(CLUSTER, "*"))
    assert (names(again), again.removed) == (["bad"], ("a",))


def test_rule_05_a_removal_in_a_refused_response_counts_for_nothing(delta: bool) -> None:
    """A resource that returns after its removal was refused with another one is sent: the client may have dropped it."""
    driver = with_clusters(plain("a"), delta=delta)
    response = only(driver.change(plain("bad"), remove=[(CLUSTER, "a")]))
    driver.change(plain("a"))
    assert names(only(driver.nack(response, ENVOYS.format("bad")))) == ["a"]


def test_rule_05_sotw_what_may_have_been_taken_of_a_refused_response_is_not_taken_back() -> None:
    """When two responses are refused, the first for another resource, the second leaves out nothing that the first brought."""
    driver = with_clusters(delta=False)
    first = only(driver.change(plain("a"), plain("bad")))
    driver.change(plain("a", 2))
    second = only(driver.wait(driver.timing.ack))
    driver.nack(first, ENVOYS.format("bad"))
    driver.nack(second, ENVOYS.format("a"))
    driver.wait()
    assert "a" in names(only(driver.change(plain("c"))))


def test_rule_05_sotw_what_a_whole_refusal_may_have_kept_is_named_still() -> None:
    """After a NACK without names the client may hold what was left out: if that returns and is refused, it stays named."""
    driver = with_clusters(plain("a"), delta=False)
    driver.nack(only(driver.change(plain("b"), remove=[(CLUSTER, "a")])), "something is wrong")
    driver.nack(only(driver.change(plain("a", 2))), ENVOYS.format("a"))
    assert names(only(driver.change(plain("c")))) == ["a", "c"]
