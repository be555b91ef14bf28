"""Rules 29 to 31: order, warming, and waits that end."""

from collections.abc import Callable

import pytest

from tests.support.driver import AGES, Driver, brought, names, only
from tests.support.resources import cluster, endpoints, listener, route
from xds.messages import Cluster
from xds.protocol import Response
from xds.snapshot import Resource, Snapshot
from xds.snapshot.types import CLUSTER, ENDPOINT, LISTENER, ROUTE, SECRET


def lb(name: str, content: int = 1) -> tuple[Resource, Resource, Resource]:
    """Return the resources of a LoadBalancer with one port."""
    return cluster(name, content), endpoints(name, content), listener(name, content)


def gone(name: str) -> list[tuple[str, str]]:
    """Return the removals of such a LoadBalancer."""
    return [(type_url, name) for type_url in (CLUSTER, ENDPOINT, LISTENER)]


def envoy(*resources: Resource, delta: bool, endpoints_of: str = "a") -> Driver:
    """Return an aggregated stream that has all three types and has ACKed them."""
    driver = Driver(*resources, delta=delta)
    driver.settled(CLUSTER)
    driver.settled(ENDPOINT, *endpoints_of)
    driver.settled(LISTENER)
    return driver


def types(responses: list[Response]) -> list[str]:
    """Return the responses' types, in order."""
    return [response.type_url for response in responses]


def test_rule_29_additions_go_clusters_endpoints_listeners_routes(delta: bool) -> None:
    """What is due at once goes in the order CDS, EDS, LDS, RDS, and other types after them."""
    other = "type.googleapis.com/example.Other"
    resources = [cluster("a"), endpoints("a"), listener("a"), route("a")]
    resources += [Resource(type_url=type_url, name="a", value=b"") for type_url in (SECRET, other)]
    snapshot = Snapshot((), resources)
    driver = Driver(snapshot=snapshot, delta=delta, attached=False)
    for type_url in (other, SECRET, ROUTE, LISTENER, ENDPOINT, CLUSTER):
        driver.request(type_url, "a")
    driver.state.attach(snapshot)
    first = driver.poll()
    then = driver.ack(*first[:2])
    assert types(first) == [CLUSTER, ENDPOINT, SECRET, other]
    assert types(then) == [LISTENER, ROUTE]


def test_rule_29_listeners_wait_for_the_endpoints_ack(delta: bool) -> None:
    """A cluster may be active and have no endpoints yet, as one that came back has: its listener waits for them as well."""
    driver = envoy(*lb("a"), delta=delta, endpoints_of="ab")
    clusters, assignments = driver.change(*lb("b"))
    assert driver.ack(clusters) == []
    assert types(driver.ack(assignments)) == [LISTENER]


def test_rule_29_listeners_wait_for_the_clusters_ack(delta: bool) -> None:
    """A new LoadBalancer's listener goes out once the client has its cluster, not before."""
    driver = envoy(*lb("a"), delta=delta, endpoints_of="ab")
    first = driver.change(*lb("b"))
    assert types(first) == [CLUSTER, ENDPOINT]
    assert driver.ack(first[1]) == []
    assert driver.poll() == []
    assert types(driver.ack(first[0])) == [LISTENER]


def test_rule_29_routes_wait_for_the_clusters_ack(delta: bool) -> None:
    """Routes point at clusters as listeners do."""
    driver = Driver(cluster("a"), route("a"), delta=delta)
    driver.settled(CLUSTER)
    driver.settled(ROUTE, "a")
    clusters = only(driver.change(cluster("b"), route("a", 2)))
    assert clusters.type_url == CLUSTER
    assert types(driver.ack(clusters)) == [ROUTE]


