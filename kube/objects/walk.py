"""Finding every fault of a document at once: msgspec stops at the first, and knows no remedies.

What is allowed is read from the structs' annotations (msgspec.inspect), once a struct, so nothing is said twice. Knows no
kind and no field by name. Reading never fails: a YAML document may hold dates, keys that are no strings, and cycles.
"""

import difflib
import re
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from types import SimpleNamespace
from typing import Any, Final

import msgspec
from msgspec import inspect

from kube.objects.faults import REDACTED, Fault, one_line, short
from kube.objects.structs import KubeStruct, Rule

_FAULTY: Final = object()
"""What a value with a fault is read as."""
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


@dataclass(slots=True)
class _Report:
    """The faults so far, and how to look for them."""

    strict: bool
    redact: bool
    faults: list[Fault] = field(default_factory=list)

    def add(self, path: str, value: object, allowed: str) -> object:
        self.faults.append(Fault(path, REDACTED if self.redact else short(value), allowed))
        return _FAULTY

    def missing(self, path: str, allowed: str) -> None:
        self.faults.append(Fault(path, "", allowed))


class _Reader(ABC):
    """Reads one type. `what` completes "must be …"."""

    what: str

    @abstractmethod
    def takes(self, value: object) -> bool:
        """Tell whether the value is of this type, whatever its contents."""

    def contents(self, value: Any, path: str, report: _Report) -> object:  # noqa: ARG002 - a scalar has none
        """Report the faults in a value of this type. Return it (an object: its attributes), or _FAULTY."""
        return value

    def remedy(self, value: object) -> str:  # noqa: ARG002 - only some types know one
        """Return what to do about a value of another type, to be added to `what`."""
        return ""

    def read(self, value: object, path: str, report: _Report) -> object:
        """Report every fault of any value."""
        if self.takes(value):
            return self.contents(value, path, report)
        return report.add(path, value, f"must be {self.what}{self.remedy(value)}")


class _Anything(_Reader):
    what = "anything"

    def __init__(self, node: inspect.AnyType) -> None:
        pass

    def takes(self, value: object) -> bool:  # noqa: ARG002
        return True


class _Boolean(_Reader):
    what = "true or false"

    def __init__(self, node: inspect.BoolType) -> None:
        pass

    def takes(self, value: object) -> bool:
        return isinstance(value, bool)


class _Integer(_Reader):
    def __init__(self, node: inspect.IntType) -> None:
        self._low, self._high = node.ge, node.le  # the structs set both or none
        self.what = "an integer" + ("" if self._low is None else f" from {self._low} to {self._high}")

    def takes(self, value: object) -> bool:
        return isinstance(value, int) and not isinstance(value, bool)

    def remedy(self, value: object) -> str:
        return ", without quotes" if isinstance(value, str) and value.isdecimal() else ""

    def contents(self, value: Any, path: str, report: _Report) -> object:
        if self._low is None or self._high is None or self._low <= value <= self._high:
            return value
        return report.add(path, value, f"must be {self.what}")


class _String(_Reader):
    def __init__(self, node: inspect.StrType) -> None:
        self._min, self._max = node.min_length or 0, node.max_length or sys.maxsize
        self._pattern = re.compile(node.pattern or "")
        self.what = "a string" + _size(node, "character")

    def takes(self, value: object) -> bool:
        return isinstance(value, str)

    def remedy(self, value: object) -> str:
        return "" if value is None or isinstance(value, (list, dict)) else ", so put it in quotes"

    def contents(self, value: Any, path: str, report: _Report) -> object:
        if not (self._min <= len(value) <= self._max and self._pattern.search(value)):
            return report.add(path, value, f"must be {self.what}")
        if not value.isascii() and _SURROGATE.search(value):
            return report.add(path, value, "must be text that UTF-8 can express, without lone surrogates")
        return value


class _Choice(_Reader):
    def __init__(self, node: inspect.LiteralType) -> None:
        self._values = tuple(map(str, node.values))
        self.what = _listing(self._values, "or")

    def takes(self, value: object) -> bool:
        return isinstance(value, str) and value in self._values


class _List(_Reader):
    def __init__(self, node: inspect.VarTupleType) -> None:
        self._item = _reader(node.item_type)
        self._min, self._max = node.min_length or 0, node.max_length or sys.maxsize
        self.what = "a list" + _size(node, "item")

    def takes(self, value: object) -> bool:
        return isinstance(value, (list, tuple))

    def contents(self, value: Any, path: str, report: _Report) -> object:
        items = [self._item.read(item, f"{path}[{index}]", report) for index, item in enumerate(value)]
        if self._min <= len(items) <= self._max:
            return items
        return report.add(path, value, f"must be {self.what}")


class _Map(_Reader):
    def __init__(self, node: inspect.DictType) -> None:
        self._key, self._value = _reader(node.key_type), _reader(node.value_type)
        self.what = "a mapping"

    def takes(self, value: object) -> bool:
        return isinstance(value, dict)

    def contents(self, value: Any, path: str, report: _Report) -> object:
        for key, item in value.items():
            where = f"{path}[{one_line(key)}]"
            self._key.read(key, where, report)
            self._value.read(item, where, report)
        return value


