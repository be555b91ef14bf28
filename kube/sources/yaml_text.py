"""YAML as kubectl reads it, with the line of everything, and without what makes YAML unsafe to take.

PyYAML's C parser does the work, as a stream of events. What is built from them is built here, because
PyYAML's own composer and constructor

- take the last of two equal keys in silence,
- quote the file in their errors (a Secret among them),
- recurse in C: 200,000 opening brackets end the process with a segmentation fault,
- expand an alias as often as it is named, so that a page of text becomes gigabytes,
- read `12:30` as 750 and `2026-01-31` as a date, where kubectl reads text.

It does not know what a manifest is.
"""

import re
from collections.abc import Iterator
from typing import Any, Final, TypeAlias

import yaml

from kube.sources.parsed import Parsed, Unparsable, the_key

MAX_DEPTH: Final = 100
"""Levels of nesting; a LoadBalancer has nine."""

_TOO_DEEP: Final = f"nested deeper than {MAX_DEPTH} levels, which no manifest is"

MAX_ALIASED: Final = 100_000
"""Values that the aliases of one file may stand for."""

# sigs.k8s.io/yaml, which kubectl reads manifests with, resolves plain words as YAML 1.1 does.
_WORDS: Final[dict[str, bool | None]] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE", "y", "Y", "yes", "Yes", "YES", "on", "On", "ON"), True),
    **dict.fromkeys(("false", "False", "FALSE", "n", "N", "no", "No", "NO", "off", "Off", "OFF"), False),
}
_NUMBER: Final = re.compile(r"[-+.]?[0-9][0-9a-zA-Z_.+-]*")
_OCTAL: Final = re.compile(r"[-+]?0[0-7]+")
_FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")

_CORE: Final = "tag:yaml.org,2002:"

_Event: TypeAlias = (
    Any  # a yaml.Event: each class has attributes of its own, and what comes next is known by place
)


def parse_yaml(data: bytes) -> Iterator[Parsed]:
    """Yield the documents of UTF-8 text that is not empty; raise Unparsable where they end being YAML."""
    try:
        events = yaml.parse(data, Loader=yaml.CSafeLoader)
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                yield _Builder(events).document()
    except yaml.MarkedYAMLError as error:
        raise _unparsable(error, data) from None
    except yaml.reader.ReaderError as error:
        line = data.count(b"\n", 0, error.position) + 1
        raise Unparsable(
            line, "a control character, which YAML does not allow: is this a text file?"
        ) from None


class _Builder:
    """Builds one document from its events."""

    def __init__(self, events: Iterator[_Event]) -> None:
        self._events = events
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._lines: dict[int, int] = {}
        self._values = 0
        self._aliased = 0

    def document(self) -> Parsed:
        root = next(self._events)
        return Parsed(self._value(root, 1), _line(root), self._lines)

    def _value(self, event: _Event, depth: int) -> Any:
        if depth > MAX_DEPTH:
            raise Unparsable(_line(event), _TOO_DEEP)
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        before = self._values
        self._values += 1
        value: Any
        if isinstance(event, yaml.ScalarEvent):
            value = _scalar(event)
        elif isinstance(event, yaml.SequenceStartEvent):
            _require_tag(event, "seq")
            value = [self._value(item, depth + 1) for item in self._until(yaml.SequenceEndEvent)]
        else:
            _require_tag(event, "map")
            value = self._mapping(depth)
            self._lines[id(value)] = _line(event)
        if event.anchor is not None:
            self._anchors[event.anchor] = (value, self._values - before)
        return value

    def _until(self, end: type[yaml.Event]) -> Iterator[_Event]:
        while not isinstance(event := next(self._events), end):
            yield event

    def _alias(self, event: _Event) -> Any:
        if event.anchor not in self._anchors:
            raise Unparsable(_line(event), "an alias (*) of something that is not defined before it")
        value, values = self._anchors[event.anchor]
        self._values += values
        self._aliased += values
        if self._aliased > MAX_ALIASED:
            raise Unparsable(_line(event), f"aliases (*) that stand for more than {MAX_ALIASED} values")
        return value

    def _mapping(self, depth: int) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        first: dict[str, int] = {}
        for event in self._until(yaml.MappingEndEvent):
            key, line = _key(event), _line(event)
            if key in first:
                raise Unparsable(
                    line,
                    f"{the_key(key)} stands twice in one mapping, first in line {first[key]}: remove one",
                )
            first[key] = line
            value = self._value(next(self._events), depth + 1)
            if key == "<<" and event.implicit[0]:
                merged = _merge(value, line)
            else:
                mapping[key] = value
        return {**merged, **mapping} if merged else mapping


def _merge(value: Any, line: int) -> dict[str, Any]:
    """Return what a merge key (`<<`) brings: of several mappings, the first that has a key gives it."""
    mappings = value if isinstance(value, list) else [value]
    merged: dict[str, Any] = {}
    for mapping in reversed(mappings):
        if not isinstance(mapping, dict):
            raise Unparsable(line, "a merge key (<<) takes a mapping or a list of mappings")
        merged |= mapping
    return merged


def _key(event: _Event) -> str:
    """Return a key as it is written: like JSON's, a manifest's keys are text, whatever they look like."""
    if not isinstance(event, yaml.ScalarEvent):
        raise Unparsable(_line(event), "a key of a mapping must be plain text")
    return str(event.value)


def _scalar(event: _Event) -> Any:
    if event.tag not in {None, "!"}:
        _require_tag(event, "str")
        return event.value
    plain, _ = event.implicit
    return _resolve(event.value) if plain else event.value


def _resolve(text: str) -> Any:
    """Return what a word without quotes means to kubectl."""
    if text in _WORDS:
        return _WORDS[text]
    if _NUMBER.fullmatch(text):
        digits = text.replace("_", "")
        try:
            return int(digits, 8 if _OCTAL.fullmatch(digits) else 0)
        except ValueError:
            if _FLOAT.fullmatch(digits):
                return float(digits)
    return text


def _require_tag(event: _Event, name: str) -> None:
    # The tag itself is not shown: in a Secret, `password: !xyz` is a value that lacks its quotes.
    if event.tag not in {None, "!", _CORE + name}:
        raise Unparsable(
            _line(event), "a tag (!) that a manifest cannot have: remove it, or put the value in quotes"
        )


def _line(event: _Event) -> int:
    return int(event.start_mark.line) + 1


def _unparsable(error: yaml.MarkedYAMLError, data: bytes) -> Unparsable:
    """Word a syntax error; libyaml's texts are constants, and its snippets are left out."""
    problem, context = error.problem_mark, error.context_mark
    reason = " ".join(filter(None, (error.problem, error.context)))
    if problem is None:
        return Unparsable(None, reason)
    if reason.startswith("exceeded maximum nesting depth"):
        # libyaml's own bound, in PyYAML from 6.0.4: it scans ahead of the event that would be too deep here.
        return Unparsable(problem.line + 1, _TOO_DEEP)
    lines = data.split(b"\n")
    line = min(problem.line, len(lines) - 1)  # libyaml ends a text with a line break of its own
    if lines[line].decode()[problem.column : problem.column + 1] == "\t":
        reason = "a tab: YAML is indented with spaces"
    elif context is not None and context.line < line:
        reason += f" that begins in line {context.line + 1}"
    return Unparsable(line + 1, f"{reason} (column {problem.column + 1})")