def test_rule_29_additions_and_removals_of_listeners_share_a_response(delta: bool) -> None:
    """A listener may take over the address of one that goes, so both are in one response."""
    driver = envoy(*lb("a"), delta=delta, endpoints_of="ab")
    clusters, assignments = driver.change(*lb("b"), remove=gone("a"))
    driver.ack(assignments)
    listeners = only(driver.ack(clusters))
    assert (listeners.type_url, names(listeners), listeners.removed) == (LISTENER, ["b"], ("a",))


def test_rule_29_a_cluster_is_removed_after_its_listener(delta: bool) -> None:
    """When a LoadBalancer goes, its listener goes first; the cluster once that is ACKed; its endpoints last."""
    driver = envoy(*lb("a"), *lb("b"), delta=delta, endpoints_of="ab")
    listeners = only(driver.change(remove=gone("b")))
    assert (listeners.type_url, listeners.removed) == (LISTENER, ("b",))
    clusters = only(driver.ack(listeners))
    assert (clusters.type_url, clusters.removed) == (CLUSTER, ("b",))
    assert types(driver.ack(clusters)) == ([ENDPOINT] if delta else [])


def test_rule_29_a_replaced_loadbalancer_is_made_before_the_old_one_is_broken(delta: bool) -> None:
    """Clusters with endpoints, then listeners, then the old cluster's removal: each after the ACK of the one before."""
    driver = envoy(*lb("a"), delta=delta, endpoints_of="ab")
    clusters, assignments = driver.change(*lb("b"), remove=gone("a"))
    assert clusters.removed == assignments.removed == ()
    if not delta:
        # What is to stay for now is named still, as the client has it.
        assert brought(clusters) == {name: cluster(name).version for name in "ba"}
        assert clusters.version not in ("", only_version(cluster("b")))
    driver.ack(assignments)
    listeners = only(driver.ack(clusters))
    removal = only(driver.ack(listeners))
    assert (removal.type_url, removal.removed) == (CLUSTER, ("a",))
    if not delta:
        assert (names(removal), removal.version) == (["b"], only_version(cluster("b")))


def only_version(resource: Resource) -> str:
    """Return the version of a type that has this resource only."""
    found = Snapshot((), [resource]).get(resource.type_url)
    assert found is not None
    return found.version


def test_rule_29_routes_are_removed_after_the_listeners(delta: bool) -> None:
    """In delta, where it can be said that a route is gone, it is said once no listener names it."""
    driver = Driver(listener("a"), route("a"), route("b"), delta=delta)
    driver.settled(LISTENER)
    driver.settled(ROUTE, "a", "b")
    listeners = only(driver.change(listener("a", 2), remove=[(ROUTE, "b")]))
    assert listeners.type_url == LISTENER
    responses = driver.ack(listeners)
    assert [(response.type_url, response.removed) for response in responses] == (
        [(ROUTE, ("b",))] if delta else []
    )


def test_rule_29_a_cluster_that_comes_back_before_its_removal_is_not_touched(delta: bool) -> None:
    """A removal that waits is forgotten when the resource returns."""
    driver = envoy(*lb("a"), *lb("b"), delta=delta, endpoints_of="ab")
    listeners = only(driver.change(remove=gone("b")))
    driver.change(cluster("b"), endpoints("b"))
    assert [response for response in driver.ack(listeners) if response.type_url == CLUSTER] == []
    assert [response for response in driver.wait() if response.type_url == CLUSTER] == []


def test_rule_29_a_removal_waits_for_what_changed_with_it_and_for_nothing_later(delta: bool) -> None:
    """However fast listeners change, a cluster goes once the response that took its listener away is ACKed."""
    driver = envoy(*lb("a"), *lb("b"), delta=delta, endpoints_of="ab")
    first = only(driver.change(remove=gone("b")))
    assert driver.change(listener("a", 2)) == []
    clusters, listeners = driver.ack(first)
    assert (clusters.type_url, clusters.removed) == (CLUSTER, ("b",))
    assert (listeners.type_url, listeners.changed) == (LISTENER, ("a",))