class _Either(_Reader):
    """A union; with None in it the field may be left out.

    A null in its place is a fault in strict mode. The API server drops nulls, but in what people write a null is a value
    that got lost: `upstreamTLS:` with nothing below it is no wish for plain TCP.
    """

    def __init__(self, node: inspect.UnionType) -> None:
        self._options = [_reader(each) for each in node.types if not isinstance(each, inspect.NoneType)]
        self._nullable = len(self._options) < len(node.types)
        self.what = _listing([option.what for option in self._options], "or")

    def takes(self, value: object) -> bool:
        return any(option.takes(value) for option in self._options)

    def remedy(self, value: object) -> str:
        if value is None:
            return ", or be left out"
        return self._options[0].remedy(value) if len(self._options) == 1 else ""

    def contents(self, value: Any, path: str, report: _Report) -> object:
        return next(option for option in self._options if option.takes(value)).contents(value, path, report)

    def read(self, value: object, path: str, report: _Report) -> object:
        if value is None and self._nullable and not report.strict:
            return value
        return super().read(value, path, report)


class _Object(_Reader):
    def __init__(self, node: inspect.StructType) -> None:
        struct: Any = node.cls
        self._rules: tuple[Rule, ...] = struct.RULES
        self._open: bool = struct.OPEN
        self._fields = {one.encode_name: (one.name, _reader(one.type)) for one in node.fields}
        self._required = tuple(one.encode_name for one in node.fields if one.required)
        self._absent = {
            one.name: one.default if one.default_factory is msgspec.NODEFAULT else one.default_factory()
            for one in node.fields
            if not one.required
        }
        self.what = f"a mapping with {_listing(self._fields, 'and')}"

    def takes(self, value: object) -> bool:
        return isinstance(value, dict)

    def contents(self, value: Any, path: str, report: _Report) -> object:
        prefix = f"{path}." if path else ""
        attributes = self._absent.copy()
        faulty = set()
        for key, item in value.items():
            if key not in self._fields:
                self._unknown(key, item, prefix, report)
                continue
            attribute, reader = self._fields[key]
            attributes[attribute] = seen = reader.read(item, prefix + key, report)
            if seen is _FAULTY:
                faulty.add(attribute)
                attributes[attribute] = None
        for name in self._required:
            if name not in value:
                attribute, reader = self._fields[name]
                report.missing(prefix + name, f"must be {reader.what}")
                faulty.add(attribute)
                attributes[attribute] = None
        this = SimpleNamespace(**attributes)
        for rule in self._rules:
            if faulty.isdisjoint(rule.attributes):
                for broken in rule.check(this):
                    where, what = (prefix + broken.path, broken.value) if broken.path else (path, value)
                    report.add(where, what, broken.allowed)
        return this

    def _unknown(self, key: object, value: object, prefix: str, report: _Report) -> None:
        if not isinstance(key, str):
            report.add(prefix + one_line(key), value, "a field's name must be a string")
        elif report.strict and not self._open:
            hint = _did_you_mean(key, self._fields) or f"; there are {_listing(self._fields, 'and')}"
            report.add(prefix + one_line(key), value, f"no such field{hint}")


_READERS: Final[dict[type[inspect.Type], Callable[[Any], _Reader]]] = {
    inspect.AnyType: _Anything,
    inspect.BoolType: _Boolean,
    inspect.IntType: _Integer,
    inspect.StrType: _String,
    inspect.LiteralType: _Choice,
    inspect.VarTupleType: _List,
    inspect.DictType: _Map,
    inspect.UnionType: _Either,
    inspect.StructType: _Object,
}
"""The types that the structs use; another one is a KeyError when its struct is first read."""


def find_faults(
    document: Mapping[str, Any], struct: type[KubeStruct], *, strict: bool, redact: bool
) -> list[Fault]:
    """Return every fault that keeps `document` from becoming a `struct`, in the order of the document.

    Strict: a field that no struct models, and a null, are faults too. Redact: the faults show no values.
    """
    report = _Report(strict=strict, redact=redact)
    _reader_of(struct).read(document, "", report)
    return report.faults


@cache
def _reader_of(struct: type[KubeStruct]) -> _Reader:
    return _reader(inspect.type_info(struct))


def _reader(node: inspect.Type) -> _Reader:
    if not isinstance(node, inspect.Metadata):
        return _READERS[type(node)](node)
    reader = _reader(node.type)
    reader.what = (node.extra_json_schema or {}).get("description", reader.what)
    return reader


def _size(node: inspect.StrType | inspect.VarTupleType, unit: str) -> str:
    low, high = node.min_length, node.max_length
    if low and high:
        return f" of {low} to {high} {unit}s"
    if high:
        return f" of at most {high} {unit}s"
    return f" of at least {low} {unit}{'s' if low > 1 else ''}" if low else ""


def _listing(words: Iterable[str], conjunction: str) -> str:
    *head, last = words
    return f"{', '.join(head)} {conjunction} {last}" if head else last


def _did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return a hint at the known word that looks like this one, without regard to case; empty when none does."""
    by_lower_case = {each.lower(): each for each in known}
    near = difflib.get_close_matches(word.lower(), by_lower_case, n=1)
    return f"; did you mean {by_lower_case[near[0]]}?" if near else ""
