"""envoy-data-plane's own classes are slow and were written by others: what they read and write has to be ours."""

import importlib
from typing import Any

import pytest
from envoy_data_plane.message_pool import default_message_pool
from google.protobuf.descriptor import Descriptor
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.examples import examples
from tests.xds.messages.contents import complete, contents
from tests.xds.messages.in_use import IN_USE, REACHABLE
from xds.messages import from_dict, to_dict, type_url
from xds.messages._kept import package_of

# Their pool knows a message once its module is loaded, which ours no longer asks for.
for _package in {
    package_of(name) for name in (*REACHABLE, *(cls.DESCRIPTOR.full_name for cls in IN_USE.values()))
}:
    importlib.import_module(f"envoy_data_plane.{_package}")

# Their constructors warn of every field that Envoy has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.mark.parametrize("cls", IN_USE.values(), ids=IN_USE.keys())
@settings(
    deadline=None, derandomize=True, max_examples=examples(30), suppress_health_check=[HealthCheck.too_slow]
)
@given(data=st.data())
def test_any_contents_are_the_same_in_both(cls: type[Any], data: st.DataObject) -> None:
    """Whatever a message in use contains, both sides read the same values and write the same message."""
    assert_same_in_both(data.draw(contents(cls.DESCRIPTOR)))


@pytest.mark.parametrize("descriptor", REACHABLE.values(), ids=REACHABLE.keys())
def test_every_field_is_the_same_in_both(descriptor: Descriptor) -> None:
    """Each field of each message that those in use can contain carries its extreme value to the other side and back."""
    for message in complete(descriptor):
        assert_same_in_both(message)


def assert_same_in_both(ours: Any) -> None:
    """Take a message to envoy-data-plane's class and back, as bytes and as JSON."""
    cls = type(ours)
    theirs: Any = default_message_pool.url_to_type[type_url(ours)].parse(ours.SerializeToString())
    assert canonical(cls.FromString(bytes(theirs))) == canonical(ours)
    # With their names as they are: their camel case is not protobuf's ("consecutive5Xx" for "consecutive5xx").
    # Compared as what it means, since their 64-bit wrappers are numbers, and their durations have fewer zeros.
    assert to_dict(from_dict(cls, theirs.to_dict(casing=str))) == to_dict(ours)


def canonical(message: Any) -> bytes:
    """Encode a message in a way that two equal ones share; unlike ``==`` it takes NaN for itself."""
    encoded: bytes = message.SerializeToString(deterministic=True)
    return encoded
