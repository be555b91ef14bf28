"""One informer: a reflector, and what is known through it, so that a list is a difference and not a new world.

It passes on what appears, changes and goes, whatever way it learned of it. What a list no longer has goes when all
informers agree (`removals`). It does not know what the objects mean.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping

import structlog

from kube.client import KubeApi
from kube.informer.reflector import Listing, Reflector, Resource
from kube.informer.removals import Removals
from kube.informer.status import InformerStatus
from kube.informer.store import Stored
from kube.informer.timing import Timing
from kube.objects import Fault, InvalidObject, ObjectRef

log: structlog.typing.FilteringBoundLogger = structlog.get_logger("kube.informer")


class Consumer(ABC):
    """Who uses the objects of one informer: all of them, unless it says otherwise, and whatever becomes of them by `take`."""

    def wants(self, ref: ObjectRef, version: str) -> bool:  # noqa: ARG002 — for those who choose
        """Return whether this version of an object is of use; what is not is never decoded."""
        return True

    def may_lack(self, ref: ObjectRef, version: str) -> bool:  # noqa: ARG002
        """Return whether a list of this version may lack an object although it exists, for newer things are known of it."""
        return False

    @abstractmethod
    def take(
        self,
        *,
        upserts: Iterable[Stored] = (),
        removals: Iterable[ObjectRef] = (),
        invalid: Iterable[InvalidObject] = (),
    ) -> None:
        """Take what became known together."""

    def passed_by(self, ref: ObjectRef) -> None:  # noqa: B027 — few care
        """Hear that an object was deleted that the informer does not know."""

    def listing(self) -> None:  # noqa: B027
        """Hear that a list begins."""

    def listed(self) -> None:  # noqa: B027
        """Hear that a list was complete, after what it brought."""


class Informer:
    """The objects of one resource in one namespace, or in all."""

    def __init__(
        self,
        api: KubeApi,
        resource: Resource,
        consumer: Consumer,
        removals: Removals,
        *,
        namespace: str = "",
        query: Mapping[str, str] | None = None,
        timing: Timing,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._kind = resource.kind
        self._namespace = namespace
        self._consumer = consumer
        self._removals = removals
        self._known: set[ObjectRef] = set()
        # What is wrong with objects, so that each fault is logged once.
        self._faults: dict[ObjectRef, tuple[Fault, ...]] = {}
        self._reflector = Reflector(
            api, resource, self, namespace=namespace, query=query, timing=timing, clock=clock
        )
        # Whose list it waits for before it begins.
        self.waits_for = ""
        removals.join(self)

    @property
    def name(self) -> str:
        """What it is called in the store's `unsynced`, in log lines and in readiness."""
        return self._reflector.name

    @property
    def has_synced(self) -> bool:
        """Whether a list was complete; it stays so."""
        return self._reflector.tally.lists > 0

    @property
    def known(self) -> frozenset[ObjectRef]:
        """The objects that exist, as far as it was told."""
        return frozenset(self._known)

    def knows(self, ref: ObjectRef) -> bool:
        """Return whether an object exists, as far as it was told."""
        return ref in self._known

    @property
    def list_began(self) -> float:
        """When the last complete list began, on the clock."""
        return self._reflector.list_began

    @property
    def status(self) -> InformerStatus:
        """What can be told of it now."""
        tally = self._reflector.tally
        return InformerStatus(
            kind=self._kind,
            namespace=self._namespace,
            synced=self.has_synced,
            error=f"waits for the list of {self.waits_for}" if self.waits_for else self._reflector.error,
            objects=len(self._known),
            lists=tally.lists,
            watches=tally.watches,
            events=tally.events,
            failures=dict(tally.failures),
            large_removals=tally.large_removals,
        )

    async def run(self) -> None:
        """Follow the resource until cancelled. Whoever does that before the program's end has it `leave` the removals."""
        await self._reflector.run()

    def list_again(self, since: float) -> None:
        """List once more, unless the last list began at this moment or later."""
        self._reflector.list_again(since)

    def adopt(self, ref: ObjectRef) -> None:
        """Count an object as known that was learned of in another way."""
        self._known.add(ref)

    def forget(self, ref: ObjectRef) -> None:
        """Count an object as known no longer: it is gone, or nobody wants it."""
        self._known.discard(ref)
        self._faults.pop(ref, None)
        self._removals.seen(self, ref)

    def remove(self, refs: Collection[ObjectRef]) -> None:
        """Drop what every informer's list agrees to be gone."""
        for ref in refs:
            self.forget(ref)
        self._consumer.take(removals=refs)

    # What the reflector tells

    def wants(self, ref: ObjectRef, version: str) -> bool:
        """Return whether this version of an object is to be decoded."""
        return self._consumer.wants(ref, version)

    def listing(self, began: float) -> None:  # noqa: ARG002 — the reflector's word
        """Hear that a list begins."""
        self._consumer.listing()

    def listed(self, listing: Listing) -> None:
        """Take a complete list."""
        missing = [
            ref
            for ref in self._known
            if not listing.has(ref) and not self._consumer.may_lack(ref, listing.version)
        ]
        if len(missing) * 2 > len(self._known):
            self._reflector.tally.large_removals += 1
            log.error(
                "a list lacks more than half of what was known: was the cluster restored, or emptied?",
                informer=self.name,
                known=len(self._known),
                missing=len(missing),
            )
        self._known.update(listing.objects, listing.invalid)
        for ref in self._faults.keys() & listing.objects.keys():
            del self._faults[ref]
        for found in listing.invalid.values():
            self._refused(found)
        self._consumer.take(upserts=listing.objects.values(), invalid=listing.invalid.values())
        self._removals.listed(self, missing)
        self._consumer.listed()

    def changed(self, found: Stored | InvalidObject) -> None:
        """Take an object's new version."""
        self._known.add(found.ref)
        self._removals.seen(self, found.ref)
        if isinstance(found, InvalidObject):
            self._refused(found)
            self._consumer.take(invalid=(found,))
        else:
            self._faults.pop(found.ref, None)
            self._consumer.take(upserts=(found,))

    def deleted(self, ref: ObjectRef, version: str) -> None:
        """Take note of a deletion, unless something newer is known."""
        if ref not in self._known:
            self._consumer.passed_by(ref)
        elif self._consumer.wants(ref, version):
            self.forget(ref)
            self._consumer.take(removals=(ref,))

    def _refused(self, found: InvalidObject) -> None:
        if self._faults.get(found.ref) != found.faults:
            self._faults[found.ref] = found.faults
            faults = [str(fault) for fault in found.faults]
            log.warning(
                "object is invalid: its last good version stays", object=str(found.ref), faults=faults
            )
