"""Rules 12 to 20: state of the world."""

from collections.abc import Callable

import pytest

from tests.support.driver import Driver, brought, names, only
from tests.support.resources import cluster, endpoints, listener, route
from xds.snapshot import Resource, Snapshot
from xds.snapshot.types import CLUSTER, ENDPOINT, LISTENER, ROUTE


def sotw(*resources: Resource, snapshot: Snapshot | None = None) -> Driver:
    """Return a state-of-the-world stream on these resources."""
    return Driver(*resources, delta=False, snapshot=snapshot)


def test_rule_12_a_stale_request_gets_no_response() -> None:
    """A request whose nonce is not the newest is not answered, whatever it asks for."""
    driver = sotw(endpoints("a"), endpoints("b"))
    first = only(driver.request(ENDPOINT, "a"))
    second = only(driver.request(ENDPOINT, "a", "b", nonce=first.nonce))
    assert names(second) == ["b"]
    for nonce in ("", first.nonce, "made up"):
        assert driver.request(ENDPOINT, "a", "b", "c", nonce=nonce) == driver.wait() == []
        assert driver.kind() == "stale"


def test_rule_12_names_of_a_stale_request_are_not_subscribed_to() -> None:
    """What only a stale request asked for is not sent when it changes either."""
    driver = sotw(endpoints("a"), endpoints("b"))
    response = only(driver.request(ENDPOINT, "a"))
    driver.request(ENDPOINT, "a", "b")
    assert driver.change(endpoints("b", 2)) == []
    assert names(only(driver.request(ENDPOINT, "a", "b", nonce=response.nonce))) == ["b"]


def test_rule_13_the_newest_request_supersedes_older_ones() -> None:
    """Of several requests before a response only the last one's names count."""
    snapshot = Snapshot((), [endpoints(name) for name in "abc"])
    driver = Driver(snapshot=snapshot, delta=False, attached=False)
    driver.request(ENDPOINT, "a", "b")
    driver.request(ENDPOINT, "c")
    driver.state.attach(snapshot)
    assert names(only(driver.poll())) == ["c"]


@pytest.mark.parametrize(("type_url", "make"), [(CLUSTER, cluster), (LISTENER, listener)], ids=["CDS", "LDS"])
def test_rule_14_clusters_and_listeners_come_with_all_the_others(
    type_url: str, make: Callable[..., Resource]
) -> None:
    """A change of one cluster or listener is a response with every one, and what is gone is absent."""
    driver = sotw(*(make(name) for name in "abc"))
    driver.settled(type_url)
    changed = make("b", 2)
    response = only(driver.change(changed, remove=[(type_url, "c")]))
    assert brought(response) == {"a": make("a").version, "b": changed.version}
    assert (response.changed, response.removed) == (("b",), ("c",))


def test_rule_14_all_that_is_subscribed_to_by_name_is_carried() -> None:
    """A subscription by names gets all of those in each response, and no others."""
    driver = sotw(*(cluster(name) for name in "abc"))
    driver.settled(CLUSTER, "a", "b")
    assert driver.change(cluster("c", 2)) == []
    assert names(only(driver.change(cluster("b", 2)))) == ["a", "b"]


def test_rule_14_an_empty_response_deletes_all() -> None:
    """When the last cluster goes, a response without any says so."""
    driver = sotw(cluster("a"))
    driver.settled(CLUSTER)
    response = only(driver.change(remove=[(CLUSTER, "a")]))
    assert (response.resources, response.removed) == ((), ("a",))


def test_rule_15_of_other_types_only_what_changed_is_sent() -> None:
    """A change of one assignment brings that one, not the others."""
    driver = sotw(endpoints("a"), endpoints("b"))
    driver.settled(ENDPOINT, "a", "b")
    assert names(only(driver.change(endpoints("b", 2)))) == ["b"]


@pytest.mark.parametrize("wanted", [("a", "b"), ()], ids=["by name", "wildcard"])
def test_rule_15_absence_is_no_deletion(wanted: tuple[str, ...]) -> None:
    """That an assignment is gone cannot be said, so nothing is sent for it, nor is it named as removed."""
    driver = sotw(endpoints("a"), endpoints("b"))
    driver.settled(ENDPOINT, *wanted)
    assert driver.change(remove=[(ENDPOINT, "b")]) == []
    response = only(driver.change(endpoints("a", 2)))
    assert (names(response), response.removed) == (["a"], ())


