"""From the store to the snapshots: what a change touches is translated, and nothing else.

    store ── changes ──▶ dirty LoadBalancers ── translate ──▶ resources ──▶ the tenants' snapshots

A burst coalesces: the first change goes out at once, what follows within the holdoff goes out together (rule 5 of the
design), and one flush makes one update of each tenant's snapshot. Nothing leaves before the store has synced. How objects
get into the store and how snapshots reach Envoy is known elsewhere.
"""

import asyncio
import heapq
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, cast

import structlog

from kube.informer.store import Change, Store
from kube.objects import LoadBalancer, ObjectRef
from xds.app.findings_log import FindingsLog
from xds.app.lookups import StoreLookups
from xds.snapshot import Resource, SnapshotCache
from xds.snapshot.types import CLUSTER, ENDPOINT, LISTENER
from xds.translate import Options, PortTable, Translation, Wants, spec_ports, translate

#: What every tenant's snapshot has from the start: Envoy asks for these, and an empty answer is one.
TYPES: Final = (CLUSTER, ENDPOINT, LISTENER)

HOLDOFF: Final = 0.02
"""Seconds within which changes that follow another go out together: short for a person, long for a burst."""


def utc_now() -> datetime:
    """Return the time of day that certificates are held against."""
    return datetime.now(UTC)


