"""Every NACK is kept by node, type and resource, with its time, version and text, as long as it says anything."""

from datetime import timedelta

from tests.support.driver import only
from tests.support.resources import cluster, endpoints
from tests.xds.protocol.fleet import NOON, TENANT, Client, Fleet
from xds.protocol import Refusal, Response
from xds.snapshot import Resource
from xds.snapshot.types import CLUSTER, ENDPOINT

TEXT = "Error adding/updating cluster(s) {}: no such thing"


def plain(name: str, content: int = 1) -> Resource:
    """Return a cluster that waits for no endpoints."""
    return cluster(name, content, eds=False)


def refusals(fleet: Fleet) -> list[Refusal]:
    """Return the refusals of all Envoys."""
    return [refusal for envoy in fleet.delivery.envoys(TENANT) for refusal in envoy.refusals]


def names(fleet: Fleet) -> list[str]:
    """Return the names that are refused."""
    return [refusal.name for refusal in refusals(fleet)]


def settled(fleet: Fleet, *, delta: bool) -> Client:
    """Return a client that has all clusters."""
    client = fleet.connect(delta=delta)
    client.settled(CLUSTER)
    return client


def refuse(client: Client, response: Response, text: str) -> None:
    """Refuse a response, and ACK what comes again of it."""
    client.ack(*client.nack(response, text))


def test_a_nack_is_kept_with_node_type_name_version_time_and_text(delta: bool) -> None:
    """What is kept is the refused content's version, the moment, and Envoy's words."""
    fleet = Fleet(plain("a"), plain("b"))
    client = settled(fleet, delta=delta)
    ((response,),) = fleet.change(plain("a", 2), plain("b", 2))
    fleet.later(90)
    refuse(client, response, TEXT.format("a"))
    assert refusals(fleet) == [
        Refusal(
            tenant=TENANT,
            node="envoy",
            type_url=CLUSTER,
            name="a",
            version=plain("a", 2).version,
            at=NOON + timedelta(seconds=90),
            text=TEXT.format("a"),
        )
    ]


def test_a_nack_that_names_nothing_is_one_of_each_resource_it_brought(delta: bool) -> None:
    """All that the response brought is held back, and all of it has the text."""
    fleet = Fleet(plain("old"))
    client = settled(fleet, delta=delta)
    ((response,),) = fleet.change(plain("a"), plain("b"))
    refuse(client, response, "nothing of this")
    assert {(refusal.name, refusal.text) for refusal in refusals(fleet)} == {
        ("a", "nothing of this"),
        ("b", "nothing of this"),
    }


def test_new_content_leaves_the_nack_until_it_is_acked(delta: bool) -> None:
    """That something else was sent is no answer: the record goes with the ACK."""
    fleet = Fleet(plain("a"))
    client = settled(fleet, delta=delta)
    ((response,),) = fleet.change(plain("a", 2))
    refuse(client, response, TEXT.format("a"))
    ((response,),) = fleet.change(plain("a", 3))
    assert names(fleet) == ["a"]
    client.ack(response)
    assert names(fleet) == []


def test_the_old_content_again_needs_no_ack(delta: bool) -> None:
    """A resource that returns to what the Envoy still holds is as good as ACKed."""
    fleet = Fleet(plain("a"))
    client = settled(fleet, delta=delta)
    ((response,),) = fleet.change(plain("a", 2))
    refuse(client, response, TEXT.format("a"))
    fleet.change(plain("a"))
    assert names(fleet) == []


def test_a_later_nack_of_a_resource_takes_the_place_of_the_earlier(delta: bool) -> None:
    """Of each resource the newest NACK is kept."""
    fleet = Fleet(plain("a"))
    client = settled(fleet, delta=delta)
    for content, text in ((2, "a: first"), (3, "a: second")):
        ((response,),) = fleet.change(plain("a", content))
        refuse(client, response, text)
    (refusal,) = refusals(fleet)
    assert (refusal.version, refusal.text) == (plain("a", 3).version, "a: second")


def test_a_nack_goes_with_its_resource(delta: bool) -> None:
    """What is removed is not refused any more, nor when it comes back."""
    fleet = Fleet(plain("a"), plain("b"))
    client = settled(fleet, delta=delta)
    ((response,),) = fleet.change(plain("a", 2))
    refuse(client, response, TEXT.format("a"))
    fleet.change(remove=[(CLUSTER, "a")])
    assert names(fleet) == []
    client.ack(*client.wait())
    fleet.change(plain("a", 2))
    assert names(fleet) == []


def test_a_nack_goes_with_the_subscription() -> None:
    """What an Envoy no longer asks for it does not refuse."""
    fleet = Fleet(endpoints("a"), endpoints("b"))
    client = fleet.connect(delta=True)
    client.nack(only(client.request(ENDPOINT, "a", "b")), "b: no")
    assert names(fleet) == ["b"]
    client.request(ENDPOINT, unsubscribe=["b"])
    assert names(fleet) == []


def test_a_nack_goes_with_its_envoy(delta: bool) -> None:
    """A stream that has ended refuses nothing; a new one starts without a past (rule 9)."""
    fleet = Fleet(plain("a"))
    client = fleet.connect(delta=delta)
    client.nack(only(client.request(CLUSTER)), TEXT.format("a"))
    assert names(fleet) == ["a"]
    fleet.leave(client)
    fleet.connect(delta=delta)
    assert names(fleet) == []


def test_a_refused_removal_is_kept_without_a_name(delta: bool) -> None:
    """A NACK of what brings nothing is kept for the type, with the type's version, until an ACK of the type."""
    fleet = Fleet(plain("a"), plain("b"))
    client = settled(fleet, delta=delta)
    ((response,),) = fleet.change(remove=[(CLUSTER, "a")])
    client.nack(response, "keeps it")
    (refusal,) = refusals(fleet)
    assert (refusal.name, refusal.version, refusal.text) == ("", response.version, "keeps it")
    client.ack(*client.wait())
    ((response,),) = fleet.change(plain("b", 2))
    client.ack(response)
    assert refusals(fleet) == []


def test_a_cleared_tenant_keeps_its_nacks(delta: bool) -> None:
    """While nothing is served nothing has changed about what was refused; what is the same then is refused still."""
    fleet = Fleet(plain("a"))
    client = fleet.connect(delta=delta)
    client.nack(only(client.request(CLUSTER)), TEXT.format("a"))
    client.state.detach()
    client.request(ENDPOINT, "x")
    client.request(CLUSTER)
    assert names(fleet) == ["a"]
    client.state.attach(fleet.snapshot)
    assert names(fleet) == ["a"]


def test_a_text_is_kept_in_bounded_length(delta: bool) -> None:
    """Of a text of megabytes the beginning is kept."""
    fleet = Fleet(plain("a"))
    client = settled(fleet, delta=delta)
    ((response,),) = fleet.change(plain("a", 2))
    refuse(client, response, "a: " + "x" * 5_000_000)
    (refusal,) = refusals(fleet)
    assert len(refusal.text) == 2000


def test_nacks_for_ever_keep_one_record_of_each_resource(delta: bool) -> None:
    """A client that refuses everything costs one record for each resource that there is."""
    fleet = Fleet()
    client = settled(fleet, delta=delta)
    for content in range(1, 50):
        for due in fleet.change(plain("a", content), plain("b", content)):
            client.nack(only(due), "never")
    assert sorted(names(fleet)) == ["a", "b"]
