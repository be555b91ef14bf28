"""What this replica writes back into the cluster when it leads: listener ports, Services for Envoy, conditions, Events.

    store, translations, Envoys' answers ──▶ what each status is to say ──▶ one writer, while this replica leads

Every replica works all of it out, so that another one takes over without a write; only the leader writes. How each part comes
about is known in `kube.controllers`; here they are put together.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Final, cast

import structlog

from kube.client import ApiError, KubeApi, Unreachable
from kube.controllers.allocation import Allocation
from kube.controllers.exposure import Exposure
from kube.controllers.ledger import LedgerFullError, LedgerTooNewError
from kube.controllers.port_controller import ContendedError, NotLeadingError, PortController
from kube.controllers.programmed import PROGRAMMED, Programmed
from kube.controllers.report_reader import Reader
from kube.controllers.reports import REPORTS, SELECTOR, Publisher
from kube.controllers.services import NAME_TAKEN, SERVICE_REFUSED, AssignedPort, Exposed
from kube.controllers.statuses import Desired, Statuses
from kube.coordination.events import Events
from kube.coordination.lease import Election
from kube.coordination.writer import Writer
from kube.informer.informer import Consumer, Informer
from kube.informer.removals import Removals
from kube.informer.status import InformerStatus
from kube.informer.store import Store, Stored
from kube.informer.timing import Backoff, Timing
from kube.objects import Condition, InvalidObject, LoadBalancer, ObjectRef
from xds.app.local_standing import LocalStanding
from xds.app.pipeline import Pipeline, utc_now
from xds.app.source import Identity
from xds.protocol import Delivery
from xds.snapshot import SnapshotCache
from xds.translate import PORT_NOT_ALLOCATED, Finding, conditions
from xds.translate.findings import ACCEPTED, CA_CERTIFICATE_EXPIRING

FAREWELL: Final = 3.0
"""Seconds that giving up the lease and the report may take at the end."""

_PORTS_FAILED: Final = (
    ApiError,
    Unreachable,
    ContendedError,
    LedgerTooNewError,
    LedgerFullError,
)
_KIND: Final = LoadBalancer.KIND

log: structlog.typing.FilteringBoundLogger = structlog.get_logger("xds.app")


class Writing:
    """Everything that is written back. Belongs to one running event loop; ``patience`` is in seconds."""

    def __init__(
        self,
        api: KubeApi,
        store: Store,
        cache: SnapshotCache,
        pipeline: Pipeline,
        delivery: Delivery,
        *,
        identity: Identity,
        removals: Removals,
        namespaces: tuple[str, ...] = (),
        services: bool = True,
        patience: float = 60.0,
    ) -> None:
        self._store = store
        self._pipeline = pipeline
        self._loop = asyncio.get_running_loop()
        clock = self._loop.time
        self.election = Election(api, namespace=identity.namespace, identity=identity.name)
        self.writer = Writer(self.election)
        self._ports = PortController(api, self.election)
        self._exposure = Exposure(
            api,
            self.writer,
            self.election,
            self._exposed,
            enabled=services,
            namespaces=namespaces or ("",),
            removals=removals,
            invalid=lambda: [ref for ref in store.invalid if ref.kind == _KIND],
            clock=clock,
        )
        self._events = Events(
            api,
            identity=identity.name,
            leading=lambda: self.election.leading,
            clock=clock,
            wall=lambda: datetime.now(UTC),
        )
        self.programmed = Programmed(identity.name, patience=patience)
        self._publisher = Publisher(
            api.send,
            namespace=identity.namespace,
            replica=identity.name,
            standing=self.programmed.standing,
            clock=clock,
        )
        reader = Reader(self.programmed, self._publisher, replica=identity.name, clock=clock)
        self._reports = Informer(
            api,
            REPORTS,
            _Hearing(reader, self._heard),
            Removals(clock),
            namespace=identity.namespace,
            query=SELECTOR,
            timing=Timing(),
            clock=clock,
        )
        self._local = LocalStanding(
            cache, delivery, self.programmed, pipeline.translations, changed=self._stands_differently
        )
        self._statuses = Statuses(
            api, self.writer, find=self._find, desired=self._desired, changed=self._warn
        )
        self._tenants: dict[str, dict[str, LoadBalancer]] = {}
        self._allocations: dict[ObjectRef, Allocation] = {}
        self._exposures: dict[ObjectRef, Exposed] = {}
        # Tenants whose ports are to be allocated.
        self._due: dict[str, None] = {}
        self._wake = asyncio.Event()
        self._expiry: asyncio.TimerHandle | None = None
        pipeline.subscribe(self._flushed)
        self.election.subscribe(self._led)

    @property
    def informers(self) -> tuple[InformerStatus, ...]:
        """What can be told of the informers that only this part has."""
        return (self._reports.status, *self._exposure.informers)

    async def run(self) -> None:
        """Take part until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for run in (
                self.election.run,
                self.writer.run,
                self._events.run,
                self._publisher.run,
                self._reports.run,
                self._exposure.run,
                self._allocate,
            ):
                tasks.create_task(run())

    async def close(self) -> None:
        """Give up the lease, so that another replica leads at once, and withdraw this one's report. `run` has ended."""
        self._local.close()
        if self._expiry is not None:
            self._expiry.cancel()
        with contextlib.suppress(TimeoutError, ApiError, Unreachable):
            async with asyncio.timeout(FAREWELL):
                await self.election.release()
                await self._publisher.withdraw()

    # What happens

    def _flushed(self, refs: Iterable[ObjectRef]) -> None:
        """Hear that LoadBalancers were translated, or are gone."""
        generations: dict[str, dict[str, int | None]] = {}
        for ref in refs:
            lb = self._find(ref)
            generations.setdefault(ref.namespace, {})[ref.name] = lb.metadata.generation if lb else None
            known = self._tenants.setdefault(ref.namespace, {})
            self._due[ref.namespace] = None
            if lb is not None:
                known[ref.name] = lb
                continue
            known.pop(ref.name, None)
            self._allocations.pop(ref, None)
            self._exposures.pop(ref, None)
            self._exposure.forget(ref)
            self._statuses.look(ref)
        self._local.flushed(generations)
        self._wake.set()
        for tenant, names in generations.items():
            for name in names:
                self._statuses.look(ObjectRef(_KIND, tenant, name))
        self._heard()

    def _led(self, leading: bool) -> None:  # noqa: FBT001 — a listener of Election's
        self._ports.forget()
        if leading:
            self._due.update(dict.fromkeys(self._tenants))
            self._wake.set()
            self._exposure.reconsider()
            for tenant, names in self._tenants.items():
                for name in names:
                    self._statuses.look(ObjectRef(_KIND, tenant, name))

    def _exposed(self, ref: ObjectRef, exposed: Exposed) -> None:
        self._exposures[ref] = exposed
        self._statuses.look(ref)

    def _stands_differently(self, tenant: str) -> None:
        self._publisher.changed(tenant)
        self._heard()

    def _heard(self) -> None:
        """Look at what is another verdict now, and come back when patience ends."""
        now = self._loop.time()
        self.programmed.expire(now)
        for tenant, name in self.programmed.news():
            self._statuses.look(ObjectRef(_KIND, tenant, name))
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None
        at = self.programmed.next_expiry
        if at is not None:
            self._expiry = self._loop.call_at(at, self._heard)

    async def _allocate(self) -> None:
        """Allocate the ports of the tenants that need it, one after the other, while this replica leads."""
        backoff = Backoff(Timing(longest_wait=30.0))
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._due and self.election.leading and self._store.synced:
                tenant = next(iter(self._due))
                del self._due[tenant]
                try:
                    await self._allocate_for(tenant)
                except NotLeadingError:
                    break
                except _PORTS_FAILED as error:
                    log.warning(
                        "listener ports not allocated: it is repeated", tenant=tenant, error=str(error)
                    )
                    self._due[tenant] = None
                    await asyncio.sleep(backoff.pause(0.0, retry_after=getattr(error, "retry_after", None)))
                else:
                    backoff = Backoff(Timing(longest_wait=30.0))

    async def _allocate_for(self, tenant: str) -> None:
        wanted = dict(self._tenants.get(tenant, {}))
        unread = {ref.name for ref in self._store.invalid if ref.kind == _KIND and ref.namespace == tenant}
        allocated = await self._ports.allocate(tenant, wanted, unread=unread - wanted.keys())
        retry_at = None
        for name, allocation in allocated.items():
            ref = ObjectRef(_KIND, tenant, name)
            for refusal in allocation.refusals:
                if refusal.retry_at is not None:
                    retry_at = min(retry_at or refusal.retry_at, refusal.retry_at)
            self._allocations[ref] = allocation
            lb = self._find(ref)
            if lb is not None:
                self._exposure.want(lb, allocation.ports)
                self._statuses.look(ref)
        if retry_at is not None:
            delay = max(1.0, retry_at - utc_now().timestamp())
            self._loop.call_later(delay, self._again, tenant)

    def _again(self, tenant: str) -> None:
        self._due[tenant] = None
        self._wake.set()

    # What a status is to say

    def _find(self, ref: ObjectRef) -> LoadBalancer | None:
        return cast("LoadBalancer | None", self._store.get(ref))

    def _desired(self, lb: LoadBalancer) -> Desired:
        allocation, exposed = self._allocations.get(lb.ref), self._exposures.get(lb.ref)
        translation = self._pipeline.translations.get(lb.ref)
        ports = allocation.ports if allocation else None
        if ports is not None:
            ports = (exposed or _recorded(lb)).complete(ports)
        if allocation is None or translation is None:
            return Desired(ports=ports)
        findings = [finding for finding in translation.findings if finding.reason != PORT_NOT_ALLOCATED]
        refusals = [*allocation.refusals, *((exposed.refusal,) if exposed and exposed.refusal else ())]
        findings += [
            Finding("error", ACCEPTED, refusal.reason, refusal.message, refusal.path) for refusal in refusals
        ]
        found = conditions(findings, lb.metadata.generation)
        keep: set[str] = set()
        if self._exposure.is_undecided(lb.ref) and _speaks_of_service(lb):
            # After a restart the Service's refusal is not known yet: it is neither taken back nor told anew.
            found = tuple(condition for condition in found if condition.type != ACCEPTED)
            keep.add(ACCEPTED)
        programmed = self.programmed.condition(lb.metadata.namespace, lb.metadata.name)
        if programmed is None:
            keep.add(PROGRAMMED)
        return Desired(
            ports=ports,
            conditions=(*found, programmed) if programmed else found,
            keep=frozenset(keep),
            load_balancer=exposed.load_balancer if exposed else None,
        )

    def _warn(self, lb: LoadBalancer, changed: tuple[Condition, ...]) -> None:
        for condition in changed:
            warns = condition.type == CA_CERTIFICATE_EXPIRING or condition.status == "False"
            if warns:
                self._events.warn(lb.ref, lb.metadata.uid, condition.reason, condition.message)


def _recorded(lb: LoadBalancer) -> Exposed:
    """Return what the status says that the Service added to its ports: it stays until the Service is known."""
    return Exposed(
        ports={
            (port.port, port.protocol): AssignedPort(port.node_port, port.app_protocol)
            for port in lb.status.service.ports
        }
    )


def _speaks_of_service(lb: LoadBalancer) -> bool:
    """Return whether the status says that the Service is refused."""
    reasons = {condition.reason for condition in lb.status.conditions if condition.type == ACCEPTED}
    return not reasons.isdisjoint({NAME_TAKEN, SERVICE_REFUSED})


class _Hearing(Consumer):
    """The reader of other replicas' reports, as the informer's consumer; ``then`` is called after each of them."""

    def __init__(self, reader: Reader, then: Callable[[], None]) -> None:
        self._reader = reader
        self._then = then

    def listed(self) -> None:
        """Hear that all reports are known."""
        self._reader.listed()
        self._then()

    def take(
        self,
        *,
        upserts: Iterable[Stored] = (),
        removals: Iterable[ObjectRef] = (),
        invalid: Iterable[InvalidObject] = (),
    ) -> None:
        """Take reports that became known."""
        self._reader.take(upserts=upserts, removals=removals, invalid=invalid)
        self._then()
