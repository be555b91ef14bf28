"""Who has ACKed a snapshot and who has not: when the question is answered, and how."""

import pytest

from tests.support.driver import only
from tests.support.resources import cluster, endpoints, listener
from tests.xds.protocol.fleet import TENANT, Fleet, unanswered
from xds.protocol.steps import Held
from xds.protocol.type_state import TypeState
from xds.snapshot import Resource
from xds.snapshot.types import CLUSTER, ENDPOINT, LISTENER


def plain(name: str, content: int = 1) -> Resource:
    """Return a cluster that waits for no endpoints."""
    return cluster(name, content, eds=False)


def test_it_is_done_when_the_last_envoy_has_acked(delta: bool) -> None:
    """Each of two Envoys has to ACK; the report names both."""
    fleet = Fleet(plain("a"))
    clients = [fleet.connect(delta=delta, node=node) for node in ("one", "two")]
    for client in clients:
        client.settled(CLUSTER)
    (first,), (second,) = fleet.change(plain("a", 2))
    question = fleet.ask()
    clients[0].ack(first)
    assert not question.done
    assert unanswered(question.report()) == {"two": ["a"]}
    clients[1].ack(second)
    assert question.done
    report = question.report()
    assert report
    assert [envoy.node for envoy in report.acked] == ["one", "two"]


def test_what_has_been_acked_already_is_not_waited_for(delta: bool) -> None:
    """A question about what everybody has is answered at once."""
    fleet = Fleet(plain("a"))
    fleet.connect(delta=delta).settled(CLUSTER)
    question = fleet.ask()
    assert question.done
    assert question.report()


def test_a_nack_ends_the_wait_and_is_told_with_its_text(delta: bool) -> None:
    """Of two Envoys with one node.id the one that refuses is heard beside the one that ACKs."""
    fleet = Fleet(plain("a"))
    clients = [fleet.connect(delta=delta), fleet.connect(delta=delta)]
    for client in clients:
        client.settled(CLUSTER)
    (first,), (second,) = fleet.change(plain("a", 2))
    question = fleet.ask()
    clients[0].nack(first, "a: no such thing")
    assert not question.done
    clients[1].ack(second)
    assert question.done
    report = question.report()
    assert not report
    assert [envoy.streams for envoy in report.acked] == [(2,)]
    assert [(it.node, it.name, it.text) for it in report.refused] == [("envoy", "a", "a: no such thing")]
    assert str(report) == "ACKed by 1 of tenant-a's Envoys; envoy refused CDS a: a: no such thing"


def test_the_rest_of_a_refused_response_is_waited_for(delta: bool) -> None:
    """What goes again after a NACK is to be ACKed as well."""
    fleet = Fleet()
    client = fleet.connect(delta=delta)
    client.settled(CLUSTER)
    ((response,),) = fleet.change(plain("a"), plain("b"))
    question = fleet.ask()
    (again,) = client.nack(response, "Error adding/updating cluster(s) a: no")
    assert not question.done
    assert unanswered(question.report()) == {"envoy": ["b"]}
    client.ack(again)
    assert question.done
    assert [refusal.name for refusal in question.report().refused] == ["a"]


def test_the_ack_of_an_older_content_is_none(delta: bool) -> None:
    """A response that was on its way when the content changed does not answer for it."""
    fleet = Fleet(plain("a"))
    client = fleet.connect(delta=delta)
    client.settled(CLUSTER)
    ((older,),) = fleet.change(plain("a", 2))
    fleet.change(plain("a", 3))
    question = fleet.ask()
    (newer,) = client.ack(older)
    assert not question.done
    client.ack(newer)
    assert question.done


def test_what_changes_meanwhile_keeps_nobody_waiting(delta: bool) -> None:
    """The content of the moment of the question is enough, though newer content is on its way by then."""
    fleet = Fleet(plain("a"), plain("b"))
    client = fleet.connect(delta=delta)
    client.settled(CLUSTER)
    ((response,),) = fleet.change(plain("a", 2))
    question = fleet.ask()
    fleet.change(plain("a", 3), plain("b", 3), plain("new"))
    client.ack(response)
    assert question.done
    assert question.report()


def test_a_content_that_was_skipped_is_answered_by_the_one_that_was_sent(delta: bool) -> None:
    """Where content changed before it could be sent, an ACK of what was sent in its place counts."""
    fleet = Fleet(plain("a"))
    client = fleet.connect(delta=delta)
    client.settled(CLUSTER)
    ((first,),) = fleet.change(plain("a", 2))
    fleet.change(plain("a", 3))
    question = fleet.ask()
    fleet.change(plain("a", 4))
    (second,) = client.ack(first)
    fleet.change(plain("a", 5))
    assert not question.done
    client.ack(second)
    assert question.done


def test_a_removal_is_waited_for(delta: bool) -> None:
    """An Envoy that still holds what is gone has not ACKed the snapshot."""
    fleet = Fleet(plain("a"), plain("b"))
    client = fleet.connect(delta=delta)
    client.settled(CLUSTER)
    ((response,),) = fleet.change(remove=[(CLUSTER, "a")])
    question = fleet.ask()
    assert not question.done
    client.ack(response)
    assert question.done


