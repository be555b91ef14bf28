"""What this replica writes back into the cluster when it leads: listener ports, Services for Envoy, conditions, Events.

    store, translations, Envoys' answers ──▶ what each status is to say ──▶ one writer, while this replica leads

Every replica works all of it out, so that another one takes over without a write; only the leader writes. How each part comes
about is known in `kube.controllers`; here they are put together.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Hashable, Iterable
from datetime import UTC, datetime
from functools import partial
from typing import Final, cast

import structlog

from kube.client import ApiError, KubeApi, Unreachable
from kube.controllers.allocation import Allocation
from kube.controllers.exposure import Exposure
from kube.controllers.ledger import LedgerFullError, LedgerTooNewError
from kube.controllers.port_controller import ContendedError, NotLeadingError, PortController
from kube.controllers.programmed import PROGRAMMED, Programmed
from kube.controllers.report_reader import Reader
from kube.controllers.reports import REPORTS, SELECTOR, Publisher, ReportTiming
from kube.controllers.services import NAME_TAKEN, SERVICE_REFUSED, AssignedPort, Exposed
from kube.controllers.statuses import Desired, Statuses
from kube.coordination.events import Events
from kube.coordination.lease import Election
from kube.coordination.writer import WRITTEN, Writer
from kube.informer.informer import Informer
from kube.informer.removals import Removals
from kube.informer.status import InformerStatus
from kube.informer.store import Store
from kube.informer.timing import Backoff, Timing
from kube.objects import Condition, LoadBalancer, LoadBalancerHead, ObjectMeta, ObjectRef
from xds.app.identity import Identity
from xds.app.invalid import InvalidLoadBalancers
from xds.app.local_standing import LocalStanding
from xds.app.metrics import WritingStatus
from xds.app.pipeline import Pipeline, utc_now
from xds.protocol import Delivery
from xds.snapshot import SnapshotCache
from xds.translate import PORT_NOT_ALLOCATED, Finding, conditions
from xds.translate.findings import ACCEPTED, CA_CERTIFICATE_EXPIRING

REPORTING: Final = ReportTiming()
"""When replicas report, and how long one is believed that does not."""

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
        self.writer = Writer(self.election, kind_of=_kind_of)
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
            is_served=self._is_served,
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
            timing=REPORTING,
        )
        self._reader = Reader(
            self.programmed,
            self._publisher,
            replica=identity.name,
            clock=clock,
            timing=REPORTING,
            heard=self._reported,
        )
        self._reports = Informer(
            api,
            REPORTS,
            self._reader,
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
            api, self.writer, find=self._standing, desired=self._desired, changed=self._warn
        )
        self._invalid = InvalidLoadBalancers(store, self._statuses.look)
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

    @property
    def status(self) -> WritingStatus:
        """What can be told of the writing now."""
        queue, events = self.writer.stats, self._events.stats
        outcomes = Counter(self.writer.outcomes)
        outcomes.update({("ledger", outcome): count for outcome, count in self._ports.outcomes.items()})
        outcomes["Event", WRITTEN] = events.written
        outcomes["Event", "dropped"] = events.dropped + events.bounded
        outcomes["report", WRITTEN] += self._publisher.published
        outcomes["report", "failed"] += self._publisher.failures
        return WritingStatus(self.election.leading, outcomes, queue.waiting + events.waiting, queue.refused)

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
        for tenant in generations:
            if not self._tenants[tenant]:
                del self._tenants[tenant]  # it is due, and then forgotten
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
            self._invalid.look_again()

    def _exposed(self, ref: ObjectRef, exposed: Exposed) -> None:
        self._exposures[ref] = exposed
        self._statuses.look(ref)

    def _is_served(self, ref: ObjectRef) -> bool:
        programmed = self.programmed.condition(ref.namespace, ref.name)
        return programmed is not None and programmed.status == "True"

    def _stands_differently(self, tenant: str) -> None:
        self._publisher.changed(tenant)
        self._heard()

    def _heard(self) -> None:
        """Look at what is another verdict now, and come back when patience ends."""
        now = self._loop.time()
        self.programmed.expire(now)
        for tenant, name in self.programmed.news():
            ref = ObjectRef(_KIND, tenant, name)
            self._statuses.look(ref)
            self._exposure.served(ref)
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None
        at = self.programmed.next_expiry
        if at is not None:
            self._expiry = self._loop.call_at(at, self._heard)

    def _reported(self) -> None:
        """Hear that reports came: what replicas have left that are dead for long is the leader's to delete."""
        self._heard()
        for report in self._reader.remains:
            self.writer.put(("report", *report.ref[1:]), partial(self._publisher.delete, report))

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
        if not wanted:
            self._ports.forget(tenant)
        if retry_at is not None:
            delay = max(1.0, retry_at - utc_now().timestamp())
            self._loop.call_later(delay, self._again, tenant)

    def _again(self, tenant: str) -> None:
        self._due[tenant] = None
        self._wake.set()

    # What a status is to say

    def _find(self, ref: ObjectRef) -> LoadBalancer | None:
        return cast("LoadBalancer | None", self._store.get(ref))

    def _standing(self, ref: ObjectRef) -> LoadBalancer | LoadBalancerHead | None:
        """Return a LoadBalancer's newest version, or what can be used of it."""
        return self._invalid.head(ref) or self._find(ref)

    def _desired(self, ref: ObjectRef) -> Desired:
        """Return what a status is to say: of the last good version, and of what is wrong with a newer one."""
        lb = self._find(ref)
        said = Desired() if lb is None else self._desired_of(lb)
        return self._invalid.said(ref, said, served=lb is not None)

    def _desired_of(self, lb: LoadBalancer) -> Desired:
        allocation, exposed = self._allocations.get(lb.ref), self._exposures.get(lb.ref)
        translation = self._pipeline.translations.get(lb.ref)
        ports = allocation.ports if allocation else None
        if ports is not None:
            ports = (exposed or _recorded(lb)).complete(ports)
        if allocation is None or translation is None:
            return Desired(ports=ports)
        findings = self._findings(lb.ref)
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

    def _findings(self, ref: ObjectRef) -> list[Finding]:
        """Return what is to be said of a LoadBalancer's own words and of what it names."""
        translation = self._pipeline.translations.get(ref)
        found = translation.findings if translation else ()
        return [finding for finding in found if finding.reason != PORT_NOT_ALLOCATED]

    def _warn(self, of: ObjectMeta, changed: tuple[Condition, ...]) -> None:
        """Tell of conditions that are not good, or good with a warning: that has a reason of its own, and no condition to show it."""
        ref = ObjectRef(_KIND, of.namespace, of.name)
        warnings = {finding.condition: finding.reason for finding in reversed(self._findings(ref))}
        for condition in changed:
            if condition.status == "False" or condition.type == CA_CERTIFICATE_EXPIRING:
                self._events.warn(ref, of.uid, condition.reason, condition.message)
            elif condition.message and condition.type in warnings:
                self._events.warn(ref, of.uid, warnings[condition.type], condition.message)


def _kind_of(key: Hashable) -> str:
    """Return what is written for a key of the writer's, which is a kind (an ObjectRef's, or a word), a namespace and a name."""
    kind: str = cast("tuple[str, str, str]", key)[0]
    return kind


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
