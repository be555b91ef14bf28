"""The derived schema against the descriptors in the Envoy binary."""

from typing import Any

import pytest
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

from tests.xds.messages import envoy_binary
from tests.xds.messages.contents import map_entry
from tests.xds.messages.in_use import REACHABLE
from xds.messages import UnknownMessageError, message_class

pytestmark = pytest.mark.envoy

# Work in progress of Envoy's, whose number has another field in the binary.
NUMBER_REUSED = "envoy.extensions.filters.http.mcp_json_rest_bridge.v3.ServerInfo.supported_protocol_versions"


@pytest.fixture(scope="module")
def pairs() -> list[tuple[Descriptor, Descriptor]]:
    """Our descriptor and Envoy's of every message that both have, in use or not."""
    found = []
    for name, theirs in envoy_binary.messages().items():
        try:
            found.append((message_class(name).DESCRIPTOR, theirs))
        except UnknownMessageError:  # newer than envoy-data-plane, or no part of the API
            continue
    return found


def test_envoy_knows_every_message_in_use() -> None:
    """The binary embeds each message that those in use can contain, with each of its fields."""
    theirs = envoy_binary.messages()
    for name, ours in REACHABLE.items():
        assert {field.name for field in ours.fields} <= set(theirs[name].fields_by_name), name


def test_fields_are_envoys(pairs: list[tuple[Descriptor, Descriptor]]) -> None:
    """A field has the name, the JSON name, the type, the label, the presence and the oneof of Envoy's same number."""
    assert len(pairs) > 1000
    for ours, theirs in pairs:
        for field in ours.fields:
            # Without its number it is gone from this Envoy.
            if field.number in theirs.fields_by_number and field.full_name != NUMBER_REUSED:
                assert described(field) == described(theirs.fields_by_number[field.number]), field.full_name


def test_fields_come_in_envoys_order(pairs: list[tuple[Descriptor, Descriptor]]) -> None:
    """Fields and oneofs are declared in the order of Envoy's files."""
    for ours, theirs in pairs:
        for kind in ("fields", "oneofs"):
            mine = [item.name for item in getattr(ours, kind)]
            envoys = [item.name for item in getattr(theirs, kind)]
            assert [name for name in mine if name in envoys] == [name for name in envoys if name in mine]


def test_enum_values_are_envoys(pairs: list[tuple[Descriptor, Descriptor]]) -> None:
    """An enum has the default, the names and the numbers of Envoy's; newer values are all that it may lack."""
    for ours, theirs in pairs:
        for field in ours.fields:
            same = theirs.fields_by_number.get(field.number)
            mine, envoys = field.enum_type, same.enum_type if same is not None else None
            if mine is not None and envoys is not None:
                assert values(mine)[0] == values(envoys)[0], field.full_name
                assert set(values(mine)) <= set(values(envoys)), field.full_name
                assert mine.GetOptions().allow_alias == envoys.GetOptions().allow_alias, field.full_name


def described(field: FieldDescriptor) -> dict[str, Any]:
    """Return all that makes a field, but the enum that it is of: its values are another test's."""
    message = field.message_type
    return {
        "name": field.name,
        "number": field.number,
        "json_name": field.json_name,
        "type": field.type,
        "type_name": message.full_name if message is not None else None,
        "entry": [described(part) for part in map_entry(field)],
        "repeated": field.is_repeated,
        "required": field.is_required,
        "presence": field.has_presence,
        "packed": field.is_packed,
        "oneof": field.containing_oneof.name if field.containing_oneof else None,
    }


def values(enum: EnumDescriptor) -> list[tuple[str, int]]:
    """Return the names and numbers of an enum's values, in the order of their declaration."""
    return [(value.name, value.number) for value in enum.values]