def test_rule_29_listeners_wait_for_what_changed_before_them_and_for_nothing_later(delta: bool) -> None:
    """However fast clusters change, a listener goes once the clusters that came with it are ACKed."""
    driver = envoy(*lb("a"), delta=delta, endpoints_of="ab")
    first, assignments = driver.change(*lb("b"))
    driver.ack(assignments)
    assert driver.change(cluster("a", 2)) == []
    assert types(driver.ack(first)) == [CLUSTER, ENDPOINT, LISTENER]


def test_rule_29_a_nack_blocks_nothing(delta: bool) -> None:
    """A refused cluster does not keep the listeners waiting, nor a refused listener the clusters' removals."""
    driver = envoy(*lb("a"), delta=delta, endpoints_of="ab")
    clusters, assignments = driver.change(*lb("b"), remove=gone("a"))
    driver.ack(assignments)
    listeners = only(driver.nack(clusters, "Error adding/updating cluster(s) b: no"))
    assert listeners.type_url == LISTENER
    removal = only(driver.nack(listeners, "no"))
    assert (removal.type_url, removal.removed) == (CLUSTER, ("a",))


@pytest.mark.parametrize("type_url", [CLUSTER, ENDPOINT, LISTENER, ROUTE])
def test_rule_29_a_client_of_one_type_waits_for_nothing(delta: bool, type_url: str) -> None:
    """Who subscribes to one type only gets additions and removals of it at once."""
    make = {CLUSTER: cluster, ENDPOINT: endpoints, LISTENER: listener, ROUTE: route}
    driver = Driver(*(make[other](name) for other in make for name in "ab"), delta=delta)
    driver.settled(type_url, "a", "b")
    everything = [make[other]("a", 2) for other in make]
    response = only(driver.change(*everything, remove=[(other, "b") for other in make]))
    assert (response.type_url, response.changed) == (type_url, ("a",))
    tells_absence = delta or type_url in (CLUSTER, LISTENER)
    assert response.removed == (("b",) if tells_absence else ())


def test_rule_30_endpoints_follow_each_update_of_their_cluster(delta: bool) -> None:
    """EDS is sent for the updated clusters, unchanged as it is, and for no others."""
    driver = envoy(*lb("a"), *lb("b"), delta=delta, endpoints_of="ab")
    clusters, assignments = driver.change(cluster("a", 2))
    assert clusters.changed == ("a",)
    assert (assignments.type_url, names(assignments)) == (ENDPOINT, ["a"])
    assert driver.ack(clusters, assignments) == driver.wait() == []


def test_rule_30_endpoints_follow_the_name_that_the_cluster_gives_them(delta: bool) -> None:
    """The assignment's name is the cluster's ``service_name`` where it has one; a cluster by DNS has none."""
    named = cluster("a").message(Cluster)
    named.eds_cluster_config.service_name = "elsewhere"
    driver = Driver(endpoints("a"), endpoints("elsewhere"), delta=delta)
    driver.settled(CLUSTER)
    driver.settled(ENDPOINT, "a", "elsewhere")
    clusters, assignments = driver.change(Resource.of("a", named))
    assert names(assignments) == ["elsewhere"]
    driver.ack(clusters, assignments)
    assert types(driver.change(cluster("a", 2, eds=False))) == [CLUSTER]


def test_rule_30_a_reconnect_gets_the_endpoints_of_clusters_that_changed(delta: bool) -> None:
    """A client that presents current endpoints is sent those whose cluster it was sent before on this stream."""
    driver = Driver(*lb("a", 2), *lb("b"), delta=delta)
    have = {"a": cluster("a").version, "b": cluster("b").version}
    clusters = only(driver.request(CLUSTER, have=have, version="of another time"))
    assert "a" in clusters.changed
    have = {name: endpoints(name, content).version for name, content in (("a", 2), ("b", 1))}
    assignments = only(driver.request(ENDPOINT, "a", "b", have=have))
    assert names(assignments) == (["a"] if delta else ["a", "b"])


