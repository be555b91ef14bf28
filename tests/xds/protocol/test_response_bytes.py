"""The bytes of a response are those of Envoy's messages (rules 10, 11 and 32)."""

from typing import Any, NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from tests.support.driver import Driver, only
from tests.support.resources import cluster
from xds.messages import ControlPlane, DeltaDiscoveryResponse, DiscoveryResponse
from xds.protocol import Response
from xds.snapshot import Resource
from xds.snapshot.types import CLUSTER

TEXTS = st.text(max_size=300)
TYPE_URLS = TEXTS.map(lambda text: f"type.googleapis.com/{text}")
NAMES = TEXTS.filter(lambda name: name not in ("", "*"))
VERSIONS = st.text(min_size=1, max_size=300)
CONTROL_PLANES = st.builds(ControlPlane, identifier=TEXTS)


class Made(NamedTuple):
    """A response, and what its resources were made of: name, version and bytes."""

    response: Response
    contents: list[tuple[str, str, bytes]]

    def packed(self, value: bytes) -> dict[str, Any]:
        """Return the fields of the Any that holds these bytes."""
        return {"type_url": self.response.type_url, "value": value}


@st.composite
def responses(draw: st.DrawFn, *, delta: bool) -> Made:
    """Make any response of a variant, with resources of its type."""
    type_url, nonce, version = draw(TYPE_URLS), draw(TEXTS), draw(TEXTS)
    contents = draw(st.lists(st.tuples(NAMES, VERSIONS, st.binary(max_size=20_000)), max_size=5))
    resources = (
        Resource(type_url=type_url, name=name, value=value, version=own) for name, own, value in contents
    )
    removed = draw(st.lists(TEXTS, max_size=5)) if delta else []
    response = Response(type_url, nonce, version, tuple(resources), (), tuple(removed), delta=delta)
    return Made(response, contents)


@given(responses(delta=False), CONTROL_PLANES)
def test_a_sotw_response_is_what_the_message_class_encodes(made: Made, control_plane: Any) -> None:
    """Whatever is in a state-of-the-world response, its bytes parse to the message that the class would build."""
    response = made.response
    expected = DiscoveryResponse(
        version_info=response.version,
        resources=[made.packed(value) for _, _, value in made.contents],
        type_url=response.type_url,
        nonce=response.nonce,
        control_plane=control_plane,
    )
    assert DiscoveryResponse.FromString(response.encode(control_plane.SerializeToString())) == expected


@given(responses(delta=True), CONTROL_PLANES)
def test_a_delta_response_is_what_the_message_class_encodes(made: Made, control_plane: Any) -> None:
    """Whatever is in a delta response, its bytes parse to the message that the class would build."""
    response = made.response
    expected = DeltaDiscoveryResponse(
        system_version_info=response.version,
        resources=[
            {"name": name, "version": version, "resource": made.packed(value)}
            for name, version, value in made.contents
        ],
        type_url=response.type_url,
        nonce=response.nonce,
        removed_resources=response.removed,
        control_plane=control_plane,
    )
    assert DeltaDiscoveryResponse.FromString(response.encode(control_plane.SerializeToString())) == expected


def test_rule_10_the_control_plane_is_in_every_response(delta: bool) -> None:
    """A response names the control plane that sent it."""
    response = only(Driver(cluster("a"), delta=delta).request(CLUSTER))
    cls = DeltaDiscoveryResponse if delta else DiscoveryResponse
    encoded = response.encode(ControlPlane(identifier="me").SerializeToString())
    assert cls.FromString(encoded).control_plane.identifier == "me"


def test_rule_32_no_resource_has_a_ttl() -> None:
    """A resource is sent without a TTL, and so nothing has to be said again to keep it alive."""
    response = only(Driver(cluster("a"), delta=True).request(CLUSTER))
    (resource,) = DeltaDiscoveryResponse.FromString(response.encode(b"")).resources
    assert not resource.HasField("ttl")
    assert not resource.HasField("cache_control")
