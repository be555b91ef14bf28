"""The one place that holds every object as it stands, whatever source it came from.

Sources say what they saw, consumers hear what changed, and neither knows the other. Three promises are kept
here so that no source has to: an object that is equal makes no change, an object that turns invalid keeps its
last good version, and an object that goes while something stored still names it lingers for a moment, because
a replacement deletes and creates (`kubectl replace --force`: 60-80 ms apart). Each of them costs work in
proportion to the change, never to what is stored: who refers to whom is an index.

It does not know what objects mean, where they come from or what time it is: the time is passed in, in seconds
of one monotonic clock. It is not thread-safe: one event loop owns it.
"""

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple, Protocol

from kube.objects import InvalidObject, ObjectRef

LINGER: Final = 0.5
"""Seconds for which an object that is still referenced outlives its removal."""


class Stored(Protocol):
    """What the store asks of an object: a name of its own, and `==` that tells two versions apart."""

    @property
    def ref(self) -> ObjectRef:
        """The object's kind, namespace and name."""


class Change(NamedTuple):
    """One object's difference over one transaction: `old` is None when it appeared, `new` when it went."""

    ref: ObjectRef
    old: Stored | None
    new: Stored | None


class Store:
    """Every object as it stands, its last good version where the newest is invalid.

    `references` names what an object refers to, whether that exists or not; it is asked once for each
    version. `linger` is the time in seconds for which what is still referenced outlives its removal (rule 5
    of the design).
    """

    def __init__(
        self, *, references: Callable[[Stored], Iterable[ObjectRef]], linger: float = LINGER
    ) -> None:
        self._references_of = references
        self._linger = linger
        self._objects: dict[ObjectRef, Stored] = {}
        self._kinds: dict[str, dict[ObjectRef, Stored]] = {}
        self._references: dict[ObjectRef, frozenset[ObjectRef]] = {}
        self._referrers: dict[ObjectRef, set[ObjectRef]] = {}
        # Until when: in the order of expiry, because time only goes forward and all linger equally long.
        self._lingering: dict[ObjectRef, float] = {}
        self._invalid: dict[ObjectRef, InvalidObject] = {}
        self._unsynced: set[str] = set()
        self._listeners: list[Callable[[tuple[Change, ...]], None]] = []

    def __repr__(self) -> str:
        return (
            f"<Store objects={len(self._objects)} lingering={len(self._lingering)}"
            f" invalid={len(self._invalid)} unsynced={sorted(self._unsynced)}>"
        )

    # Which sources have told everything they have

    def expect(self, source: str) -> None:
        """Count `source` as not synced until `mark_synced` names it."""
        was = self.synced
        self._unsynced.add(source)
        if was:
            self._tell(())

    def mark_synced(self, source: str) -> None:
        """Take note that `source` has told everything it has. It stays synced, whatever happens to it."""
        was = self.synced
        self._unsynced.discard(source)
        if self.synced and not was:
            self._tell(())

    @property
    def unsynced(self) -> frozenset[str]:
        """The expected sources that have not told everything yet."""
        return frozenset(self._unsynced)

    @property
    def synced(self) -> bool:
        """Whether every expected source has told everything it has."""
        return not self._unsynced

    # What is stored

    def get(self, ref: ObjectRef) -> Stored | None:
        """Return the object as it stands (one that lingers included), or None."""
        return self._objects.get(ref)

    def of_kind(self, kind: str) -> tuple[Stored, ...]:
        """Return every object of a kind as it stands now; later transactions do not alter the answer."""
        return tuple(self._kinds.get(kind, {}).values())

    def referrers(self, ref: ObjectRef) -> frozenset[ObjectRef]:
        """Return the stored objects that name `ref`, which itself need not exist."""
        return frozenset(self._referrers.get(ref, ()))

    @property
    def invalid(self) -> Mapping[ObjectRef, InvalidObject]:
        """What is wrong with the newest version of an object, until a good version or its removal comes."""
        return MappingProxyType(self._invalid)

    # What happens

    def subscribe(self, listener: Callable[[tuple[Change, ...]], None]) -> Callable[[], None]:
        """Call `listener` once for each transaction that altered something; return what ends that.

        It hears all of a transaction's changes at once, when they are stored. It hears none when only
        `synced`, `invalid` or `next_expiry` changed. It must not start a transaction itself.
        """
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def apply(
        self,
        *,
        now: float,
        upserts: Iterable[Stored] = (),
        removals: Iterable[ObjectRef] = (),
        invalid: Iterable[InvalidObject] = (),
    ) -> tuple[Change, ...]:
        """Make one transaction of everything a source saw together, and return what it changed.

        Only the outcome counts: an object that is removed and there again was replaced, the last of several
        versions is the version, and an invalid one leaves the last good version (one of this transaction,
        too) where it is. `now` is in seconds, and starts the time of what lingers from here.
        """
        versions = {new.ref: new for new in upserts}
        faulty = {error.ref: error for error in invalid}
        expiry = self.next_expiry
        gone = [ref for ref in removals if ref not in versions and ref not in faulty]
        for ref in (*versions, *faulty):
            self._lingering.pop(ref, None)

        changes: list[Change] = []
        released: list[ObjectRef] = []
        for ref, new in versions.items():
            old = self._objects.get(ref)
            if old is None or old != new:
                changes.append(Change(ref, old, new))
                released += self._put(ref, new)
        for ref in gone:
            if ref in self._objects:
                self._lingering.setdefault(ref, now + self._linger)
                released.append(ref)
        changes += self._drop_unreferenced(released)

        quarantined = self._quarantine(faulty, healed=(*(versions.keys() - faulty.keys()), *gone))
        if quarantined or changes or self.next_expiry != expiry:
            self._tell(tuple(changes))
        return tuple(changes)

    def expire(self, now: float) -> tuple[Change, ...]:
        """Drop what has lingered long enough at `now` (seconds), and return what that changed."""
        due: list[ObjectRef] = []
        for ref, until in self._lingering.items():
            if until > now:
                break
            due.append(ref)
        changes: list[Change] = []
        released: list[ObjectRef] = []
        for ref in due:
            changes.append(Change(ref, self._objects[ref], None))
            released += self._drop(ref)
        changes += self._drop_unreferenced(released)
        if changes:
            self._tell(tuple(changes))
        return tuple(changes)

    @property
    def next_expiry(self) -> float | None:
        """When `expire` has something to do next, on the clock of `now`; None when nothing lingers."""
        return next(iter(self._lingering.values()), None)

    def _put(self, ref: ObjectRef, new: Stored) -> frozenset[ObjectRef]:
        """Store a version and return what the one before it named and this one does not."""
        self._objects[ref] = new
        self._kinds.setdefault(ref.kind, {})[ref] = new
        return self._refer(ref, frozenset(self._references_of(new)))

    def _drop(self, ref: ObjectRef) -> frozenset[ObjectRef]:
        """Forget an object and return what it named."""
        self._lingering.pop(ref, None)
        del self._objects[ref]
        of_kind = self._kinds[ref.kind]
        del of_kind[ref]
        if not of_kind:
            del self._kinds[ref.kind]
        return self._refer(ref, frozenset())

    def _refer(self, ref: ObjectRef, targets: frozenset[ObjectRef]) -> frozenset[ObjectRef]:
        """Index what `ref` names from now on, and return what it named until now and no longer does."""
        before = self._references.pop(ref, frozenset())
        if targets:
            self._references[ref] = targets
        for target in targets - before:
            self._referrers.setdefault(target, set()).add(ref)
        for target in before - targets:
            referrers = self._referrers[target]
            referrers.remove(ref)
            if not referrers:
                del self._referrers[target]
        return before - targets

    def _is_referenced(self, ref: ObjectRef) -> bool:
        """Return whether an object other than `ref` itself names it."""
        referrers = self._referrers.get(ref, ())
        return len(referrers) > (ref in referrers)

    def _drop_unreferenced(self, released: list[ObjectRef]) -> list[Change]:
        """Drop those of `released` that linger for nobody any more, and what lingered only for them."""
        changes: list[Change] = []
        while released:
            ref = released.pop()
            if ref in self._lingering and not self._is_referenced(ref):
                changes.append(Change(ref, self._objects[ref], None))
                released += self._drop(ref)
        return changes

    def _quarantine(self, faulty: Mapping[ObjectRef, InvalidObject], *, healed: Iterable[ObjectRef]) -> bool:
        """Record what is wrong, forget what no longer is, and return whether any of that is news."""
        changed = False
        for ref in healed:
            changed |= self._invalid.pop(ref, None) is not None
        for ref, error in faulty.items():
            known = self._invalid.get(ref)
            if known is None or (known.faults, known.head) != (error.faults, error.head):
                self._invalid[ref] = error
                changed = True
        return changed

    def _tell(self, changes: tuple[Change, ...]) -> None:
        for listener in tuple(self._listeners):
            listener(changes)
