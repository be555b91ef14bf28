"""The condition Programmed: what all Envoys of a tenant, on all replicas, made of each LoadBalancer.

A state machine without I/O and without a clock. It is told what the tenants' contents are, how this replica's Envoys stand
to them, and what the other replicas report; it tells which conditions are different now, and when to look again. What it
does not know yet it does not say: a condition stays until something better is known, or patience ends.

Work is proportional to the change. A LoadBalancer is looked at when it or its standing changes; a report of older content
touches those that changed since, found at the end of a dictionary in the order of change. Only what concerns a whole tenant
(its first Envoy, its last, a replica whose content is another one for too long) looks at all of the tenant's.
"""

import heapq
from collections.abc import Iterable, Mapping
from typing import Final

from kube.controllers.programmed_state import Progress, TenantState, View
from kube.controllers.standing import Standing
from kube.objects import Condition
from kube.objects.reasons import ProgrammedReason

PROGRAMMED: Final = "Programmed"
"""The condition's type, and its reason while it is True."""
REJECTED: Final = "Rejected"
NO_ENVOY: Final = "NoEnvoyConnected"
NO_ANSWER: Final = "NoAnswer"

PATIENCE: Final = 60.0
"""Seconds after which a condition says that nobody is there, or that somebody does not answer."""

_TENANT: Final = ""
"""Instead of a LoadBalancer's name: the whole tenant."""