class Pipeline:
    """Keeps the cache's snapshots what the store's objects say. Belongs to one running event loop."""

    def __init__(
        self,
        store: Store,
        cache: SnapshotCache,
        *,
        options: Options | None = None,
        wants: Callable[[LoadBalancer], Wants] = spec_ports,
        holdoff: float = HOLDOFF,
        now: Callable[[], datetime] = utc_now,
        passing: Collection[str] = frozenset(),
        took: Callable[[float], None] = lambda _: None,
        log: Any = None,
    ) -> None:
        """Follow ``store`` from now on.

        ``wants`` says which listener ports a LoadBalancer is to have, ``holdoff`` is in seconds, ``now`` the time of day in UTC;
        ``passing`` are reasons of findings that pass by themselves, and are not worth a line in the log. ``took`` is told how many
        seconds each flush took, from the objects to the snapshots.
        """
        self._wants = wants
        self._store = store
        self._cache = cache
        self._options = options or Options()
        self._holdoff = holdoff
        self._now = now
        self._took = took
        self._log = log or structlog.get_logger("xds.app")
        self._findings = FindingsLog(self._log, passing=passing)
        self._loop = asyncio.get_running_loop()
        self._dirty: dict[ObjectRef, None] = {}
        self._tables: dict[str, PortTable] = {}
        self._translations: dict[ObjectRef, Translation] = {}
        self._rechecks: list[tuple[datetime, ObjectRef]] = []
        # Tenants that an Envoy asked for before there was anything to say about them.
        self._expected: set[str] = set()
        self._last_flush = float("-inf")
        self._flush_timer: asyncio.Handle | None = None
        self._expiry_timer: asyncio.TimerHandle | None = None
        self._recheck_timer: asyncio.TimerHandle | None = None
        self._listeners: list[Callable[[Iterable[ObjectRef]], None]] = []
        self._unsubscribe = store.subscribe(self._changed)
        self._mark(store.of_kind("LoadBalancer"))
        self._schedule()

    @property
    def translations(self) -> Mapping[ObjectRef, Translation]:
        """What each LoadBalancer became."""
        return self._translations

    def subscribe(self, listener: Callable[[Iterable[ObjectRef]], None]) -> None:
        """Call `listener` after each flush with the LoadBalancers that were translated, or are gone."""
        self._listeners.append(listener)

    def expect_tenant(self, tenant: str) -> None:
        """Give a tenant that an Envoy asks for its snapshot, empty if need be, as soon as the store has synced.

        An Envoy whose last LoadBalancer went while no control plane ran is to learn of it.
        """
        self._expected.add(tenant)
        self._schedule()

    def close(self) -> None:
        """Follow the store no longer; the snapshots stay as they are."""
        self._unsubscribe()
        for timer in (self._flush_timer, self._expiry_timer, self._recheck_timer):
            if timer is not None:
                timer.cancel()

    def _mark(self, loadbalancers: Any) -> None:
        for lb in loadbalancers:
            self._claim_ports(lb.ref, lb)

    def _claim_ports(self, ref: ObjectRef, lb: LoadBalancer | None) -> None:
        """Record which ports a LoadBalancer asks for, and who else is touched by that."""
        self._dirty[ref] = None
        table = self._tables.setdefault(ref.namespace, PortTable(self._wants))
        for name in table.update(ref.name, lb):
            self._dirty[ObjectRef("LoadBalancer", ref.namespace, name)] = None

    def _changed(self, changes: tuple[Change, ...]) -> None:
        for ref, _, new in changes:
            if ref.kind == "LoadBalancer":
                self._claim_ports(ref, cast("LoadBalancer | None", new))
            else:
                self._dirty.update(dict.fromkeys(self._store.referrers(ref)))
        self._schedule()
        self._schedule_expiry()

    def _schedule(self) -> None:
        if self._flush_timer is None and self._store.synced:
            at = self._last_flush + self._holdoff
            if at <= self._loop.time():
                self._flush_timer = self._loop.call_soon(self._flush)
            else:
                self._flush_timer = self._loop.call_at(at, self._flush)

    def _schedule_expiry(self) -> None:
        if self._expiry_timer is not None:
            self._expiry_timer.cancel()
            self._expiry_timer = None
        at = self._store.next_expiry
        if at is not None:
            self._expiry_timer = self._loop.call_at(at, self._expire)

    def _expire(self) -> None:
        self._expiry_timer = None
        self._store.expire(self._loop.time())
        self._schedule_expiry()

    def _flush(self) -> None:
        self._flush_timer = None
        self._last_flush = self._loop.time()
        began = time.perf_counter()
        dirty, self._dirty = self._dirty, {}
        lookups = StoreLookups(self._store)
        now = self._now()
        upserts: dict[str, list[Resource]] = {}
        removals: dict[str, list[tuple[str, str]]] = {}
        for ref in dirty:
            old = self._translations.get(ref)
            try:
                new = self._translate(ref, lookups, now)
            except Exception:  # noqa: BLE001 — logged with its traceback
                # A fault of ours: this LoadBalancer stays as it is, and no other suffers.
                self._log.exception("translation failed", object=str(ref))
                continue
            upserts.setdefault(ref.namespace, []).extend(new.resources if new else ())
            removals.setdefault(ref.namespace, []).extend(
                (resource.type_url, resource.name) for resource in (old.resources if old else ())
            )
            self._remember(ref, old, new)
        for tenant in {**upserts, **dict.fromkeys(self._expected)}:
            self._cache.update(tenant, upserts.get(tenant, ()), removals.get(tenant, ()))
        self._expected.clear()
        self._took(time.perf_counter() - began)
        self._schedule_recheck(now)
        for listener in self._listeners:
            listener(dirty)

    def _translate(self, ref: ObjectRef, lookups: StoreLookups, now: datetime) -> Translation | None:
        lb = cast("LoadBalancer | None", self._store.get(ref))
        if lb is None:
            return None
        ports = self._tables[ref.namespace].ports_of(ref.name)
        return translate(lb, lookups=lookups, ports=ports, options=self._options, now=now)

    def _remember(self, ref: ObjectRef, old: Translation | None, new: Translation | None) -> None:
        self._findings.changed(ref, old, new)
        if new is None:
            self._translations.pop(ref, None)
            return
        self._translations[ref] = new
        if new.recheck_at is not None and (old is None or old.recheck_at != new.recheck_at):
            heapq.heappush(self._rechecks, (new.recheck_at, ref))

    def _schedule_recheck(self, now: datetime) -> None:
        """Translate anew what a certificate's dates make different, when they do."""
        if self._recheck_timer is not None:
            self._recheck_timer.cancel()
            self._recheck_timer = None
        if self._rechecks:
            # A day at most: the time of day may be set while the loop's clock goes on.
            delay = min(max((self._rechecks[0][0] - now).total_seconds(), 0), 86400.0)
            self._recheck_timer = self._loop.call_later(delay, self._recheck)

    def _recheck(self) -> None:
        self._recheck_timer = None
        now = self._now()
        while self._rechecks and self._rechecks[0][0] <= now:
            at, ref = heapq.heappop(self._rechecks)
            translation = self._translations.get(ref)
            if translation is not None and translation.recheck_at == at:
                self._dirty[ref] = None
        if self._dirty:
            self._schedule()
        else:
            self._schedule_recheck(now)