def test_rule_16_a_newly_added_name_is_sent_even_if_unchanged() -> None:
    """A name that is added is sent; the names that were there before are not."""
    driver = sotw(endpoints("a"), endpoints("b"))
    response = driver.settled(ENDPOINT, "a")
    assert names(only(driver.request(ENDPOINT, "a", "b", nonce=response.nonce))) == ["b"]


def test_rule_16_a_name_is_sent_again_after_unsubscribing() -> None:
    """A name that is dropped and added again is sent again, though its content is what it was."""
    driver = sotw(endpoints("a"), endpoints("b"))
    response = driver.settled(ENDPOINT, "a", "b")
    assert driver.request(ENDPOINT, "a", nonce=response.nonce) == []
    assert names(only(driver.request(ENDPOINT, "a", "b", nonce=response.nonce))) == ["b"]


def test_rule_16_a_name_is_sent_again_after_a_stale_request_dropped_it() -> None:
    """Where only a stale request shows that a name was let go of, it is newly added all the same when it returns."""
    driver = sotw(endpoints("a"), endpoints("b"))
    driver.settled(ENDPOINT, "a", "b")
    response = only(driver.change(endpoints("a", 2)))
    assert driver.request(ENDPOINT, "a", nonce="1") == []
    assert names(only(driver.request(ENDPOINT, "a", "b", nonce=response.nonce))) == ["b"]


def test_rule_16_a_name_added_to_a_wildcard_is_sent() -> None:
    """A name is newly added also where the wildcard covered it before."""
    driver = sotw(route("a"), route("b"))
    response = driver.settled(ROUTE, "*")
    assert names(only(driver.request(ROUTE, "*", "a", nonce=response.nonce))) == ["a"]


@pytest.mark.parametrize(("type_url", "make"), [(CLUSTER, cluster), (ROUTE, route)], ids=["CDS", "RDS"])
def test_rule_16_a_wildcard_that_is_added_brings_everything(
    type_url: str, make: Callable[..., Resource]
) -> None:
    """Adding ``*`` to names asks for all that it covers."""
    driver = sotw(make("a"), make("b"))
    response = driver.settled(type_url, "a")
    assert names(only(driver.request(type_url, "a", "*", nonce=response.nonce))) == ["a", "b"]


@pytest.mark.parametrize("type_url", [CLUSTER, LISTENER, ENDPOINT, ROUTE])
def test_rule_17_a_first_request_without_names_is_a_wildcard(type_url: str) -> None:
    """No names on a type's first request means everything of it, later too, whatever the type."""
    make = {CLUSTER: cluster, LISTENER: listener, ENDPOINT: endpoints, ROUTE: route}[type_url]
    driver = sotw(make("a"), make("b"))
    assert names(driver.settled(type_url)) == ["a", "b"]
    assert "c" in names(only(driver.change(make("c"))))


@pytest.mark.parametrize("named", ["a", "*"])
def test_rule_17_no_names_after_a_name_means_none(named: str) -> None:
    """Once any name or ``*`` was sent, an empty list ends the subscription."""
    driver = sotw(endpoints("a"))
    response = driver.settled(ENDPOINT, named)
    assert driver.request(ENDPOINT, nonce=response.nonce) == []
    assert driver.change(endpoints("a", 2), endpoints("b")) == driver.wait() == []


def test_rule_17_a_name_ends_the_wildcard_of_no_names() -> None:
    """A name after requests without any leaves that name alone."""
    driver = sotw(endpoints("a"), endpoints("b"))
    response = driver.settled(ENDPOINT)
    again = only(driver.request(ENDPOINT, "a", nonce=response.nonce))
    assert names(again) == ["a"]
    driver.ack(again)
    assert driver.change(endpoints("b", 2)) == []
    assert names(only(driver.change(endpoints("a", 2)))) == ["a"]


def test_rule_18_dropping_the_wildcard_keeps_the_names() -> None:
    """``["*", "A"]`` and then ``["A"]`` leaves A subscribed to, without sending it again, and nothing else."""
    driver = sotw(*(cluster(name) for name in "AB"))
    response = driver.settled(CLUSTER, "*", "A")
    assert driver.request(CLUSTER, "A", nonce=response.nonce) == []
    assert driver.change(cluster("B", 2)) == []
    assert names(only(driver.change(cluster("A", 2)))) == ["A"]


def test_rule_18_what_the_names_cover_is_held_still() -> None:
    """That the wildcard went changes nothing for a resource that was asked for by name: its removal is told."""
    driver = sotw(cluster("A"), cluster("B"))
    response = driver.settled(CLUSTER, "*", "A")
    driver.request(CLUSTER, "A", nonce=response.nonce)
    assert only(driver.change(remove=[(CLUSTER, "A"), (CLUSTER, "B")])).removed == ("A",)


