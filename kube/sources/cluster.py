"""The management cluster as a source: what its API server has is what the store holds.

It follows all namespaces, some, or those that a label selector finds, each with three informers (`slice`). An API server
that is gone, slow, wrong or restored changes nothing: the store keeps what it has until complete lists of all informers say
otherwise. It does not know what the objects mean.
"""

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

import structlog
from msgspec import Raw

from kube.client import KubeApi
from kube.informer import wire
from kube.informer.informer import Consumer, Informer
from kube.informer.reflector import Resource
from kube.informer.removals import Removals
from kube.informer.status import InformerStatus
from kube.informer.store import Store, Stored
from kube.informer.timing import Timing
from kube.objects import InvalidObject, ObjectRef
from kube.sources.slice import Slice

REMINDER: Final = 15.0
"""Seconds after which the log says again what is waited for at the start."""

log: structlog.typing.FilteringBoundLogger = structlog.get_logger("kube.sources")


class Namespace(NamedTuple):
    """A namespace: there is nothing to know of one but that it is there."""

    ref: ObjectRef


def _read_namespace(document: Raw) -> Namespace:
    return Namespace(ObjectRef("Namespace", "", wire.meta(document).name))


NAMESPACES: Final = Resource("Namespace", "/api/v1", "namespaces", _read_namespace)


@dataclass(frozen=True, slots=True)
class Scope:
    """Which namespaces are followed: these, those that carry certain labels (``selector``), or all where neither is given."""

    namespaces: tuple[str, ...] = ()
    selector: str = ""


class ClusterSource(Consumer):
    """Reads the objects of an API server into a store, and follows what becomes of them.

    ``clock`` gives the seconds that the store is told. The store does not count as synced before each informer has listed.
    Belongs to one running event loop.
    """

    def __init__(
        self,
        api: KubeApi,
        store: Store,
        *,
        scope: Scope | None = None,
        clock: Callable[[], float] = time.monotonic,
        timing: Timing | None = None,
    ) -> None:
        self._api = api
        self._store = store
        self._scope = scope or Scope()
        self._clock = clock
        self._timing = timing or Timing()
        self._removals = Removals(clock)
        self._slices: dict[str, Slice] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._tasks = asyncio.TaskGroup()
        self._namespaces: Informer | None = None
        self._first_listed = False
        if self._scope.selector:
            self._namespaces = Informer(
                api,
                NAMESPACES,
                self,
                self._removals,
                query={"labelSelector": self._scope.selector},
                timing=self._timing,
                clock=clock,
            )
            store.expect(self._namespaces.name)
        else:
            for namespace in dict.fromkeys(self._scope.namespaces or ("",)):
                self._add(namespace)

    @property
    def removals(self) -> Removals:
        """The round that all informers of this API server are to take part in."""
        return self._removals

    @property
    def informers(self) -> tuple[InformerStatus, ...]:
        """What can be told of each informer now."""
        namespaces = (self._namespaces,) if self._namespaces else ()
        of_slices = (informer for part in self._slices.values() for informer in part.informers)
        return tuple(informer.status for informer in (*namespaces, *of_slices))

    async def run(self) -> None:
        """Follow the API server until cancelled. Nothing that it does ends this."""
        async with self._tasks as tasks:
            tasks.create_task(self._remind(), name="reminder")
            if self._namespaces is not None:
                tasks.create_task(self._namespaces.run(), name=self._namespaces.name)
            for namespace in self._slices:
                self._start(namespace)

    def _add(self, namespace: str) -> None:
        part = Slice(
            self._api,
            self._store,
            self._removals,
            namespace=namespace,
            timing=self._timing,
            clock=self._clock,
        )
        self._slices[namespace] = part
        if not self._first_listed:  # a namespace that comes later keeps nobody waiting
            for informer in part.informers:
                self._store.expect(informer.name)

    def _start(self, namespace: str) -> None:
        running = self._slices[namespace].run()
        self._running[namespace] = self._tasks.create_task(running, name=f"namespace {namespace or '*'}")

    async def _remind(self) -> None:
        """Say what is missing as long as something is."""
        await asyncio.sleep(REMINDER)
        while self._store.unsynced:
            errors = {
                status.name: status.error or "not listed yet"
                for status in self.informers
                if not status.synced
            }
            log.warning(
                "waiting for the API server: nothing is served yet", server=self._api.server, missing=errors
            )
            await asyncio.sleep(REMINDER)

    # What the informer of namespaces tells

    def listed(self) -> None:
        """Hear that a list was complete: the namespaces' own informers are expected by now."""
        self._first_listed = True
        if self._namespaces is not None:
            self._store.mark_synced(self._namespaces.name)

    def take(
        self,
        *,
        upserts: Iterable[Stored] = (),
        removals: Iterable[ObjectRef] = (),
        invalid: Iterable[InvalidObject] = (),  # noqa: ARG002 — a name is never invalid
    ) -> None:
        """Follow namespaces that are new, and leave those that are gone or no longer selected."""
        for found in upserts:
            if found.ref.name not in self._slices:
                log.info("following a namespace", namespace=found.ref.name)
                self._add(found.ref.name)
                self._start(found.ref.name)
        for ref in removals:
            self._leave(ref.name)

    def _leave(self, namespace: str) -> None:
        part = self._slices.pop(namespace, None)
        if part is None:
            return
        log.info("following a namespace no longer: its objects go", namespace=namespace)
        self._running.pop(namespace).cancel()
        part.clear()
        for informer in part.informers:
            self._removals.leave(informer)
            self._store.mark_synced(informer.name)
