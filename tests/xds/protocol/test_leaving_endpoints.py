"""Endpoints that left the snapshot while a cluster is on its way to the client that will ask for them (rules 24 and 29).

Without them the cluster would become active and empty. Were it back a moment later, Envoy would not warm it again: its hosts would
count as unhealthy until their first health check, and connections of a listener that is back with it would be reset.
"""

from tests.support.driver import Driver, brought, names, only
from tests.support.resources import cluster, endpoints, listener
from xds.protocol import Response
from xds.snapshot.types import CLUSTER, ENDPOINT, LISTENER


def gone(name: str) -> list[tuple[str, str]]:
    """Return the removals of a LoadBalancer."""
    return [(type_url, name) for type_url in (CLUSTER, ENDPOINT, LISTENER)]


class Client:
    """An aggregated stream with a LoadBalancer "a", which asks for endpoints as Envoy does."""

    def __init__(self, *, delta: bool) -> None:
        self.driver = Driver(cluster("a"), endpoints("a"), listener("a"), delta=delta)
        self.driver.settled(CLUSTER)
        self._last = self.driver.settled(ENDPOINT, "a")
        self.driver.settled(LISTENER)

    def ask(self, *names: str) -> list[Response]:
        """Ask for endpoints besides those of "a"."""
        if self.driver.delta:
            return self.driver.request(ENDPOINT, *names)
        last = self._last
        return self.driver.request(ENDPOINT, "a", *names, nonce=last.nonce, version=last.version)

    def take(self, assignments: Response) -> list[Response]:
        """ACK endpoints."""
        self._last = assignments
        return self.driver.ack(assignments)

    def comes_and_goes(self) -> Response:
        """Let a LoadBalancer "b" come, and go before its endpoints are asked for; returns the response with its cluster."""
        clusters = only(self.driver.change(cluster("b"), endpoints("b", 7), listener("b")))
        assert (clusters.type_url, clusters.changed) == (CLUSTER, ("b",))
        assert self.driver.change(remove=gone("b")) == []
        return clusters


def test_who_asks_for_endpoints_that_left_gets_them(delta: bool) -> None:
    """A client that may wait for endpoints with a cluster that is on its way out is sent those that there were last."""
    client = Client(delta=delta)
    client.comes_and_goes()
    assignments = only(client.ask("b"))
    assert brought(assignments) == {"b": endpoints("b", 7).version}
    assert assignments.removed == ()


def test_who_holds_endpoints_that_left_is_sent_nothing(delta: bool) -> None:
    """Endpoints that the client has are not sent again because they left."""
    client = Client(delta=delta)
    assert [response.type_url for response in client.driver.change(remove=gone("a"))] == [LISTENER]


def test_who_holds_endpoints_that_left_is_owed_their_removal_at_once() -> None:
    """The removal is known from when they left, so that whoever waits until all is delivered waits for it as well."""
    client = Client(delta=True)
    client.driver.change(remove=gone("a"))
    state = client.driver.state.of_type(ENDPOINT)
    assert state is not None
    assert list(state.removals) == ["a"]


def test_endpoints_that_were_owed_when_they_left_are_sent() -> None:
    """Nor is a client denied what it asked for in time, and what waited for the ACK of an earlier response."""
    client = Client(delta=True)
    client.driver.change(endpoints("a", 2))  # not ACKed: the next response waits a moment
    client.driver.change(cluster("b"), endpoints("b"), listener("b"))
    assert client.ask("b") == []
    client.driver.change(remove=gone("b"))
    due = client.driver.wait(client.driver.timing.ack)
    assert [names(response) for response in due if response.type_url == ENDPOINT] == [["b"]]


def test_a_client_that_asks_for_endpoints_for_the_first_time_gets_them(delta: bool) -> None:
    """A client that is new asks for endpoints after the clusters, and they may have left meanwhile."""
    driver = Driver(cluster("a"), endpoints("a", 7), delta=delta)
    driver.request(CLUSTER)
    driver.change(remove=gone("a"))
    assert brought(only(driver.request(ENDPOINT, "a"))) == {"a": endpoints("a", 7).version}


def test_endpoints_that_come_back_are_those_that_there_are(delta: bool) -> None:
    """What left is forgotten when the name is back: the client is sent the new content, and once."""
    client = Client(delta=delta)
    client.comes_and_goes()
    client.driver.change(cluster("b"), endpoints("b", 8), listener("b"))
    assert brought(only(client.ask("b"))) == {"b": endpoints("b", 8).version}


def test_endpoints_are_gone_once_their_cluster_is(delta: bool) -> None:
    """After the ACK of the clusters without it, who has the endpoints is told that they are gone, and so is who asks."""
    client = Client(delta=delta)
    clusters = client.comes_and_goes()
    assignments = only(client.ask("b"))
    assert client.take(assignments) == []
    without = only(client.driver.ack(clusters))
    assert (without.type_url, without.removed) == (CLUSTER, ("b",))
    after = client.driver.ack(without)
    assert [(it.type_url, it.removed) for it in after] == ([(ENDPOINT, ("b",))] if delta else [])
    client.driver.ack(*after)
    again = client.ask("b")
    assert [(names(it), it.removed) for it in again] == ([([], ("b",))] if delta else [])


def test_a_client_that_never_answers_keeps_endpoints_for_a_bounded_time(delta: bool) -> None:
    """Endpoints that left are over when removals no longer wait, whatever the client does: nothing is kept for ever."""
    client = Client(delta=delta)
    client.comes_and_goes()
    client.driver.wait(client.driver.timing.ack)
    client.driver.wait(client.driver.timing.removals)
    denied = client.ask("b")
    assert [(names(it), it.removed) for it in denied] == ([([], ("b",))] if delta else [])


def test_endpoints_that_left_are_for_those_who_name_them() -> None:
    """A wildcard asks for what there is: it is not sent what left before the response."""
    driver = Driver(cluster("a"), endpoints("a"), delta=True)
    driver.settled(CLUSTER)
    driver.settled(ENDPOINT, "*")
    driver.change(endpoints("a", 2))  # not ACKed: the next response waits a moment
    driver.change(cluster("b"), endpoints("b"))
    driver.change(remove=gone("b"))
    assert [it.type_url for it in driver.wait(driver.timing.ack)] == [CLUSTER]
