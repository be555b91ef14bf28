"""Keeps a Service before Envoy for each LoadBalancer that asks for one, and tells what the cluster made of it.

It follows the Services that carry this program's label. What is to be done is decided on the ground of what it knows
(`services`), so that nothing is asked or written while all is as it is to be; and once more on the ground of what the API
server says then, before anything is written. The LoadBalancer's status is not written here: what belongs there is handed on.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from functools import cached_property, partial
from itertools import islice
from typing import Any, Final, Protocol

import msgspec
import structlog

from kube.client import ApiError, KubeApi
from kube.controllers.service_api import SERVICES, ServiceApi
from kube.controllers.services import (
    MANAGED_BY,
    Exposed,
    ServiceRefusal,
    Step,
    Wanted,
    envoy_pods,
    exposed_by,
    is_its_own,
    is_ours,
    name_taken,
    next_step,
    service_name,
    service_refused,
    wanted_service,
)
from kube.coordination.finalizer import FINALIZER, Finalizer
from kube.coordination.writer import Writer
from kube.informer.informer import Consumer, Informer
from kube.informer.removals import Removals
from kube.informer.status import InformerStatus
from kube.informer.store import Stored
from kube.informer.timing import Timing
from kube.objects import InvalidObject, LoadBalancer, ObjectRef, StatusPort
from kube.objects.service import FIELD_MANAGER, Service

RECHECK: Final = 60.0
"""Seconds after which what could not be done is looked at again: a name may be free by then, or a right granted."""

_IDLE: Final = frozenset({Step.NOTHING, Step.WAIT})
_MAKES: Final = frozenset({Step.GUARD, Step.APPLY})
_BREATH: Final = 50
"""LoadBalancers after which others get the event loop: some 5 ms."""

_FINAL: Final = frozenset({400, 403, 422})
"""Refusals that the same request meets again: a quota, a missing right, an annotation that the API server checks."""

log: structlog.typing.FilteringBoundLogger = structlog.get_logger("kube.controllers")


class Leadership(Protocol):
    """Who says whether this replica may write: `kube.coordination.lease.Election`."""

    @property
    def leading(self) -> bool:
        """Whether it surely is the leader at this moment."""


class _Known:
    """What its owner told of a LoadBalancer, and, when it is asked for, what follows from that."""

    def __init__(
        self,
        lb: LoadBalancer,
        ports: tuple[StatusPort, ...],
        selector: Callable[[str], Mapping[str, str]],
    ) -> None:
        self.loadbalancer = lb
        self._ports = ports
        self._selector = selector

    @cached_property
    def wanted(self) -> Wanted:
        return wanted_service(self.loadbalancer, self._ports, selector=self._selector)


class Exposure(Consumer):
    """The Services of the LoadBalancers that it is told of, which are those that are followed: of `namespaces`, "" for all.

    `report` hears, for each LoadBalancer, what its status is to say: at first when all Services are known, and then whenever it is
    something else. Until then, and where it hears nothing at all, the status is to stay as it is. `removals` is
    whom the other informers of this API server share. `invalid` names objects whose newest version cannot be used. `is_served` says
    whether Envoys have taken a LoadBalancer: a Service that KubeLB made leads to its own until then. Not `enabled`: no Service is
    read, written or reported.
    """

    def __init__(
        self,
        api: KubeApi,
        writer: Writer,
        leadership: Leadership,
        report: Callable[[ObjectRef, Exposed], None],
        *,
        enabled: bool = True,
        namespaces: Sequence[str] = ("",),
        selector: Callable[[str], Mapping[str, str]] = envoy_pods,
        removals: Removals | None = None,
        invalid: Callable[[], Iterable[ObjectRef]] = tuple,
        is_served: Callable[[ObjectRef], bool] = lambda _: True,
        timing: Timing | None = None,
        clock: Callable[[], float] = time.monotonic,
        recheck: float = RECHECK,
    ) -> None:
        self._services_api = ServiceApi(api)
        self._finalizer = Finalizer(api)
        self._writer = writer
        self._leadership = leadership
        self._report = report
        self._enabled = enabled
        self._selector = selector
        self._invalid = invalid
        self._is_served = is_served
        self._recheck = recheck
        self._services: dict[ObjectRef, Service] = {}
        self._known: dict[ObjectRef, _Known] = {}
        # Which LoadBalancers want a Service of this name: one, unless two long names have one hash.
        self._askers: dict[ObjectRef, set[ObjectRef]] = {}
        self._told: dict[ObjectRef, Exposed] = {}
        # Why the API server has no Service as it is to be: what it said, or somebody else's in the way, which no label tells of.
        self._refusals: dict[ObjectRef, ServiceRefusal] = {}
        self._unsettled: set[ObjectRef] = set()
        # Those whose Service is KubeLB's, until the tenant's own Envoys serve them: it leads to KubeLB's meanwhile.
        self._kubelbs: set[ObjectRef] = set()
        # LoadBalancers that something was heard about, in order: one at a time is looked at, so that 10,000 hold nobody up.
        self._due: dict[ObjectRef, None] = {}
        self._wake = asyncio.Event()
        query = {"labelSelector": f"{MANAGED_BY}={FIELD_MANAGER}"}
        shared = removals or Removals(clock)
        self._informers = tuple(
            Informer(
                api,
                SERVICES,
                self,
                shared,
                namespace=namespace,
                query=query,
                timing=timing or Timing(),
                clock=clock,
            )
            for namespace in (dict.fromkeys(namespaces) if enabled else ())
        )

    def __repr__(self) -> str:
        return (
            f"<Exposure {len(self._known)} LoadBalancers, {len(self._services)} Services, "
            f"{len(self._due)} to be looked at, {len(self._unsettled)} to be written>"
        )

    @property
    def informers(self) -> tuple[InformerStatus, ...]:
        """What can be told of each informer now."""
        return tuple(informer.status for informer in self._informers)

    @property
    def synced(self) -> bool:
        """Whether all Services are known."""
        return all(informer.has_synced for informer in self._informers)

    async def run(self) -> None:
        """Follow the Services and do what is to be done until cancelled. Nothing that the API server does ends this."""
        async with asyncio.TaskGroup() as tasks:
            for informer in self._informers:
                tasks.create_task(informer.run(), name=informer.name)
            tasks.create_task(self._look_again(), name="recheck of Services")
            while True:
                await self._wake.wait()
                self._wake.clear()
                while self._due and self.synced:
                    for ref in tuple(islice(self._due, _BREATH)):
                        del self._due[ref]
                        self._consider(ref)
                    await asyncio.sleep(0)

    async def _look_again(self) -> None:
        while True:
            await asyncio.sleep(self._recheck)
            self._hear_of(self._unsettled)
            for ref in tuple(self._invalid()):
                self._put(ref, self._release_invalid, of="finalizer")

    def is_undecided(self, ref: ObjectRef) -> bool:
        """Return whether it is yet to be seen if the API server takes the Service of a LoadBalancer.

        Once that is seen, `report` hears of it, though nothing else is different.
        """
        if not self._enabled:
            return False
        return ref not in self._told or (ref in self._unsettled and ref not in self._refusals)

    # What its owner tells

    def want(self, lb: LoadBalancer, ports: Sequence[StatusPort]) -> None:
        """Take a LoadBalancer as it is now, with its listener ports as far as they are allocated."""
        before = self._known.get(lb.ref)
        self._known[lb.ref] = _Known(lb, tuple(ports), self._selector)
        if before is None:
            self._askers.setdefault(_service_ref(lb.ref), set()).add(lb.ref)
        self._hear_of((lb.ref,))

    def forget(self, ref: ObjectRef) -> None:
        """Hear that a LoadBalancer is gone."""
        if self._known.pop(ref, None) is None:
            return
        service = _service_ref(ref)
        askers = self._askers[service]
        askers.discard(ref)
        if not askers:
            del self._askers[service]
        self._told.pop(ref, None)
        self._refusals.pop(ref, None)
        self._unsettled.discard(ref)
        self._kubelbs.discard(ref)

    def served(self, ref: ObjectRef) -> None:
        """Hear that Envoys may serve a LoadBalancer that they did not."""
        if ref in self._kubelbs:
            self._hear_of((ref,))

    def reconsider(self) -> None:
        """Look at everything anew: this replica has become the leader."""
        self._hear_of(self._known)

    # What the informers of Services tell

    def listed(self) -> None:
        """Hear that a list was complete: with the last of the first ones, everything can be judged."""
        self._wake.set()

    def take(
        self,
        *,
        upserts: Iterable[Stored] = (),
        removals: Iterable[ObjectRef] = (),
        invalid: Iterable[InvalidObject] = (),  # noqa: ARG002 — its last good version stays
    ) -> None:
        """Take Services as they are now."""
        for found in upserts:
            if isinstance(found, Service) and self._services.get(found.ref) != found:
                self._services[found.ref] = found
                self._hear_of(self._askers.get(found.ref, ()))
        for ref in removals:
            if self._services.pop(ref, None) is not None:
                self._hear_of(self._askers.get(ref, ()))

    def _hear_of(self, refs: Iterable[ObjectRef]) -> None:
        self._due.update(dict.fromkeys(refs))
        self._wake.set()

    # What is done about it

    def _consider(self, ref: ObjectRef) -> None:
        """Have written what is to be, and report what is."""
        if ref not in self._known:
            return
        try:
            if self._step(ref) in _IDLE:
                settles = ref in self._unsettled
                self._unsettled.discard(ref)
                self._kubelbs.discard(ref)
                self._refusals.pop(ref, None)
                self._tell(ref, again=settles)
                return
            self._unsettled.add(ref)
            if ref not in self._kubelbs or self._is_served(ref):
                self._put(ref, self._converge)
            if _service_ref(ref) in self._services or ref in self._refusals:
                # Else there may be one that KubeLB made, of which the status speaks: no label tells.
                self._tell(ref)
        except Exception:
            log.exception("Service not looked after: this is a fault of the program", object=str(ref))

    def _put(
        self,
        ref: ObjectRef,
        write: Callable[[ObjectRef], Coroutine[Any, Any, None]],
        *,
        of: str = Service.KIND,
    ) -> None:
        if self._leadership.leading and ref.kind == LoadBalancer.KIND:
            self._writer.put((of, ref.namespace, ref.name), partial(write, ref))

    def _step(self, ref: ObjectRef) -> Step:
        """Return what is to be done by what is known here."""
        known = self._known.get(ref)
        if known is None:
            return Step.NOTHING
        service = self._services.get(_service_ref(ref))
        return next_step(known.loadbalancer, known.wanted, service, enabled=self._enabled)

    def _tell(self, ref: ObjectRef, *, again: bool = False) -> None:
        if not self._enabled:
            return
        exposed = exposed_by(self._known[ref].loadbalancer, self._services.get(_service_ref(ref)))
        if ref in self._refusals:
            exposed = exposed._replace(refusal=self._refusals[ref])
        if again or self._told.get(ref) != exposed:
            self._told[ref] = exposed
            self._report(ref, exposed)

    async def _converge(self, ref: ObjectRef) -> None:
        """Do what is to be done, by what the API server has now: what is known here may be older than what was written last."""
        if self._step(ref) in _IDLE:
            return  # its event was faster than its turn
        service = await self._services_api.get(_service_ref(ref)) if self._enabled else None
        known = self._known.get(ref)
        if known is None:
            return
        lb, wanted = known.loadbalancer, known.wanted
        step = next_step(lb, wanted, service, enabled=self._enabled)
        if step in _MAKES and service is not None and not is_ours(service) and not self._is_served(ref):
            if ref not in self._kubelbs:
                self._kubelbs.add(ref)
                log.info("Service of KubeLB's stays until an Envoy of the tenant serves it", object=str(ref))
            return
        if step is Step.GUARD or (step is Step.APPLY and service is None):
            # Nothing is made for what is being deleted, though it may not be known here yet.
            guarding = step is Step.GUARD
            metadata = await (
                self._finalizer.add(lb.metadata) if guarding else self._finalizer.metadata_of(ref)
            )
            if metadata is None or metadata.uid != lb.metadata.uid:
                return
            lb = msgspec.structs.replace(lb, metadata=metadata)
            step = next_step(lb, wanted, service)
        try:
            await self._do(step, lb, wanted, service)
            if step is Step.DELETE and service is not None and not is_ours(service):
                # It is none of those that are followed: nobody will tell that it is gone.
                left = await self._services_api.get(_service_ref(ref))
                await self._do(next_step(lb, wanted, left), lb, wanted, left)
        except ApiError as error:
            if step is Step.APPLY and error.status in _FINAL:
                self._refused(ref, wanted, service_refused(wanted, error.message))
            raise
        taken = service if step is Step.REFUSE else None
        self._refused(ref, wanted, name_taken(lb, taken) if taken else None)

    async def _do(self, step: Step, lb: LoadBalancer, wanted: Wanted, service: Service | None) -> None:
        if step is Step.APPLY:
            await self._services_api.apply(wanted, service)
        elif step is Step.DELETE and service is not None:
            await self._services_api.delete(service)
        elif step is Step.RELEASE:
            await self._finalizer.remove(lb.metadata)

    def _refused(self, ref: ObjectRef, wanted: Wanted, refusal: ServiceRefusal | None) -> None:
        """Report why there is no Service as it was to be, or that nothing speaks against it any more.

        An answer may be older than what was heard meanwhile: of what is wanted no more, or is there by now, it says nothing.
        """
        known = self._known.get(ref)
        if known is None or self._refusals.get(ref) == refusal:
            return
        if refusal is not None and (known.wanted != wanted or self._step(ref) in _IDLE):
            return
        if refusal is None:
            del self._refusals[ref]
        else:
            self._refusals[ref] = refusal
            log.warning("Service not as it is to be", object=str(ref), **refusal._asdict())
        self._tell(ref)

    async def _release_invalid(self, ref: ObjectRef) -> None:
        """Let a LoadBalancer go that is being deleted and cannot be read: what it says does not matter any more."""
        metadata = await self._finalizer.metadata_of(ref)
        if metadata is None or metadata.deletion_timestamp is None or FINALIZER not in metadata.finalizers:
            return
        service = await self._services_api.get(_service_ref(ref)) if self._enabled else None
        if service is not None and is_its_own(metadata, service):
            await self._services_api.delete(service)
        await self._finalizer.remove(metadata)


def _service_ref(loadbalancer: ObjectRef) -> ObjectRef:
    return ObjectRef(Service.KIND, loadbalancer.namespace, service_name(loadbalancer.name))
