"""The smallest objects a store can hold: a name, what it names, and a value that tells two versions apart."""

from __future__ import annotations

from dataclasses import dataclass, field

from kube.informer.store import Change, Store, Stored
from kube.objects import Fault, InvalidObject, ObjectRef


def ref(name: str, kind: str = "Thing") -> ObjectRef:
    """Name a thing of one tenant."""
    return ObjectRef(kind, "tenant-a", name)


@dataclass(frozen=True)
class Thing:
    """One version of one object."""

    ref: ObjectRef
    value: int = 0
    names: frozenset[ObjectRef] = field(default=frozenset())


def thing(name: str, value: int = 0, *, names: tuple[str, ...] = (), kind: str = "Thing") -> Thing:
    """Make a version of a thing that names others of its kind."""
    return Thing(ref(name, kind), value, frozenset(ref(other) for other in names))


def names_of(stored: Stored) -> frozenset[ObjectRef]:
    """Tell the store what a thing names."""
    assert isinstance(stored, Thing)
    return stored.names


def fault(name: str, value: str = "0") -> InvalidObject:
    """Make the error of a version of a thing that cannot be taken."""
    return InvalidObject(ref(name), (Fault("spec.port", value, "must be 1..65535"),))


class Listener:
    """Remembers each call it got."""

    def __init__(self, store: Store) -> None:
        self.heard: list[tuple[Change, ...]] = []
        self.unsubscribe = store.subscribe(self.heard.append)