def test_rule_30_a_missing_assignment_is_called_missing_again() -> None:
    """In delta a cluster that warms anew is told again that its endpoints do not exist, and waits no longer."""
    driver = envoy(*lb("a"), cluster("b"), delta=True, endpoints_of="ab")
    _, assignments = driver.change(cluster("b", 2))
    assert (assignments.resources, assignments.removed) == ((), ("b",))


def test_rule_30_endpoints_that_were_never_sent_are_not_forced(delta: bool) -> None:
    """An update of a cluster brings no assignment that its client did not ask for."""
    driver = Driver(*lb("a"), *lb("b"), delta=delta)
    driver.settled(CLUSTER)
    driver.settled(ENDPOINT, "a")
    assert types(driver.change(cluster("b", 2))) == [CLUSTER]


@pytest.mark.parametrize(
    ("type_url", "make"), [(CLUSTER, cluster), (ENDPOINT, endpoints), (LISTENER, listener)]
)
def test_rule_31_few_responses_are_unacknowledged_each_with_the_newest_state(
    delta: bool, type_url: str, make: Callable[..., Resource]
) -> None:
    """A burst of changes becomes one response at once, and one with the newest state when the bound has run out."""
    driver = Driver(make("a"), delta=delta)
    driver.settled(type_url, "a")
    assert len(driver.change(make("a", 2))) == 1
    for content in range(3, 100):
        assert driver.change(make("a", content)) == []
    assert driver.wake_at == driver.timing.ack
    assert driver.wait(driver.timing.ack * 0.9) == []
    assert brought(only(driver.wait(driver.timing.ack * 0.1))) == {"a": make("a", 99).version}


def test_rule_31_an_ack_ends_the_wait_for_the_next_response(delta: bool) -> None:
    """What waited for an ACK goes out with it."""
    driver = Driver(cluster("a", eds=False), delta=delta)
    driver.settled(CLUSTER)
    response = only(driver.change(cluster("a", 2, eds=False)))
    assert driver.change(cluster("a", 3, eds=False)) == []
    assert brought(only(driver.ack(response))) == {"a": cluster("a", 3, eds=False).version}


def test_rule_31_a_withheld_ack_delays_other_loadbalancers_by_the_bounds_only(delta: bool) -> None:
    """While Envoy warms one cluster for ever, another LoadBalancer has its cluster and its listener within the bounds."""
    driver = envoy(*lb("a"), delta=delta, endpoints_of="abc")
    driver.change(cluster("slow"))  # this ACK never comes
    assert types(driver.change(*lb("b"))) == [ENDPOINT]
    responses = driver.wait(driver.timing.ack)
    assert CLUSTER in types(responses)
    assert LISTENER not in types(responses)
    waited = driver.timing.ack
    while LISTENER not in types(responses):
        assert driver.wake_at is not None
        waited += driver.wake_at - driver.now
        responses = driver.wait(driver.wake_at - driver.now)
    assert waited <= driver.timing.ack + driver.timing.listeners


def test_rule_31_each_wait_begins_anew(delta: bool) -> None:
    """A bound that ran out once, or whose reason went away, is not taken for run out the next time."""
    driver = envoy(*lb("a"), delta=delta, endpoints_of="abc")
    clusters = driver.change(*lb("b"))
    assert types(driver.wait(driver.timing.listeners)) == [LISTENER]
    driver.now += AGES
    # Back to what the client has: the listeners' wait ends without a response.
    driver.ack(*clusters)
    driver.change(cluster("a", 2), listener("a", 2))
    driver.change(listener("a"))
    driver.now += AGES
    assert LISTENER not in types(driver.change(cluster("a", 3), listener("a", 3)))


