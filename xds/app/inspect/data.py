"""Answers as data for programs: the fields and names of ``protos/kubelb/xds/debug/v1/debug.proto`` in protobuf's JSON.

Fields that are empty are there as well, so that a script need not ask whether they are; times are RFC 3339.
"""

from typing import Any

from google.protobuf import json_format
from google.protobuf.message import Message

from xds import messages


def as_data(message: Message) -> dict[str, Any]:
    """Return a message as JSON-able data, what ``Any``s hold included; 64-bit numbers are text there."""
    data: dict[str, Any] = json_format.MessageToDict(
        message, always_print_fields_with_no_presence=True, descriptor_pool=messages.POOL
    )
    return data
