"""What cannot be served is refused with a text that names it, and then nothing has changed."""

from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf import any_pb2

from xds import CLUSTER, InvalidResourceError, Resource, SnapshotCache, resource_of
from xds.messages import Cluster, ClusterLoadAssignment, Listener, message_class, pack

VIRTUAL_HOST = message_class("envoy.config.route.v3.VirtualHost")


@pytest.fixture
def cache() -> SnapshotCache:
    """Return a cache with one cluster."""
    cache = SnapshotCache()
    cache.set("edge", [Cluster(name="old")])
    return cache


def names(cache: SnapshotCache) -> list[str]:
    """Return the names of the tenant's clusters."""
    snapshot = cache.get("edge")
    assert snapshot is not None
    clusters = snapshot.get(CLUSTER)
    assert clusters is not None
    return list(clusters.names)


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (Cluster(), "a Cluster without name: its name is empty"),
        (ClusterLoadAssignment(), "a ClusterLoadAssignment without name: its cluster_name is empty"),
        (pack(Listener()), "a Listener without name: its name is empty"),
        (
            VIRTUAL_HOST(name="h"),
            "envoy.config.route.v3.VirtualHost says no name itself: write resource_of(message, name=...)",
        ),
        (Cluster(name="*"), f"a resource of type {CLUSTER} is named '*': nobody can ask for that"),
        (
            any_pb2.Any(type_url=CLUSTER, value=b"\xff\xff"),
            f"an Any of type {CLUSTER} holds 2 bytes that are no Cluster",
        ),
        (any_pb2.Any(), "an Any without type_url: nobody could tell what it holds"),
        ({"name": "web"}, "a dict is no message of Envoy's: give one of xds.messages"),
        (None, "a NoneType is no message of Envoy's"),
        (Cluster, "the class Cluster is no message of Envoy's"),
    ],
    ids=[
        "cluster without name",
        "assignment without name",
        "Any without name",
        "type without name",
        "the wildcard's name",
        "Any with other bytes",
        "Any without type",
        "dict",
        "None",
        "class",
    ],
)
@pytest.mark.parametrize("method", ["set", "update"])
def test_what_is_no_resource_is_refused(cache: SnapshotCache, method: str, message: Any, text: str) -> None:
    """The text says what was given and what is wrong with it, and the snapshot stays as it was."""
    with pytest.raises(InvalidResourceError) as refused:
        getattr(cache, method)("edge", [Cluster(name="new"), message])
    assert text in str(refused.value)
    assert names(cache) == ["old"]


@pytest.mark.parametrize("method", ["set", "update"])
@pytest.mark.parametrize(
    "twin", [Cluster(name="web"), pack(Cluster(name="web")), resource_of(Cluster(name="web"))]
)
def test_two_resources_of_one_name_are_refused(cache: SnapshotCache, method: str, twin: Any) -> None:
    """One name twice in one call is an error, however the two were given."""
    with pytest.raises(InvalidResourceError, match="two resources are Cluster 'web'"):
        getattr(cache, method)("edge", [Cluster(name="web"), twin])
    assert names(cache) == ["old"]


def test_one_name_of_two_types_is_two_resources(cache: SnapshotCache) -> None:
    """A cluster and its endpoints share their name."""
    cache.update("edge", [Cluster(name="web"), ClusterLoadAssignment(cluster_name="web")])
    assert names(cache) == ["old", "web"]


def test_a_name_that_is_not_the_messages_own_is_refused() -> None:
    """Envoy would look for the name in the message, and not find it under the other."""
    with pytest.raises(InvalidResourceError, match="Cluster 'web' cannot be served as 'other'"):
        resource_of(Cluster(name="web"), name="other")
    assert resource_of(Cluster(name="web"), name="web").name == "web"


@pytest.mark.parametrize(
    "removal", ["web", ("web",), (CLUSTER, 3), (CLUSTER, "web", "x"), Cluster(name="web"), None]
)
def test_a_removal_is_a_type_and_a_name(cache: SnapshotCache, removal: Any) -> None:
    """What names no resource is refused; what names none that is there is no error."""
    with pytest.raises(InvalidResourceError, match=r"names no resource: write \(type URL, name\)"):
        cache.update("edge", [Cluster(name="new")], [removal])
    assert names(cache) == ["old"]
    cache.update("edge", removals=[(CLUSTER, "not there"), ("example.com/unknown", "x")])
    assert names(cache) == ["old"]


@pytest.mark.parametrize(
    "give",
    [
        lambda cache: cache.update("edge", versions={CLUSTER: 3}),
        lambda _: resource_of(Cluster(name="web"), version=3),  # type: ignore[arg-type]
        lambda _: resource_of(VIRTUAL_HOST(), name=3),  # type: ignore[arg-type]
    ],
    ids=["of a type", "of a resource", "name"],
)
def test_versions_and_names_are_texts(cache: SnapshotCache, give: Callable[[SnapshotCache], Any]) -> None:
    """A number for a version or a name is refused where it is given, not where it is sent."""
    with pytest.raises(InvalidResourceError, match="is 3: write a text"):
        give(cache)


def test_a_resource_of_ones_own_making_has_a_name() -> None:
    """The constructor that takes encoded bytes refuses the names that nobody can ask for."""
    for name in ("", "*"):
        with pytest.raises(InvalidResourceError, match="nobody can ask for that"):
            Resource(type_url="example.com/x", name=name, value=b"")
