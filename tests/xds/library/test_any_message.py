"""Whatever classes a message was built with, what is served is the same."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import envoy_data_plane.envoy.config.cluster.v3 as plane_cluster
import envoy_data_plane.envoy.config.core.v3 as plane_core
import envoy_data_plane.google.protobuf as plane_protobuf
import pytest
from google.protobuf import any_pb2
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

from xds import CLUSTER, ENDPOINT, LISTENER, ROUTE, SECRET, Resource, SnapshotCache, resource_of
from xds.messages import (
    Any_,
    Cluster,
    ClusterLoadAssignment,
    Listener,
    RouteConfiguration,
    TlsSecret,
    message_class,
    pack,
    type_url,
)
from xds.messages._schema import Schema

OURS = Cluster(name="web", connect_timeout={"seconds": 5})
BYTES: bytes = OURS.SerializeToString()
RUNTIME = "type.googleapis.com/envoy.service.runtime.v3.Runtime"


class Ducked:
    """A message class that is none of protobuf's: it has a descriptor and can encode itself."""

    DESCRIPTOR = Cluster.DESCRIPTOR
    name = "web"

    def SerializeToString(self) -> bytes:  # noqa: N802 — protobuf's
        """Return a cluster's bytes."""
        return BYTES


def of_envoy_data_plane() -> Any:
    """Return the cluster as betterproto2's class."""
    return plane_cluster.Cluster(name="web", connect_timeout=timedelta(seconds=5))


def of_generated_classes() -> Any:
    """Return the cluster as a class that somebody else generated, in a pool of its own."""
    cls = GetMessageClass(DescriptorPool(Schema()).FindMessageTypeByName("envoy.config.cluster.v3.Cluster"))
    assert cls is not Cluster
    return cls.FromString(BYTES)


@pytest.mark.parametrize(
    "build",
    [
        of_envoy_data_plane,
        of_generated_classes,
        Ducked,
        lambda: pack(OURS),
        lambda: any_pb2.Any(type_url=CLUSTER, value=BYTES),
        lambda: plane_protobuf.Any(type_url=CLUSTER, value=BYTES),
    ],
    ids=["envoy-data-plane", "generated", "ducked", "our Any", "protobuf's Any", "envoy-data-plane's Any"],
)
def test_every_kind_of_message_is_the_same_resource(build: Callable[[], Any]) -> None:
    """Type, name, bytes and version are those of the project's own class."""
    ours, theirs = resource_of(OURS), resource_of(build())
    assert (theirs.type_url, theirs.name) == (CLUSTER, "web")
    assert theirs.body == ours.body
    assert theirs.version == ours.version
    assert theirs.digest == ours.digest


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (Cluster(name="x"), CLUSTER),
        (ClusterLoadAssignment(cluster_name="x"), ENDPOINT),
        (Listener(name="x"), LISTENER),
        (RouteConfiguration(name="x"), ROUTE),
        (TlsSecret(name="x"), SECRET),
    ],
    ids=["cluster", "assignment", "listener", "route", "secret"],
)
@pytest.mark.parametrize("wrap", [lambda message: message, pack], ids=["message", "Any"])
def test_the_name_is_the_one_that_envoy_takes(
    message: Any, expected: str, wrap: Callable[[Any], Any]
) -> None:
    """Each of the well-known types says its name itself, inside an Any too."""
    resource = resource_of(wrap(message))
    assert (resource.type_url, resource.name) == (expected, "x")


def test_another_type_is_named_by_the_caller() -> None:
    """A type without a name of its own is served under the one that is given."""
    runtime = message_class("envoy.service.runtime.v3.Runtime")(name="inside")
    resource = resource_of(runtime, name="layer")
    assert (resource.type_url, resource.name) == (RUNTIME, "layer")


def test_a_type_that_nobody_knows_passes_through() -> None:
    """An Any of a type that is not Envoy's is served as it is."""
    resource = resource_of(any_pb2.Any(type_url="example.com/my.Type", value=b"\x01\x02"), name="mine")
    packed = Any_.FromString(resource.body)
    assert (packed.type_url, packed.value) == ("example.com/my.Type", b"\x01\x02")


def test_the_bytes_of_an_any_are_kept() -> None:
    """What is in a ready Any is not encoded anew, unknown fields and order included."""
    value = b"\xfa\x7f\x01z" + BYTES  # field 2047 first
    resource = resource_of(any_pb2.Any(type_url=CLUSTER, value=value))
    assert Any_.FromString(resource.body).value == value


def test_equal_maps_of_envoy_data_plane_are_equal_versions() -> None:
    """The order in which a map was filled makes no other version."""

    def cluster(*keys: str) -> Any:
        filters = {key: plane_protobuf.Struct.from_dict({"number": 1}) for key in keys}
        return plane_cluster.Cluster(name="web", metadata=plane_core.Metadata(filter_metadata=filters))

    assert bytes(cluster("a", "b", "c")) != bytes(cluster("c", "b", "a"))
    assert resource_of(cluster("a", "b", "c")).version == resource_of(cluster("c", "b", "a")).version


def test_a_snapshot_takes_all_kinds_together() -> None:
    """Messages of several kinds, Anys and resources are set in one call."""
    cache = SnapshotCache()
    cache.set(
        "edge",
        [
            OURS,
            plane_cluster.Cluster(name="plane"),
            pack(Listener(name="front")),
            resource_of(RouteConfiguration(name="routes")),
        ],
    )
    snapshot = cache.get("edge")
    assert snapshot is not None
    clusters, listeners = snapshot.get(CLUSTER), snapshot.get(LISTENER)
    assert clusters is not None
    assert listeners is not None
    assert (list(clusters.names), list(listeners.names)) == (["web", "plane"], ["front"])
    assert type_url(OURS) == CLUSTER
    assert isinstance(clusters.get("plane"), Resource)
