"""Allocates a tenant's listener ports: what its LoadBalancers want, weighed against the ledger, and kept there before it is told.

Whoever publishes a port in a status has it from here, so no port is published that another leader could give as well. Does
not write statuses, and does not know when to allocate: its caller does, with all LoadBalancers that the tenant has.
"""

import time
from collections.abc import Callable, Collection, Mapping
from typing import Final, NamedTuple, Protocol

import structlog

from kube.controllers import ledger
from kube.controllers.allocation import EXHAUSTED, LEDGER_FULL, Allocation, Wants, allocation, join, wants_of
from kube.controllers.ledger import ChangedMeanwhileError, Ledger, LedgerFullError
from kube.controllers.ports import REST, Claims, Outcome, assign
from kube.objects import LoadBalancer
from kube.objects.reasons import Reason

TRUSTED: Final = 0.2
"""Part of a freed port's rest (of 300 s: 60 s) for which a ledger that was read is believed where it says that nothing is to be done.

What another leader has freed meanwhile it has not given to anybody by then.
"""

_ATTEMPTS: Final = 8
"""How often in a row others may be faster. More than that is for the caller's backoff."""

log: structlog.typing.FilteringBoundLogger = structlog.get_logger("kube.controllers")


class Leadership(Protocol):
    """Who says whether this replica may write: `kube.coordination.lease.Election`."""

    @property
    def leading(self) -> bool:
        """Whether it surely is the leader at this moment."""


class NotLeadingError(Exception):
    """This replica is not the leader, or no longer: nothing was written."""


class ContendedError(Exception):
    """Others wrote the ledger again and again: nothing was written. Worth another attempt, later."""


class _Answer(NamedTuple):
    """What a LoadBalancer was told. It holds as long as the object is the same and has the same ports."""

    lb: LoadBalancer
    wants: Wants
    given: tuple[int | None, ...]
    allocation: Allocation


class _Tenant(NamedTuple):
    """What is remembered of a tenant: the ledger as it was at a moment, and everyone's answer."""

    ledger: Ledger
    read_at: float
    unread: frozenset[str]
    answers: Mapping[str, _Answer]