def test_what_goes_meanwhile_need_not_be_had(delta: bool) -> None:
    """A resource that is removed while it is awaited is had by nobody in the end, and that counts."""
    fleet = Fleet(plain("b"))
    client = fleet.connect(delta=delta)
    client.settled(CLUSTER)
    ((first,),) = fleet.change(plain("a"))
    question = fleet.ask()
    fleet.change(remove=[(CLUSTER, "a")])
    assert not question.done, "it may hold what it was sent"
    client.ack(first, *client.wait())
    assert question.done


def test_what_returns_to_what_it_was_is_not_had_before_it_is_acked(delta: bool) -> None:
    """That an Envoy held this content before says nothing while another one is on its way to it."""
    fleet = Fleet(plain("a"))
    client = fleet.connect(delta=delta)
    client.settled(CLUSTER)
    ((other,),) = fleet.change(plain("a", 2))
    fleet.change(plain("a"))
    question = fleet.ask()
    assert not question.done
    (returned,) = client.ack(other)
    assert not question.done
    client.ack(returned)
    assert question.done


def test_endpoints_that_go_are_not_waited_for_in_state_of_the_world() -> None:
    """State of the world has no way to say that endpoints are gone, and so nothing to ACK."""
    fleet = Fleet(endpoints("a"))
    client = fleet.connect(delta=False)
    client.settled(ENDPOINT, "a")
    ((response,),) = fleet.change(endpoints("a", 2))
    question = fleet.ask((ENDPOINT, "a"))
    assert not question.done
    fleet.change(remove=[(ENDPOINT, "a")])
    assert question.done
    client.ack(response)
    assert question.report()


def test_given_resources_are_all_that_counts(delta: bool) -> None:
    """Other resources of the snapshot may be refused or unanswered."""
    fleet = Fleet()
    client = fleet.connect(delta=delta)
    client.settled(CLUSTER)
    client.settled(LISTENER)
    ((response,),) = fleet.change(plain("a"), listener("l"))
    question = fleet.ask((CLUSTER, "a"))
    everything = fleet.ask()
    client.ack(response)
    assert question.done
    assert question.report()
    assert unanswered(everything.report()) == {"envoy": ["l"]}


def test_a_type_that_is_not_asked_for_yet_is_waited_for(delta: bool) -> None:
    """An Envoy that starts asks for listeners once its clusters are warm: until then it has not got the listener."""
    fleet = Fleet(plain("a"), listener("l"))
    client = fleet.connect(delta=delta)
    questions = [fleet.ask((CLUSTER, "a"), (LISTENER, "l")), fleet.ask()]
    client.settled(CLUSTER)
    for question in questions:
        assert not question.done
        (waiting,) = question.report().waiting
        assert (waiting.unanswered, waiting.unasked) == ((), (LISTENER,))
    assert str(question.report()) == "ACKed by 0 of tenant-a's Envoys; envoy has not asked for LDS"
    client.settled(LISTENER)
    assert [question.done for question in questions] == [True, True]


def test_a_client_that_asks_for_names_owes_nothing_else(delta: bool) -> None:
    """Who asks for a cluster by name, as gRPC does, is no Envoy that will ask for all listeners."""
    fleet = Fleet(plain("a"), listener("l"))
    fleet.connect(delta=delta).settled(CLUSTER, "a")
    assert fleet.ask().done


def test_names_that_nobody_asks_for_are_not_waited_for(delta: bool) -> None:
    """Endpoints that no cluster refers to are asked for by no Envoy."""
    fleet = Fleet(endpoints("a"), endpoints("of nobody"))
    fleet.connect(delta=delta).settled(ENDPOINT, "a")
    assert fleet.ask().done
    assert fleet.ask((ENDPOINT, "a"), (ENDPOINT, "of nobody")).done


def test_an_envoy_that_comes_meanwhile_counts(delta: bool) -> None:
    """Every Envoy that is connected at the end has to have it."""
    fleet = Fleet(plain("a"))
    first = fleet.connect(delta=delta)
    response = only(first.request(CLUSTER))
    question = fleet.ask()
    second = fleet.connect(delta=delta, node="second")
    late = only(second.request(CLUSTER))
    first.ack(response)
    assert not question.done
    second.ack(late)
    assert question.done


def test_an_envoy_that_leaves_does_not_count(delta: bool) -> None:
    """Nobody waits for a connection that is gone."""
    fleet = Fleet(plain("a"))
    stays, goes = fleet.connect(delta=delta), fleet.connect(delta=delta)
    stays.settled(CLUSTER)
    goes.request(CLUSTER)
    question = fleet.ask()
    assert not question.done
    fleet.leave(goes)
    assert question.done
    assert len(question.report().acked) == 1