def test_rule_31_what_changes_after_a_wait_waits_its_own_time(delta: bool) -> None:
    """A listener that changes right after the bound let others go waits for the clusters as long as those did."""
    driver = envoy(*lb("a"), delta=delta, endpoints_of="ab")
    driver.change(*lb("b"))  # the clusters are not ACKed
    assert types(driver.wait(driver.timing.listeners)) == [LISTENER]
    assert driver.change(listener("b", 2)) == []
    assert driver.wait(driver.timing.listeners * 0.9) == []
    assert types(driver.wait(driver.timing.listeners * 0.1)) == [LISTENER]


def test_rule_31_removals_wait_for_a_bounded_time(delta: bool) -> None:
    """A client that does not ACK its listeners loses the cluster all the same, when the bound has run out."""
    driver = envoy(*lb("a"), *lb("b"), delta=delta, endpoints_of="ab")
    assert types(driver.change(remove=gone("b"))) == [LISTENER]
    assert driver.wake_at == driver.timing.removals
    assert driver.wait(driver.timing.removals * 0.9) == []
    assert CLUSTER in types(driver.wait(driver.timing.removals * 0.1))


def test_rule_31_each_removal_waits_its_own_time(delta: bool) -> None:
    """When the bound has run out for one cluster, another one whose listener went later is still there."""
    driver = envoy(*lb("a"), *lb("b"), *lb("c"), delta=delta, endpoints_of="abc")
    driver.change(remove=gone("b"))  # neither this nor the next response of listeners is ACKed
    driver.wait(driver.timing.removals / 2)
    driver.change(remove=gone("c"))
    assert driver.wake_at == driver.timing.removals
    clusters = [it for it in driver.wait(driver.timing.removals / 2) if it.type_url == CLUSTER]
    assert only(clusters).removed == ("b",)
    if not delta:
        assert names(clusters[0]) == ["a", "c"]
    driver.ack(*clusters)
    assert CLUSTER in types(driver.wait(driver.timing.removals / 2))


def test_rule_31_a_removal_that_was_forgotten_leaves_no_old_wait(delta: bool) -> None:
    """After a removal that came to nothing the next one waits its own time."""
    driver = envoy(*lb("a"), *lb("b"), delta=delta, endpoints_of="ab")
    listeners = only(driver.change(remove=gone("b")))
    again = driver.change(*lb("b"))
    driver.ack(listeners, *again)
    driver.ack(*driver.wait())
    driver.now += AGES
    assert types(driver.change(remove=gone("b"))) == [LISTENER]


def test_rule_31_what_empties_a_cluster_never_waits(delta: bool) -> None:
    """An assignment without endpoints goes out at once, whatever is unacknowledged, and takes along what waits."""
    driver = envoy(*lb("a"), *lb("b"), delta=delta, endpoints_of="ab")
    driver.change(cluster("a", 2), endpoints("a", 2))  # neither is ACKed
    assert driver.change(endpoints("b", 2)) == []
    response = only(driver.change(endpoints("a", 0)))
    assert (response.type_url, sorted(names(response))) == (ENDPOINT, ["a", "b"])
    assert driver.change(endpoints("b", 3)) == []


def test_rule_31_an_envoy_that_never_answers_is_forgotten_piece_by_piece(delta: bool) -> None:
    """What is remembered of unanswered responses is bounded, and the newest can be answered still."""
    driver = Driver(cluster("a", eds=False), delta=delta)
    driver.request(CLUSTER)
    response = None
    for content in range(2, 300):
        response = only(driver.change(cluster("a", content, eds=False)) or driver.wait(driver.timing.ack))
    assert len(driver.state._states[CLUSTER].in_flight) == 100
    assert response is not None
    driver.ack(response)
    assert driver.kind() == "ack"


def test_rule_32_nothing_is_sent_as_time_passes(delta: bool) -> None:
    """There are no heartbeats, for clients that advertise support for TTLs neither: silence is all that time brings."""
    driver = envoy(*lb("a"), delta=delta)
    assert driver.wake_at is None
    assert driver.wait() == driver.wait() == []
