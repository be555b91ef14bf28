"""What the other replicas' Envoys made of it all, as their reports say, and which of them are dead.

Reading costs the tenants that say something new.

Whether a replica is dead is judged by this one's own report: only when that has come back through the watch, and another one
had not changed for long when that was sent, that other one has expired. So a watch that stalls, or catches up, or an API
server that was away, never makes a replica dead that lives.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

import structlog
from msgspec import Raw

from kube.controllers.reports import STANDING, Publisher, Report, ReportTiming, name_of
from kube.controllers.standing import Standing
from kube.informer.informer import Consumer
from kube.informer.store import Stored
from kube.objects import InvalidObject, ObjectRef

log: structlog.typing.FilteringBoundLogger = structlog.get_logger("kube.controllers")


class Audience(Protocol):
    """Who hears what the other replicas say: `Programmed`."""

    def reported(self, replica: str, tenant: str, standing: Standing | None, now: float) -> None:
        """Take what a replica says of a tenant, None where it says nothing of it (any more)."""

    def vague(self, replica: str, now: float, *, is_vague: bool) -> None:
        """Hear whether a replica leaves tenants out."""

    def lost(self, replica: str, now: float) -> None:
        """Hear that a replica is gone."""

    def synced(self, now: float) -> None:
        """Hear that every report is known."""


class _Replica:
    """One other replica: its latest report that could be read, and when it changed last."""

    __slots__ = ("changed", "dead", "deleted", "name", "report")

    def __init__(self, name: str) -> None:
        self.name = name
        self.report: Report | None = None
        self.changed = 0.0
        self.dead = False
        self.deleted = False


class Reader(Consumer):
    """Tells what the other replicas report: the consumer of an informer of `REPORTS`.

    ``own`` is this replica's publisher, whose own reports are of use as well: they show that the watch is alive.
    ``heard`` is called after each time that something was told.
    """

    def __init__(
        self,
        audience: Audience,
        own: Publisher,
        *,
        replica: str,
        clock: Callable[[], float],
        timing: ReportTiming | None = None,
        heard: Callable[[], None] = lambda: None,
    ) -> None:
        self._audience = audience
        self._then = heard
        self._own = own
        self._own_name = name_of(replica)
        self._clock = clock
        self._timing = timing or ReportTiming()
        self._replicas: dict[ObjectRef, _Replica] = {}
        self._heard = float("-inf")
        self._synced = False

    def __repr__(self) -> str:
        return f"<Reader alive={list(self.alive)} synced={self._synced}>"

    @property
    def alive(self) -> tuple[str, ...]:
        """The other replicas that have not expired."""
        return tuple(replica.name for replica in self._replicas.values() if not replica.dead)

    @property
    def remains(self) -> tuple[Report, ...]:
        """The reports of replicas that have been dead for long: the leader deletes them."""
        rest = self._timing.rest
        return tuple(
            replica.report
            for replica in self._replicas.values()
            if replica.report is not None and replica.dead and self._heard - replica.changed >= rest
        )

    # What the informer tells

    def listed(self) -> None:
        """Hear that a list was complete."""
        if not self._synced:
            self._synced = True
            self._audience.synced(self._clock())
        self._then()

    def take(
        self,
        *,
        upserts: Iterable[Stored] = (),
        removals: Iterable[ObjectRef] = (),
        invalid: Iterable[InvalidObject] = (),
    ) -> None:
        """Take what became known together: the others' reports first, for this one's own judges them."""
        now = self._clock()
        heard = self._heard
        for found in upserts:
            assert isinstance(found, Report)  # noqa: S101 — what `_read` makes
            sent = self._own.sent_at(found)
            if sent is not None:
                heard = max(heard, sent)
            elif found.ref.name != self._own_name:
                self._take(found, now)
        for wrong in invalid:
            if wrong.ref.name != self._own_name:
                self._unreadable(wrong.ref, now)
        for ref in removals:
            self._removed(ref, now)
        if heard > self._heard:
            self._heard = heard
            self._expire(now)
        self._then()

    def _take(self, report: Report, now: float) -> None:
        replica = self._replicas.setdefault(report.ref, _Replica(report.replica))
        old = replica.report
        if old is not None and (old.run, old.renewed) == (report.run, report.renewed):
            return  # listed once more
        replica.changed = now
        replica.deleted = False
        before: Mapping[str, Raw] = old.tenants if old is not None and not replica.dead else {}
        if replica.dead:
            log.info("replica reports again", replica=replica.name)
            replica.dead = False
        replica.report = report
        if not before or old is None or old.text != report.text:
            self._audience.vague(replica.name, now, is_vague=report.unnamed > 0)
            for tenant in before.keys() - report.tenants.keys():
                self._audience.reported(replica.name, tenant, None, now)
            for tenant, said in report.tenants.items():
                if before.get(tenant) != said:
                    self._audience.reported(replica.name, tenant, STANDING.decode(said), now)

    def _removed(self, ref: ObjectRef, now: float) -> None:
        """Take a deletion: of a replica that had Envoys it says nothing, and so that one has yet to expire."""
        replica = self._replicas.get(ref)
        if replica is None:
            if ref.name == self._own_name:
                self._own.lost()
            return
        replica.deleted = True
        report = replica.report
        if replica.dead or (report is not None and not report.tenants and not report.unnamed):
            del self._replicas[ref]
            self._audience.lost(replica.name, now)

    def _unreadable(self, ref: ObjectRef, now: float) -> None:
        """Take a report that cannot be read, a newer program's perhaps, as one that names nothing: all count as behind."""
        replica = self._replicas.setdefault(ref, _Replica(ref.name))
        if replica.report is not None or replica.dead:
            self._audience.lost(replica.name, now)
        replica.report, replica.dead, replica.deleted, replica.changed = None, False, False, now
        self._audience.vague(replica.name, now, is_vague=True)

    def _expire(self, now: float) -> None:
        for ref, replica in tuple(self._replicas.items()):
            if not replica.dead and self._heard - replica.changed >= self._timing.expiry:
                replica.dead = True
                if replica.deleted:
                    del self._replicas[ref]
                log.info("replica reports no longer: its Envoys count no more", replica=replica.name)
                self._audience.lost(replica.name, now)
