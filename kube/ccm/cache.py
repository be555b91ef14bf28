"""What one informer brings, in the store, and newer where this program wrote: it never decides on what it has itself overwritten.

A write's answer is the object as it is then, and comes before the watch has it, as a rule. Until the watch is as far, what is older
is passed over; where the watch is further already, the answer is. Versions of one resource can be compared as numbers (KEP-5504).
Does not know what the objects mean.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from kube.client import KubeApi
from kube.informer.informer import Consumer, Informer
from kube.informer.reflector import Resource
from kube.informer.removals import Removals
from kube.informer.status import InformerStatus
from kube.informer.store import Store, Stored
from kube.informer.timing import Timing
from kube.objects import InvalidObject, ObjectMeta, ObjectRef


class Written(Stored, Protocol):
    """An object that this program writes: it has a version."""

    @property
    def metadata(self) -> ObjectMeta:
        """Its metadata, for the version."""


class Cache(Consumer):
    """The objects of one resource that are of `use`, all unless told otherwise, as they stand in the store.

    Belongs to one running event loop. The store counts as synced once each of its caches has listed.
    """

    def __init__(
        self,
        api: KubeApi,
        resource: Resource,
        store: Store,
        removals: Removals,
        *,
        namespace: str = "",
        query: Mapping[str, str] | None = None,
        use: Callable[[Stored], bool] = lambda _: True,
        timing: Timing,
        clock: Callable[[], float],
    ) -> None:
        self._store = store
        self._use = use
        self._clock = clock
        # Versions that this program wrote and no watch has brought.
        self._written: dict[ObjectRef, int] = {}
        # How far the watch is: what had happened by then is in the store, or on its way there.
        self._seen = 0
        self._informer = Informer(
            api, resource, self, removals, namespace=namespace, query=query, timing=timing, clock=clock
        )
        store.expect(self._informer.name)

    @property
    def status(self) -> InformerStatus:
        """What can be told of the informer now."""
        return self._informer.status

    async def run(self) -> None:
        """Follow the resource until cancelled."""
        await self._informer.run()

    def assume(self, found: Written) -> None:
        """Take a write's answer."""
        version = found.metadata.resource_version
        if version.isdecimal() and int(version) > self._seen and self._is_news(found.ref, version):
            self._written[found.ref] = int(version)
            self._informer.adopt(found.ref)
            self._put((found,))

    def discard(self, ref: ObjectRef) -> None:
        """Take note that a write has ended an object, or its use."""
        self._written.pop(ref, None)
        self._informer.forget(ref)
        self._store.apply(now=self._clock(), removals=(ref,))

    # What the informer tells

    def wants(self, ref: ObjectRef, version: str) -> bool:
        """Return whether a version is not older than what was written."""
        self._see(version)
        return self._is_news(ref, version)

    def may_lack(self, ref: ObjectRef, version: str) -> bool:
        """Return whether a list is older than what was written."""
        self._see(version)
        return not self._is_news(ref, version)

    def listing(self) -> None:
        """Hear that a list begins: what was written before is in it, and versions may have gone back."""
        self._written.clear()
        self._seen = 0

    def listed(self) -> None:
        """Hear that a list was complete."""
        self._store.mark_synced(self._informer.name)

    def take(
        self,
        *,
        upserts: Iterable[Stored] = (),
        removals: Iterable[ObjectRef] = (),
        invalid: Iterable[InvalidObject] = (),
    ) -> None:
        """Take what became known together."""
        found, gone = tuple(upserts), tuple(removals)
        for ref in (*(each.ref for each in found), *gone):
            self._written.pop(ref, None)
        self._put(found, gone, invalid)

    def _put(
        self,
        found: Iterable[Stored],
        gone: Iterable[ObjectRef] = (),
        invalid: Iterable[InvalidObject] = (),
    ) -> None:
        used = [each for each in found if self._use(each)]
        useless = [each.ref for each in found if not self._use(each)]
        self._store.apply(now=self._clock(), upserts=used, removals=(*gone, *useless), invalid=invalid)

    def _see(self, version: str) -> None:
        if version.isdecimal():
            self._seen = max(self._seen, int(version))

    def _is_news(self, ref: ObjectRef, version: str) -> bool:
        written = self._written.get(ref)
        return written is None or not version.isdecimal() or int(version) >= written
