"""What is wrong with an object, as values: the user sees every fault at once, with its path and a remedy.

Knows neither the kinds nor how faults are found.
"""

import reprlib
from collections.abc import Sequence
from typing import Final, NamedTuple

REDACTED: Final = "<redacted>"

_MAX_VALUE: Final = 120
_MAX_WORD: Final = 253  # the longest name in Kubernetes
_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 64
_SHORT.maxlevel = 2


class ObjectRef(NamedTuple):
    """Which object: the key of every index and the name in every message."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"


class Fault(NamedTuple):
    """One thing that is wrong.

    `path` is the field's (`spec.endpoints[0].ports[1].port`). `value` is a short repr of what stands there: empty when nothing
    does, `<redacted>` inside a Secret. `allowed` says what may stand there and ends with the remedy where there is one.
    """

    path: str
    value: str
    allowed: str

    def __str__(self) -> str:
        if not self.value:
            return f"{self.path} is missing: {self.allowed}"
        return f"{self.path}: {self.value} is not allowed: {self.allowed}"


class InvalidObject(ValueError):  # noqa: N818 - it states what the object is; nothing went wrong in the program
    """An object of a known kind that cannot be used; `str()` lists all of its faults.

    `head` is what of it can be used all the same, where that is known: of a LoadBalancer its metadata and its status.
    """

    def __init__(self, ref: ObjectRef, faults: Sequence[Fault], head: object = None) -> None:
        self.ref = ref
        self.faults = tuple(faults)
        self.head = head
        super().__init__(f"{ref}: " + "; ".join(map(str, self.faults)))


class UnknownKind(ValueError):  # noqa: N818 - a ConfigMap in the folder is no error
    """A document of a kind that this program does not read. `kind` and `api_version` are empty when the document has none."""

    def __init__(self, kind: object, api_version: object, *, known: Sequence[str] = ()) -> None:
        self.kind = "" if kind is None else one_line(kind)
        self.api_version = "" if api_version is None else one_line(api_version)
        expected = f": one of {', '.join(known)} is read" if known else ""
        super().__init__(
            f"kind {self.kind or '(none)'} of apiVersion {self.api_version or '(none)'} is not known{expected}"
        )


def short(value: object) -> str:
    """Return a repr of at most 120 characters, whatever the value is; null, true and false as YAML has them."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    try:
        text = _SHORT.repr(value)
    except ValueError:  # an integer of more than 4300 digits, which Python does not print
        return f"<{type(value).__name__}>"
    return text if len(text) <= _MAX_VALUE else f"{text[: _MAX_VALUE - 3]}..."


def one_line(value: object) -> str:
    """Return a text as it is where it fits into a line of a log, and anything else as a short repr."""
    return (
        value if isinstance(value, str) and value.isprintable() and len(value) <= _MAX_WORD else short(value)
    )