class PortController:
    """Allocates ports while `leadership` says that this replica leads.

    `clock` is Unix time, in seconds: when a port was freed is written down, and must make sense after a restart.
    """

    def __init__(
        self,
        api: ledger.Api,
        leadership: Leadership,
        *,
        clock: Callable[[], float] = time.time,
        rest: float = REST,
    ) -> None:
        self._api = api
        self._leadership = leadership
        self._clock = clock
        self._rest = rest
        self._trusted = TRUSTED * rest
        self._full: set[str] = set()
        self._tenants: dict[str, _Tenant] = {}

    def __repr__(self) -> str:
        return f"<PortController {len(self._tenants)} tenants>"

    def forget(self, tenant: str | None = None) -> None:
        """Read the ledger again next time, a tenant's or everyone's: call it when leadership is lost, and when a tenant is gone."""
        if tenant is None:
            self._tenants.clear()
        else:
            self._tenants.pop(tenant, None)

    async def allocate(
        self, tenant: str, wanted: Mapping[str, LoadBalancer], *, unread: Collection[str] = frozenset()
    ) -> Mapping[str, Allocation]:
        """Return the listener ports of a tenant's LoadBalancers, by name. `wanted` are all that exist, those being deleted as well.

        `unread` are the names of those that exist and that this program cannot use: what they hold, they hold on. What is in neither
        is gone, and its ports begin to rest. Nothing is read or written when nothing has changed. Raises
        NotLeadingError, ContendedError, LedgerTooNewError, ApiError, Unreachable, and LedgerFullError when not even the ports that are freed
        can be written down; what was given before stays given.
        """
        self._check()
        known = self._tenants.pop(tenant, None)
        answers = known.answers if known else {}
        unread = frozenset(unread)
        if known and known.unread == unread and 0 <= self._clock() - known.read_at < self._trusted:
            same = _same_ports(answers, wanted)
            if same is not None:
                return self._remember(tenant, known._replace(answers=same))
        wants = {name: _wants(lb, answers.get(name)) for name, lb in wanted.items()}
        claims = join(wants.values())._replace(unread=unread)
        for _ in range(_ATTEMPTS):
            read_at = self._clock()
            found = await ledger.read(self._api, tenant)
            try:
                outcome, kept, reason = await self._settle(tenant, found, claims)
            except ChangedMeanwhileError:
                log.info("ports: another wrote the ledger first: allocating anew", tenant=tenant)
                continue
            told = {
                name: _answer(lb, wants[name], answers.get(name), outcome, reason)
                for name, lb in wanted.items()
            }
            return self._remember(tenant, _Tenant(kept, read_at, unread, told))
        raise ContendedError(f"the ledger of {tenant} was changed by others {_ATTEMPTS} times in a row")

    async def _settle(self, tenant: str, found: Ledger, claims: Claims) -> tuple[Outcome, Ledger, Reason]:
        """Assign on the ground of a ledger, and write it if that changes it."""
        if found.faults:
            log.error(
                "ports: the ledger is damaged: what is broken is passed over",
                tenant=tenant,
                faults=found.faults[:10],
            )
        outcome = self._assign(tenant, found, claims)
        reason: Reason = EXHAUSTED
        kept = found
        if outcome.changed or found.faults:
            try:
                kept = await self._write(tenant, outcome, found)
                self._full.discard(tenant)
            except LedgerFullError as error:
                self._say_full(tenant, error)
                outcome, reason = self._assign(tenant, found, claims, closed=True), LEDGER_FULL
                if outcome.changed:
                    kept = await self._write(tenant, outcome, found, limit=ledger.MOST)
        for key, port in outcome.moved.items():
            if key in outcome.holdings.held:
                log.warning(
                    "ports: a recorded port cannot stay",
                    tenant=tenant,
                    key="/".join(key),
                    recorded=port,
                    given=outcome.holdings.held[key],
                )
        return outcome, kept, reason

    def _say_full(self, tenant: str, error: LedgerFullError) -> None:
        if tenant not in self._full:
            self._full.add(tenant)
            log.warning("ports: the ledger is full: new ports are refused", tenant=tenant, error=str(error))

    async def _write(
        self, tenant: str, outcome: Outcome, found: Ledger, *, limit: int = ledger.LIMIT
    ) -> Ledger:
        self._check()
        return await ledger.write(self._api, tenant, outcome.holdings, version=found.version, limit=limit)

    def _assign(self, tenant: str, found: Ledger, claims: Claims, *, closed: bool = False) -> Outcome:
        return assign(tenant, found.holdings, claims, now=self._clock(), rest=self._rest, closed=closed)

    def _check(self) -> None:
        if not self._leadership.leading:
            self.forget()
            raise NotLeadingError("only the leader allocates ports")

    def _remember(self, tenant: str, known: _Tenant) -> Mapping[str, Allocation]:
        self._tenants[tenant] = known
        return {name: answer.allocation for name, answer in known.answers.items()}


def _same_ports(
    answers: Mapping[str, _Answer], wanted: Mapping[str, LoadBalancer]
) -> Mapping[str, _Answer] | None:
    """Return the answers for what wants exactly the ports that it has; None if that is not so for all.

    What a status records makes no difference any more: the ledger knows better.
    """
    if wanted.keys() != answers.keys():
        return None
    renewed: dict[str, _Answer] = {}
    for name, lb in wanted.items():
        answer = answers[name]
        if answer.allocation.refusals:
            return None
        if answer.lb is not lb:
            wants = wants_of(lb)
            if [*wants.recorded] != [*answer.wants.recorded]:
                return None
            held = dict(zip(wants.recorded, answer.given, strict=True))
            renewed[name] = _Answer(lb, wants, answer.given, allocation(lb, held, {}))
    return {**answers, **renewed} if renewed else answers


def _wants(lb: LoadBalancer, answer: _Answer | None) -> Wants:
    return answer.wants if answer is not None and answer.lb is lb else wants_of(lb)


def _answer(
    lb: LoadBalancer, wants: Wants, before: _Answer | None, outcome: Outcome, reason: Reason
) -> _Answer:
    """Return what a LoadBalancer is told: the same as before where nothing is different."""
    held = outcome.holdings.held
    given = tuple(held.get(key) for key in wants.recorded)
    if before is not None and before.lb is lb and before.given == given and None not in given:
        return before
    return _Answer(lb, wants, given, allocation(lb, held, outcome.refused, reason=reason))
