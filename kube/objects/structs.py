"""The base of every struct, and the rules that look at more than one value.

What a single value may be stands in the annotations, where msgspec checks it in C. A rule is written once, as a function
of an object's attributes: it runs on each finished struct, so that no broken one can exist, and on the half-read ones in
`walk`, so that the user hears of it together with all other faults. Knows none of the kinds.
"""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, NamedTuple

import msgspec

from kube.objects.hosts import refuse_host


class Broken(NamedTuple):
    """Where a rule is broken (a path below the struct; empty: the struct itself), the value there, what is allowed."""

    path: str
    value: object
    allowed: str


class Rule(NamedTuple):
    """A check of some attributes of an object; it is left out while one of these cannot be read at all."""

    attributes: tuple[str, ...]
    check: Callable[[Any], Sequence[Broken]]


class KubeStruct(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, gc=False):
    """A part of an object: immutable, camelCase on the wire, what equals its default left out when encoded.

    Frozen structs cannot form cycles, so the garbage collector need not visit them.
    """

    RULES: ClassVar[tuple[Rule, ...]] = ()
    """What must hold beyond the annotations."""
    OPEN: ClassVar[bool] = False
    """Whether fields that are not modelled may stand here even in strict mode."""


class RuledStruct(KubeStruct, frozen=True):
    """A struct with rules: making one that breaks a rule raises ValueError."""

    def __post_init__(self) -> None:
        for rule in self.RULES:
            for broken in rule.check(self):
                raise ValueError(
                    f"{type(self).__name__}{'.' if broken.path else ''}{broken.path} {broken.allowed}"
                )


def host(attribute: str) -> Rule:
    """Make the rule that an attribute, unless it is empty, is an IP address or a host name."""

    def check(owner: Any) -> Sequence[Broken]:
        text = getattr(owner, attribute)
        refusal = refuse_host(text) if text else None
        return (Broken(attribute, text, refusal),) if refusal else ()

    return Rule((attribute,), check)


def one_of(*attributes: str, allowed: str) -> Rule:
    """Make the rule that at least one of these attributes is set and not empty."""

    def check(owner: Any) -> Sequence[Broken]:
        if any(getattr(owner, attribute) for attribute in attributes):
            return ()
        return (Broken("", owner, allowed),)

    return Rule(attributes, check)


def distinct(attribute: str, *keys: str, why: str) -> Rule:
    """Make the rule that no two items of a list have the same values in `keys`; items that lack one are not compared."""

    def check(owner: Any) -> Sequence[Broken]:
        items = getattr(owner, attribute)
        if len(items) == 1:  # by far the most
            return ()
        first: dict[tuple[object, ...], int] = {}
        broken = []
        for index, item in enumerate(items):
            key = tuple(getattr(item, name, None) for name in keys)
            if all(key) and first.setdefault(key, index) != index:
                where = f"{attribute}[{index}]" + (f".{keys[0]}" if len(keys) == 1 else "")
                taken = f"{attribute}[{first[key]}]"
                broken.append(
                    Broken(where, "/".join(map(str, key)), f"must differ from that of {taken}: {why}")
                )
        return broken

    return Rule((attribute,), check)