def test_rule_19_a_wildcard_that_presents_the_current_version_stays_unanswered() -> None:
    """A reconnect of clusters or listeners with the current version and an empty nonce gets nothing until a change."""
    snapshot = Snapshot((), [cluster("a"), cluster("b"), listener("l")])
    for type_url in (CLUSTER, LISTENER):
        version = sotw(snapshot=snapshot).settled(type_url).version
        driver = sotw(snapshot=snapshot)
        assert driver.request(type_url, version=version) == driver.wait() == []
    driver = sotw(snapshot=snapshot)
    driver.request(CLUSTER, version=sotw(snapshot=snapshot).settled(CLUSTER).version)
    response = only(driver.change(cluster("a", 2), remove=[(CLUSTER, "b")]))
    assert (names(response), response.changed, response.removed) == (["a"], ("a",), ("b",))


def test_rule_19_another_version_is_answered() -> None:
    """A reconnect that presents another version is sent everything."""
    driver = sotw(cluster("a"), cluster("b"))
    assert names(only(driver.request(CLUSTER, version="of another time"))) == ["a", "b"]


@pytest.mark.parametrize(
    ("type_url", "wanted"),
    [(ENDPOINT, ("a",)), (ENDPOINT, ()), (ROUTE, ("a",)), (CLUSTER, ("a",)), (CLUSTER, ("*", "a"))],
)
def test_rule_19_where_a_subscription_can_be_new_the_first_request_is_answered(
    type_url: str, wanted: tuple[str, ...]
) -> None:
    """A first request with the current version is answered where it names anything, and for endpoints always."""
    snapshot = Snapshot((), [cluster("a"), endpoints("a"), route("a")])
    resources = snapshot.get(type_url)
    assert resources is not None
    driver = sotw(snapshot=snapshot)
    assert names(only(driver.request(type_url, *wanted, version=resources.version))) == ["a"]


@pytest.mark.parametrize("type_url", [ENDPOINT, ROUTE])
@pytest.mark.parametrize("wanted", [(), ("*",)], ids=["legacy", "*"])
def test_rule_20_an_empty_response_of_a_partial_type_says_nothing(
    type_url: str, wanted: tuple[str, ...]
) -> None:
    """A wildcard of another type than clusters and listeners gets nothing while there is nothing: Envoy would not answer it."""
    driver = sotw()
    assert driver.request(type_url, *wanted) == driver.wait() == []


@pytest.mark.parametrize("type_url", [CLUSTER, LISTENER, ENDPOINT, ROUTE])
def test_rule_20_a_missing_resource_is_answered_with_nothing(type_url: str) -> None:
    """A name that does not exist gets no response of its own, not even an empty one."""
    make = {CLUSTER: cluster, LISTENER: listener, ENDPOINT: endpoints, ROUTE: route}[type_url]
    driver = sotw(make("a"))
    assert driver.request(type_url, "missing") == driver.wait() == []
    response = only(driver.request(type_url, "missing", "a"))
    assert names(response) == ["a"]
    assert driver.request(type_url, "missing", "a", "gone", nonce=response.nonce) == []


def test_rule_18_what_waits_goes_with_the_wildcard() -> None:
    """What is owed under the wildcard alone is not sent when that is dropped before it could be."""
    driver = sotw(*(route(name) for name in "AB"))
    driver.settled(ROUTE, "*", "A")
    response = only(driver.change(route("A", 2)))
    assert driver.change(route("B", 2)) == []
    assert driver.request(ROUTE, "A", nonce=response.nonce) == driver.wait() == []


@pytest.mark.parametrize("wanted", [(), ("gone",)], ids=["wildcard", "by name"])
def test_rule_14_a_reconnect_hears_that_everything_is_gone(wanted: tuple[str, ...]) -> None:
    """A client that presents a version may hold what no longer exists, and an empty response deletes it."""
    response = only(sotw().request(CLUSTER, *wanted, version="of another time"))
    assert response.resources == ()


def test_rule_14_a_stale_request_takes_nothing_out_of_a_full_response() -> None:
    """Clusters that only a stale request no longer names are carried until a request counts that does not."""
    driver = sotw(cluster("a"), cluster("b"))
    first = driver.settled(CLUSTER, "a", "b")
    driver.change(cluster("a", 2))
    assert driver.request(CLUSTER, "a", nonce=first.nonce) == []
    assert names(only(driver.wait(driver.timing.ack) or driver.change(cluster("a", 3)))) == ["a", "b"]