def test_as_many_envoys_as_wanted_are_waited_for(delta: bool) -> None:
    """Where nobody is connected nobody is waited for, unless a number says so."""
    fleet = Fleet(plain("a"))
    assert fleet.ask().done
    question = fleet.ask(envoys=1)
    assert not question.done
    assert not question.report()
    assert str(question.report()) == "ACKed by 0 of tenant-a's Envoys; 1 fewer are connected than were wanted"
    fleet.connect(delta=delta).settled(CLUSTER)
    assert question.done
    assert question.report()


def test_an_empty_answer_is_waited_for(delta: bool) -> None:
    """An Envoy that was told that there is nothing has not ACKed that before it answers."""
    fleet = Fleet()
    client = fleet.connect(delta=delta)
    response = only(client.request(LISTENER))
    question = fleet.ask()
    assert not question.done
    client.ack(response)
    assert question.done


def test_an_answer_that_is_due_is_waited_for(delta: bool) -> None:
    """Between the ACK of the clusters and the empty answer for listeners that waited for it nothing is delivered."""
    fleet = Fleet(plain("a"))
    client = fleet.connect(delta=delta)
    clusters = only(client.request(CLUSTER))
    assert client.request(LISTENER) == []
    question = fleet.ask()
    done: list[bool] = []
    fleet.delivery.watch(TENANT, lambda _: done.append(question.done))
    client.ack(*client.ack(clusters))
    assert done == [False, True]


def test_a_type_is_not_waited_for_where_the_resource_was_gone(delta: bool) -> None:
    """A removal is had by an Envoy that never asked for the type."""
    fleet = Fleet(plain("a"))
    fleet.connect(delta=delta).settled(CLUSTER)
    assert fleet.ask((CLUSTER, "a"), (LISTENER, "gone")).done


def test_a_response_that_was_refused_as_a_whole_is_told() -> None:
    """A NACK of a response that brings nothing is heard, too."""
    fleet = Fleet()
    client = fleet.connect(delta=False)
    client.nack(only(client.request(LISTENER)), "no")
    report = fleet.ask().report()
    assert [(it.type_url, it.name, it.text) for it in report.refused] == [(LISTENER, "", "no")]


def test_a_question_may_hear_of_a_change_after_the_streams(delta: bool) -> None:
    """The order in which question and streams hear of one change does not matter."""
    fleet = Fleet(endpoints("a"))
    client = fleet.connect(delta=delta)
    response = only(client.request(ENDPOINT, "a"))
    question = fleet.ask()
    changes = fleet.snapshot.update(removals=[(ENDPOINT, "a")])
    client.state.changed(changes)
    question.changed(fleet.snapshot, changes)
    client.ack(response, *client.wait())
    assert question.done


def test_a_type_that_comes_meanwhile_is_not_waited_for(delta: bool) -> None:
    """Of a type that nobody knew at the moment of the question nothing is asked."""
    fleet = Fleet(plain("a"), types=[CLUSTER])
    client = fleet.connect(delta=delta)
    client.settled(CLUSTER)
    client.request(LISTENER)
    question = fleet.ask()
    (sent,) = fleet.change(listener("l"))
    assert sent
    assert question.done
    assert question.report()


def test_a_tenant_that_is_cleared_meanwhile_is_not_taken_for_served(delta: bool) -> None:
    """What was on its way may still be answered; what was not sent stays unanswered until the tenant is set again."""
    fleet = Fleet()
    client = fleet.connect(delta=delta)
    client.settled(CLUSTER)
    client.settled(LISTENER)
    ((response,),) = fleet.change(plain("a"), listener("l"))
    question = fleet.ask()
    client.state.detach()
    question.changed(None, {})
    client.ack(response)
    assert not question.done
    assert unanswered(question.report()) == {"envoy": ["l"]}
    client.state.attach(fleet.snapshot)
    client.ack(only(client.poll()))
    assert question.done


def test_a_report_of_many_names_is_short(delta: bool) -> None:
    """The text of a report shows three names and counts the others."""
    fleet = Fleet(*(plain(name) for name in "abcde"))
    fleet.connect(delta=delta).request(CLUSTER)
    assert (
        str(fleet.ask().report())
        == "ACKed by 0 of tenant-a's Envoys; envoy has not answered for CDS a, CDS b, CDS c, 2 more"
    )


@pytest.mark.parametrize("resources", [10, 1000])
def test_the_cost_of_an_event_is_what_is_open(
    delta: bool, resources: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However much an Envoy holds, hearing of its ACK looks at what was on its way."""
    fleet = Fleet(*(plain(f"c{number}") for number in range(resources)))
    client = fleet.connect(delta=delta)
    client.settled(CLUSTER)
    looked_at: list[str] = []
    confirmed = TypeState.confirmed

    def counted(state: TypeState, name: str) -> Held | None:
        looked_at.append(name)
        return confirmed(state, name)

    monkeypatch.setattr(TypeState, "confirmed", counted)
    ((response,),) = fleet.change(plain("c1", 2))
    question = fleet.ask()
    client.ack(response)
    assert question.done
    assert set(looked_at) == {"c1"}
    assert len(looked_at) < 10
