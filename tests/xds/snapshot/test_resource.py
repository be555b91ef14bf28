import pytest
from google.protobuf.message import DecodeError

from tests.support.resources import cluster, endpoints, listener
from xds.messages import Any_, Cluster, ClusterLoadAssignment, from_dict
from xds.snapshot import Resource
from xds.snapshot.types import CLUSTER, ENDPOINT, LISTENER


def test_a_resource_is_the_message_that_it_was_made_of() -> None:
    """Type, name and content are the message's."""
    message = Cluster(name="a", connect_timeout={"seconds": 5})
    resource = Resource.of("a", message)
    assert (resource.type_url, resource.name) == (CLUSTER, "a")
    assert resource.message(Cluster) == message
    assert Any_.FromString(resource.body).type_url == CLUSTER


def test_rule_34_a_version_is_a_hash_of_the_content() -> None:
    """Equal content has an equal version wherever it is made, other content another one, and the name is no part of it."""
    message = Cluster(name="a", connect_timeout={"seconds": 5})
    assert Resource.of("a", message).version == Resource.of("b", message).version == "a81adefa22b67b49"
    assert cluster("a").version != cluster("a", 2).version


def test_the_type_is_a_part_of_the_content() -> None:
    """The same bytes as another type are another version."""
    assert (
        Resource(type_url=CLUSTER, name="a", value=b"").version
        != Resource(type_url=LISTENER, name="a", value=b"").version
    )


def test_a_version_of_ones_own_takes_the_place_of_the_hash() -> None:
    """The maker's version is sent, and content that changes under it is told apart all the same."""
    one, other = (
        Resource.of("a", cluster("a", content).message(Cluster), version="v1") for content in (1, 2)
    )
    assert one.version == other.version == "v1"
    assert one.digest != other.digest
    assert Resource.of("a", Cluster(), version="").version == Resource.of("a", Cluster()).version != ""


def test_a_digest_tells_apart_what_is_joined_alike() -> None:
    """Name and version do not run into one another."""
    one = Resource(type_url=LISTENER, name="ab", value=b"", version="c")
    other = Resource(type_url=LISTENER, name="a", value=b"", version="bc")
    assert one.digest != other.digest


@pytest.mark.parametrize(
    ("fields", "waits_for"),
    [
        ({"type": "EDS"}, "a"),
        ({"type": "EDS", "eds_cluster_config": {"service_name": "elsewhere"}}, "elsewhere"),
        ({"type": "STRICT_DNS"}, None),
        ({}, None),
    ],
)
def test_rule_30_a_cluster_knows_which_assignment_it_waits_for(
    fields: dict[str, object], waits_for: str | None
) -> None:
    """It is the one of ``service_name``, else of its own name, and none where the cluster does not use EDS."""
    message = from_dict(Cluster, {"name": "a", **fields})
    assert Resource.of("another name", message).eds_name == waits_for
    assert listener("a").eds_name is endpoints("a").eds_name is None


ENDPOINTS = [{"endpoint": {"hostname": "a"}}]


@pytest.mark.parametrize(
    ("localities", "empty"),
    [
        ([], True),
        ([{"priority": 1}, {"lb_endpoints": []}], True),
        ([{"load_balancer_endpoints": {}}], True),
        ([{}, {"lb_endpoints": ENDPOINTS}], False),
        ([{"load_balancer_endpoints": {"lb_endpoints": ENDPOINTS}}], False),
        ([{"leds_cluster_locality_config": {"leds_collection_name": "a"}}], False),
    ],
)
def test_rule_31_an_assignment_knows_whether_it_empties_its_cluster(
    localities: list[dict[str, object]], empty: bool
) -> None:
    """It does when no locality has an endpoint, in whichever of its fields, nor gets them from elsewhere."""
    message = from_dict(ClusterLoadAssignment, {"cluster_name": "a", "endpoints": localities})
    assert Resource.of("a", message).without_endpoints is empty
    assert not cluster("a").without_endpoints


@pytest.mark.parametrize("type_url", [CLUSTER, ENDPOINT])
def test_bytes_that_are_no_cluster_or_assignment_are_refused(type_url: str) -> None:
    """What has to be read for the order of updates has to be readable."""
    with pytest.raises(DecodeError):
        Resource(type_url=type_url, name="a", value=b"\xff")


def test_a_resource_says_what_it_is() -> None:
    """In a log or a failed test a resource shows its type, name, size and version."""
    resource = cluster("a")
    expected = f"Resource(Cluster 'a', {len(resource.body)} bytes, {resource.version})"
    assert repr(resource) == expected