class Programmed:
    """Every LoadBalancer's condition Programmed. ``now`` is in seconds of one monotonic clock.

    ``replica`` is this one's name among those that report; ``patience`` is in seconds.
    """

    def __init__(self, replica: str, *, patience: float = PATIENCE) -> None:
        self._replica = replica
        self._patience = patience
        self._synced = False
        self._tenants: dict[str, TenantState] = {}
        # The tenants of which another replica has told something, and the replicas that could not name all of theirs.
        self._told: dict[str, set[str]] = {}
        self._vague: set[str] = set()
        # When to look again at what: at least once for each time that something became uncertain.
        self._due: list[tuple[float, str, str]] = []
        self._news: dict[tuple[str, str], None] = {}

    def __repr__(self) -> str:
        waiting = sum(len(tenant.open) for tenant in self._tenants.values())
        return f"<Programmed tenants={len(self._tenants)} open={waiting} synced={self._synced}>"

    # What is to be told

    def condition(self, tenant: str, name: str) -> Condition | None:
        """Return a LoadBalancer's condition; None: it is to stay as it is, for nothing better is known."""
        found = self._tenants.get(tenant)
        loadbalancer = found.loadbalancers.get(name) if found else None
        return loadbalancer.verdict if loadbalancer else None

    def news(self) -> tuple[tuple[str, str], ...]:
        """Return tenant and name of each LoadBalancer whose condition is another one than when this was last asked."""
        news, self._news = tuple(self._news), {}
        return news

    def standing(self, tenant: str) -> Standing | None:
        """Return how this replica's own Envoys stand, None where none is connected. It is a live view."""
        found = self._tenants.get(tenant)
        view = found.views.get(self._replica) if found else None
        return view.standing if view and view.standing.envoys else None

    @property
    def next_expiry(self) -> float | None:
        """When `expire` may have something to do next; None when nothing waits."""
        return self._due[0][0] if self._due else None

    # What happens

    def synced(self, now: float) -> None:
        """Hear that every other replica's report is known: before that no condition is decided."""
        self._synced = True
        for tenant in self._tenants.values():
            self._judge(tenant, tuple(tenant.loadbalancers), now)

    def content(self, tenant: str, version: str, generations: Mapping[str, int | None], now: float) -> None:
        """Take a tenant's new content: its version, and the generation of each LoadBalancer that may differ (None: gone).

        Until `local` says otherwise, this replica's Envoys have not ACKed them; where the version is the same, nothing
        differs but the generation.
        """
        found = self._tenant(tenant, now)
        turned = found.turned(version)
        view = found.views[self._replica]
        view.seq = found.seq
        view.standing.version = version
        for name, generation in generations.items():
            if generation is None:
                found.loadbalancers.pop(name, None)
                found.open.discard(name)
                view.standing.forget(name)
                self._news.pop((tenant, name), None)
                continue
            loadbalancer = found.loadbalancers.get(name)
            if loadbalancer is None or turned:
                loadbalancer = found.loadbalancers.pop(name, None) or Progress()
                found.loadbalancers[name] = loadbalancer  # the one that changed last is last
                loadbalancer.changed, loadbalancer.changed_at = found.seq, now
                if view.standing.envoys:
                    view.standing.take(acked=(), behind=(name,), refused={})
            loadbalancer.generation = generation
        caught_up = False
        for other in found.views.values() if turned else ():
            if other is not view and other.seq is None:
                other.seq = found.seq_of(other.standing)
                caught_up |= other.seq is not None
        self._review(found, {*generations, *(found.open if caught_up else ())}, now)
        if not found.loadbalancers:
            self._forget_idle(found)

    def local(
        self,
        tenant: str,
        *,
        envoys: int,
        acked: Iterable[str] = (),
        behind: Iterable[str] = (),
        refused: Mapping[str, str] | None = None,
        now: float,
    ) -> bool:
        """Take how this replica's Envoys stand: their number, and the LoadBalancers that stand differently than before.

        A LoadBalancer is refused when one Envoy refuses it, else behind when one has not ACKed it. Where an Envoy came or
        left, whatever is not named stays as it was. Returns whether anything is different.
        """
        found = self._tenant(tenant, now)
        view = found.views[self._replica]
        known, standing = found.loadbalancers.keys(), view.standing
        if envoys:
            texts = {name: text for name, text in (refused or {}).items() if name in known}
            names = standing.take(
                acked=acked, behind=[name for name in behind if name in known], refused=texts
            )
        else:
            names = standing.behind | standing.refused.keys()
            standing.behind, standing.refused = set(), {}
        had, standing.envoys = standing.envoys, envoys
        self._review(found, self._affected(found, bool(had), bool(envoys), names), now)
        if not found.loadbalancers:
            self._forget_idle(found)
        return bool(names) or had != envoys

    def reported(self, replica: str, tenant: str, standing: Standing | None, now: float) -> None:
        """Take what another replica says of a tenant, None where it has none of its Envoys (any more)."""
        told = self._told.setdefault(replica, set())
        if standing is None and replica in self._vague:
            standing = _all_behind()
        if standing is None and tenant not in told:
            return
        found = self._tenant(tenant, now)
        old = found.views.get(replica) or View(Standing(), None)
        if standing is None:
            told.discard(tenant)
            del found.views[replica]
            new = View(Standing(), None)
        else:
            told.add(tenant)
            new = found.views[replica] = View(standing, found.seq_of(standing))
        names = old.standing.differing(new.standing)
        if old.standing.envoys and new.standing.envoys:
            if new.seq is None:
                names.update(new.standing.refused)  # it may have become another content that is refused
            else:
                names.update(found.open if old.seq is None else ())
                names.update(found.changed_since(new.seq if old.seq is None else min(old.seq, new.seq)))
        affected = self._affected(found, bool(old.standing.envoys), bool(new.standing.envoys), names)
        self._review(found, affected, now)
        if not found.loadbalancers:
            self._forget_idle(found)

    def vague(self, replica: str, now: float, *, is_vague: bool) -> None:
        """Hear whether another replica's report leaves tenants out: those that it does not name count as behind."""
        if is_vague == (replica in self._vague):
            return
        if is_vague:
            self._vague.add(replica)
            for tenant in self._tenants.keys() - self._told.get(replica, set()):
                self.reported(replica, tenant, None, now)
        else:
            self._vague.discard(replica)
            for tenant in tuple(self._told.get(replica, ())):
                if self._tenants[tenant].views[replica].standing == _all_behind():
                    self.reported(replica, tenant, None, now)

    def lost(self, replica: str, now: float) -> None:
        """Hear that another replica is gone, and its Envoys with it."""
        self._vague.discard(replica)
        for tenant in tuple(self._told.get(replica, ())):
            self.reported(replica, tenant, None, now)
        self._told.pop(replica, None)

    def expire(self, now: float) -> None:
        """Decide what has waited long enough."""
        while self._due and self._due[0][0] <= now:
            _, tenant, name = heapq.heappop(self._due)
            found = self._tenants.get(tenant)
            if found is None:
                continue
            if name != _TENANT:
                self._judge(found, (name,), now)
            elif found.unsure_since is not None and found.unsure_since + self._patience <= now:
                self._judge(found, tuple(found.loadbalancers), now)

    # How it is decided

    def _tenant(self, name: str, now: float) -> TenantState:
        found = self._tenants.get(name)
        if found is None:
            found = self._tenants[name] = TenantState(name)
            found.views[self._replica] = View(Standing(), found.seq)
            for replica in self._vague:
                found.views[replica] = View(_all_behind(), None)
                self._told.setdefault(replica, set()).add(name)
            self._review(found, (), now)
        return found

    def _forget_idle(self, tenant: TenantState) -> None:
        """Forget a tenant that has neither LoadBalancers nor Envoys."""
        if all(view.standing == _all_behind() for view in tenant.connected):
            del self._tenants[tenant.name]
            for told in self._told.values():
                told.discard(tenant.name)

    @staticmethod
    def _affected(tenant: TenantState, had: bool, has: bool, names: Iterable[str]) -> Iterable[str]:  # noqa: FBT001
        """Return whom a view's change concerns: everybody where a replica got its first Envoy or lost its last one."""
        if had == has:
            return names
        return tuple(tenant.loadbalancers) if has else {*names, *tenant.open}

    def _review(self, tenant: TenantState, names: Iterable[str], now: float) -> None:
        """Judge LoadBalancers, and take note of since when the whole tenant is uncertain."""
        connected = tenant.connected
        unsure = not connected or any(view.seq is None for view in connected)
        if unsure and tenant.unsure_since is None:
            tenant.unsure_since = now
            heapq.heappush(self._due, (now + self._patience, tenant.name, _TENANT))
        self._judge(tenant, names, now)
        if not unsure:  # after that: what is still uncertain was so from then on
            tenant.unsure_since = None

    def _judge(self, tenant: TenantState, names: Iterable[str], now: float) -> None:
        connected = tenant.connected
        for name in tuple(names):
            loadbalancer = tenant.loadbalancers.get(name)
            if loadbalancer is None:
                continue
            refusals = {
                view.standing.refused[name]
                for view in connected
                if name in view.standing.refused and view.seq is not None and view.seq >= loadbalancer.changed
            }
            behind = [
                view
                for view in connected
                if view.seq is None or view.seq < loadbalancer.changed or name in view.standing.behind
            ]
            if refusals and self._synced:
                loadbalancer.since = None
                tenant.open.add(name)
                self._decide(tenant, name, "False", REJECTED, "; ".join(sorted(refusals)))
            elif behind or refusals or not connected or not self._synced:
                self._wait(tenant, name, loadbalancer, behind, now)
            else:
                loadbalancer.since = None
                tenant.open.discard(name)
                self._decide(
                    tenant,
                    name,
                    "True",
                    PROGRAMMED,
                    f"every connected Envoy of {tenant.name} has acknowledged this configuration",
                )

    def _wait(
        self, tenant: TenantState, name: str, loadbalancer: Progress, behind: list[View], now: float
    ) -> None:
        """Leave a condition as it is until patience ends, and then say what is missing."""
        tenant.open.add(name)
        reason: ProgrammedReason = NO_ANSWER if tenant.connected else NO_ENVOY
        since = loadbalancer.since
        if since is None:
            since = now if tenant.unsure_since is None else tenant.unsure_since
            loadbalancer.since_seq = loadbalancer.changed
        elif (
            loadbalancer.reason != reason
            and loadbalancer.verdict
            and loadbalancer.verdict.status == "Unknown"
        ):
            since = now  # it is Unknown, whatever the reason: another one takes its own time
            loadbalancer.since_seq = loadbalancer.changed
        elif (
            behind
            and loadbalancer.since_seq < loadbalancer.changed
            and self._is_progress(name, loadbalancer, behind)
        ):
            since = max(since, loadbalancer.changed_at)
            loadbalancer.since_seq = loadbalancer.changed
        loadbalancer.reason = reason
        if since != loadbalancer.since:
            loadbalancer.since = since
            heapq.heappush(self._due, (since + self._patience, tenant.name, name))
        if since + self._patience > now or not self._synced:
            return
        message = (
            f"not every connected Envoy of {tenant.name} has acknowledged this configuration"
            f" within {self._patience:g} s"
            if reason == NO_ANSWER
            else f"no Envoy of {tenant.name} is connected"
        )
        self._decide(tenant, name, "Unknown", reason, message)

    @staticmethod
    def _is_progress(name: str, loadbalancer: Progress, behind: list[View]) -> bool:
        """Return whether what is waited for is newer than what was waited for at first: that has been ACKed."""
        return all(
            view.seq is not None and view.seq >= loadbalancer.since_seq and name not in view.standing.behind
            for view in behind
        )

    def _decide(
        self, tenant: TenantState, name: str, status: str, reason: ProgrammedReason, message: str
    ) -> None:
        loadbalancer = tenant.loadbalancers[name]
        verdict = Condition(
            type=PROGRAMMED,
            status=status,  # type: ignore[arg-type]  # one of the three
            reason=reason,
            message=message,
            observed_generation=loadbalancer.generation,
        )
        if verdict != loadbalancer.verdict:
            loadbalancer.verdict = verdict
            self._news[tenant.name, name] = None


def _all_behind() -> Standing:
    """Return what a replica has said of a tenant that it could not name."""
    return Standing(envoys=1, unnamed=1)
