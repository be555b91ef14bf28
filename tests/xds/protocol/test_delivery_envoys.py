"""Which streams are one Envoy, and that no Envoy stands for another."""

import pytest

from tests.support.driver import only
from tests.support.resources import cluster, endpoints, listener
from tests.xds.protocol.fleet import TENANT, Fleet
from xds.protocol import Standing
from xds.snapshot.types import CLUSTER, ENDPOINT, LISTENER


@pytest.mark.parametrize("refuser", [0, 1])
def test_the_ack_of_one_never_hides_the_nack_of_another(delta: bool, refuser: int) -> None:
    """Of two Envoys with one node.id on one connection, each has its own answer, whoever answers first."""
    fleet = Fleet(cluster("a"))
    clients = [fleet.connect(delta=delta), fleet.connect(delta=delta)]
    for client in clients:
        client.settled(CLUSTER)
    responses = [only(due) for due in fleet.change(cluster("a", 2))]
    for number, (client, response) in enumerate(zip(clients, responses, strict=True)):
        if number == refuser:
            client.nack(response, "a: no")
        else:
            client.ack(response)
    envoys = fleet.delivery.envoys(TENANT)
    assert [envoy.node for envoy in envoys] == ["envoy", "envoy"]
    expected = [Standing.ACKED, Standing.ACKED]
    expected[refuser] = Standing.REFUSED
    assert [envoy.standing(CLUSTER, "a") for envoy in envoys] == expected
    assert [len(envoy.refusals) for envoy in envoys] == [int(number == refuser) for number in (0, 1)]


def test_separate_streams_of_a_connection_are_one_envoy(delta: bool) -> None:
    """Without an aggregated stream, those of one peer and node are one Envoy: one for each cluster's endpoints among them."""
    fleet = Fleet(cluster("a"), endpoints("a"), endpoints("b"), listener("l"))
    fleet.connect(delta=delta, only_type=CLUSTER).settled(CLUSTER)
    fleet.connect(delta=delta, only_type=ENDPOINT).settled(ENDPOINT, "a")
    fleet.connect(delta=delta, only_type=ENDPOINT).settled(ENDPOINT, "b")
    fleet.connect(delta=delta, only_type=LISTENER).request(LISTENER)
    (envoy,) = fleet.delivery.envoys(TENANT)
    assert envoy.streams == (1, 2, 3, 4)
    assert envoy.types == (CLUSTER, ENDPOINT, LISTENER)
    assert envoy.standing(CLUSTER, "a") == Standing.ACKED
    assert envoy.standing(ENDPOINT, "b") == Standing.ACKED
    assert envoy.standing(LISTENER, "l") == Standing.SENT
    assert set(envoy.acked(ENDPOINT)) == {"a", "b"}


@pytest.mark.parametrize("other", [{"peer": "ipv4:10.0.0.2:1"}, {"node": "envoy-2"}], ids=["peer", "node"])
def test_separate_streams_of_another_connection_or_node_are_another_envoy(
    delta: bool,
    other: dict[str, str],
) -> None:
    """What joins separate streams is the connection together with node.id."""
    fleet = Fleet(cluster("a"), listener("l"))
    fleet.connect(delta=delta, only_type=CLUSTER)
    fleet.connect(delta=delta, only_type=LISTENER, **other)
    assert [envoy.streams for envoy in fleet.delivery.envoys(TENANT)] == [(1,), (2,)]


@pytest.mark.parametrize("aggregated_first", [True, False])
def test_a_separate_stream_beside_an_aggregated_one_is_of_the_same_envoy(
    delta: bool,
    aggregated_first: bool,
) -> None:
    """An Envoy with clusters on ADS may take its endpoints from a stream of their own."""
    fleet = Fleet(cluster("a"), endpoints("a"))
    order = ["", ENDPOINT] if aggregated_first else [ENDPOINT, ""]
    for only_type in order:
        client = fleet.connect(delta=delta, only_type=only_type)
        client.request(only_type or CLUSTER, *(["a"] if only_type else []))
    (envoy,) = fleet.delivery.envoys(TENANT)
    assert envoy.aggregated
    assert set(envoy.types) == {CLUSTER, ENDPOINT}


def test_two_separate_streams_for_one_resource_count_by_the_worse(delta: bool) -> None:
    """Where two streams of an Envoy carry one resource, both have to ACK it."""
    fleet = Fleet(cluster("a"))
    first = fleet.connect(delta=delta, only_type=CLUSTER)
    second = fleet.connect(delta=delta, only_type=CLUSTER)
    first.settled(CLUSTER)
    response = only(second.request(CLUSTER))
    (envoy,) = fleet.delivery.envoys(TENANT)
    assert envoy.standing(CLUSTER, "a") == Standing.SENT
    second.nack(response, "a: no")
    assert envoy.standing(CLUSTER, "a") == Standing.REFUSED


def test_an_envoy_is_gone_with_its_last_stream(delta: bool) -> None:
    """An Envoy stays while one of its streams is open, and leaves nothing behind."""
    fleet = Fleet(cluster("a"), listener("l"))
    clusters = fleet.connect(delta=delta, only_type=CLUSTER)
    listeners = fleet.connect(delta=delta, only_type=LISTENER)
    fleet.leave(clusters)
    (envoy,) = fleet.delivery.envoys(TENANT)
    assert envoy.types == (LISTENER,)
    fleet.leave(listeners)
    assert fleet.delivery.envoys(TENANT) == ()
    assert fleet.delivery.tenants == ()


def test_the_end_of_a_stream_that_never_said_whose_it_is_is_no_news() -> None:
    """A stream that ends before its first request never joined."""
    fleet = Fleet()
    fleet.delivery.left(7)
    assert fleet.delivery.tenants == ()
