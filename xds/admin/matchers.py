"""Which Envoys a CSDS request asks about: ``envoy.type.matcher.v3.NodeMatcher``, as Envoy's API defines it.

Regular expressions are refused: they would run on the event loop that serves every Envoy.
"""

from collections.abc import Iterable
from typing import Any, Final

import grpc

from xds.admin.rpc import CallError

_KINDS: Final = {
    "null_match": "null_value",
    "bool_match": "bool_value",
    "double_match": "number_value",
    "string_match": "string_value",
    "list_match": "list_value",
}
"""What kind of value a matcher takes."""


def matches(node: Any, matchers: Iterable[Any]) -> bool:
    """Return whether any matcher takes a node, or there is none. Raises ``CallError`` for a matcher of a kind that is refused."""
    found = [_node(node, matcher) for matcher in matchers]
    return any(found) or not found


def _node(node: Any, matcher: Any) -> bool:
    if matcher.HasField("node_id") and not _string(node.id, matcher.node_id):
        return False
    return all(_metadata(node.metadata, each) for each in matcher.node_metadatas)


def _string(text: str, matcher: Any) -> bool:
    kind = matcher.WhichOneof("match_pattern")
    if kind in (None, "safe_regex", "custom"):
        raise CallError(
            grpc.StatusCode.INVALID_ARGUMENT,
            f"node_matchers: a StringMatcher with {kind or 'nothing'} is not supported; use exact, prefix, suffix or contains",
        )
    pattern: str = getattr(matcher, kind)
    if matcher.ignore_case:
        text, pattern = text.lower(), pattern.lower()
    return {
        "exact": text == pattern,
        "prefix": text.startswith(pattern),
        "suffix": text.endswith(pattern),
        "contains": pattern in text,
    }[kind]


def _metadata(metadata: Any, matcher: Any) -> bool:
    value: Any = None
    struct: Any = metadata
    for segment in matcher.path:
        value = struct.fields[segment.key] if struct is not None and segment.key in struct.fields else None
        struct = value.struct_value if value is not None and value.HasField("struct_value") else None
    return _value(value, matcher.value)


def _value(value: Any, matcher: Any) -> bool:
    """Return whether a ``google.protobuf.Value``, None for one that is not there, is what a ``ValueMatcher`` wants."""
    wanted = matcher.WhichOneof("match_pattern")
    kind = value.WhichOneof("kind") if value is not None else None
    if wanted == "or_match":
        return any(_value(value, each) for each in matcher.or_match.value_matchers)
    if wanted == "present_match":
        return bool((kind is not None) == matcher.present_match)
    if wanted not in _KINDS:
        raise CallError(
            grpc.StatusCode.INVALID_ARGUMENT, "node_matchers: a ValueMatcher without match_pattern"
        )
    return kind == _KINDS[wanted] and _content(value, matcher, wanted)


def _content(value: Any, matcher: Any, wanted: str) -> bool:
    """Return whether a value of the right kind has the content that is wanted."""
    if wanted == "list_match":
        return any(_value(each, matcher.list_match.one_of) for each in value.list_value.values)
    if wanted == "string_match":
        return _string(value.string_value, matcher.string_match)
    if wanted == "double_match":
        return _number(value.number_value, matcher.double_match)
    return wanted == "null_match" or bool(value.bool_value == matcher.bool_match)


def _number(number: float, matcher: Any) -> bool:
    if matcher.WhichOneof("match_pattern") == "range":
        return bool(matcher.range.start <= number < matcher.range.end)
    return bool(number == matcher.exact)
