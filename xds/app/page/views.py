"""What each page shows: the part of it that is asked for, read from a running control plane at that moment.

The cost is that of a page, and one pass over the index or over the Envoys where something is searched or counted; passes are made in
slices, so that no stream waits. How it looks is known elsewhere.
"""

import asyncio
import heapq
from collections import Counter
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, Final, NamedTuple, cast

from kube.objects import LoadBalancer, ObjectRef
from xds.admin.debug import Debug
from xds.app.control_plane import ControlPlane
from xds.app.explain import LoadBalancers
from xds.app.inspect.explanation import explanation_lines
from xds.app.inspect.status import open_lines, types_of
from xds.app.metrics import version
from xds.app.page.entries import (
    MEANINGS,
    EnvoyEntry,
    LoadBalancerEntry,
    NackEntry,
    Word,
    envoy_entry,
    loadbalancer_entry,
    nack_entry,
    pieces,
)
from xds.app.page.index import NOT_SERVED, Index, Line
from xds.app.page.paging import Asked, Paged, paged
from xds.messages import debug_pb2 as pb
from xds.protocol import Envoy
from xds.snapshot.types import short

LOADBALANCER_FILTERS: Final[Mapping[str, str]] = {
    "problems": "with an error or a warning",
    "errors": "with an error",
    "nack": "refused by an Envoy (NACK)",
    "ending": "whose CA or CRL ends soon, or has ended",
    **{f"tls-{outcome.split()[0]}": f"TLS: {outcome}" for outcome in MEANINGS if outcome != NOT_SERVED},
}
ENVOY_FILTERS: Final[Mapping[str, str]] = {
    "open": "that lack something",
    "nack": "that refuse something (NACK)",
}

MOST_NACKS: Final = 5000
"""NACKs that are looked at: where there are more, these are enough to see why."""
_FEW: Final = 5
"""Entries of a list on the overview."""
_MOST_LINES: Final = 100
"""Lines about what Envoys lack, on a page."""
_SLICE: Final = 100


class Tenant(NamedTuple):
    """One tenant, in numbers."""

    name: str
    loadbalancers: int
    errors: int
    warnings: int
    envoys: int
    nacks: int


class Overview(NamedTuple):
    """The whole in numbers, and of each list of what needs somebody the first entries."""

    version: str
    source: Mapping[str, object]
    informers: Sequence[Any]
    writing: Any
    missing: Mapping[str, str]
    loadbalancers: int
    outcomes: Mapping[str, int]
    errors: int
    warnings: int
    tenants: int
    envoys: int
    lacking: int
    nacks: int
    newest_nacks: Sequence[NackEntry]
    first_errors: Sequence[LoadBalancerEntry]
    first_ends: Sequence[LoadBalancerEntry]


class Envoys(NamedTuple):
    """A page of Envoys, the types that they have columns for, and a line for each thing that they lack."""

    paged: Paged[Envoy]
    entries: Sequence[EnvoyEntry]
    types: Sequence[tuple[str, str]]
    lines: Sequence[Sequence[Word]]


class Views:
    """Reads a control plane. Belongs to its event loop."""

    def __init__(self, control_plane: ControlPlane) -> None:
        self._control_plane = control_plane
        self._delivery = control_plane.server.delivery
        self._debug = Debug(control_plane.cache, self._delivery, control_plane.watching)
        self._loadbalancers = LoadBalancers(
            control_plane.store, control_plane.pipeline, control_plane.cache, self._delivery
        )
        self._index = Index(control_plane.store, control_plane.pipeline.translations)
        control_plane.pipeline.subscribe(self._index.mark)

    def state(self) -> tuple[object, ...]:
        """Return what changes without a word of it: how the source is, and who writes."""
        plane = self._control_plane
        informers = tuple((each.name, each.synced, each.error) for each in plane.source.informers)
        return (
            tuple(plane.unready().items()),
            informers,
            plane.writing.status.leading if plane.writing else None,
        )

    async def overview(self, now: datetime) -> Overview:
        """Return the whole in numbers."""
        plane, index = self._control_plane, self._index
        lines = await index.lines()
        nacks = await self._nacks()
        lacking = [envoy async for envoy in self._envoys() if _lacks(envoy)]
        ends = heapq.nsmallest(
            _FEW, (line for line in lines if line.ends), key=lambda line: cast("datetime", line.ends)
        )
        errors = (line for line in lines if line.problem == "error")
        return Overview(
            version=version(),
            source=plane.source.described,
            informers=plane.source.informers,
            writing=plane.writing.status if plane.writing else None,
            missing=plane.unready(),
            loadbalancers=len(lines),
            outcomes=dict(index.outcomes),
            errors=index.problems["error"],
            warnings=index.problems["warning"],
            tenants=len(self._tenant_names()),
            envoys=sum(len(self._delivery.envoys(tenant)) for tenant in self._delivery.tenants),
            lacking=len(lacking),
            nacks=len(nacks),
            newest_nacks=nacks[:_FEW],
            first_errors=self._entries(islice(errors, _FEW), now),
            first_ends=self._entries(ends, now),
        )

    async def tenants(self, wanted: Asked) -> Paged[Tenant]:
        """Return tenants, by name."""
        await self._index.lines()
        nacks = Counter(nack.refusal.tenant for nack in await self._nacks())
        names = [name for name in sorted(self._tenant_names()) if wanted.finds(name.casefold())]
        return paged(names, wanted, lambda page: [self._tenant(name, nacks[name]) for name in page])

    async def loadbalancers(self, wanted: Asked, now: datetime) -> Paged[LoadBalancerEntry]:
        """Return LoadBalancers, by namespace and name."""
        lines = await self._index.lines()
        if wanted.only:
            lines = await self._filtered(lines, wanted.only)
        for word in wanted.words:
            lines = [line for line in lines if word in line.text]
        return paged(lines, wanted, lambda page: self._entries(page, now))

    async def explanation(self, namespace: str, name: str, now: datetime) -> list[list[Word]]:
        """Return what `explain` says of one LoadBalancer. Raises ``CallError`` where there is none."""
        answer = await self._loadbalancers.explain(pb.ExplainRequest(namespace=namespace, name=name), None)
        return pieces(explanation_lines(answer, now, online=True))

    async def envoys(self, wanted: Asked, now: datetime) -> Envoys:
        """Return Envoys, by tenant and node."""
        connected = [envoy async for envoy in self._envoys() if _is_asked_for(envoy, wanted)]
        found = paged(connected, wanted, lambda page: page)
        messages = []
        for envoy in found.entries:
            messages.append(self._debug.standing_of(envoy))
            await asyncio.sleep(0)
        return Envoys(
            found,
            [envoy_entry(message) for message in messages],
            [(type_url, short(type_url)) for type_url in types_of(messages)],
            pieces(islice(open_lines(messages, now), _MOST_LINES)),
        )

    async def nacks(self, wanted: Asked) -> Paged[NackEntry]:
        """Return what was refused, the newest first."""
        await self._index.lines()
        found = [nack for nack in await self._nacks() if wanted.finds(nack.text)]
        return paged(found, wanted, lambda page: page)

    def _tenant_names(self) -> Collection[str]:
        return {*self._index.tenants, *self._delivery.tenants}

    def _tenant(self, name: str, nacks: int) -> Tenant:
        problems: Counter[str] = self._index.tenants.get(name, Counter())
        envoys = len(self._delivery.envoys(name))
        return Tenant(name, problems.total(), problems["error"], problems["warning"], envoys, nacks)

    async def _filtered(self, lines: Iterable[Line], only: str) -> list[Line]:
        if only == "nack":
            refused = {nack.loadbalancer for nack in await self._nacks()}
            return [line for line in lines if line.ref in refused]
        if only == "problems":
            return [line for line in lines if line.problem]
        if only == "errors":
            return [line for line in lines if line.problem == "error"]
        if only == "ending":
            return [line for line in lines if line.ending]
        outcome = only.removeprefix("tls-")
        return [line for line in lines if line.tls.startswith(outcome)]

    def _entries(self, lines: Iterable[Line], now: datetime) -> list[LoadBalancerEntry]:
        plane = self._control_plane
        envoys: dict[str, tuple[Envoy, ...]] = {}
        entries = []
        for line in lines:
            tenant = line.ref.namespace
            if tenant not in envoys:
                envoys[tenant] = self._delivery.envoys(tenant)
            lb = cast("LoadBalancer | None", plane.store.get(line.ref))
            generation = lb.metadata.generation if lb else 0
            translation = plane.pipeline.translations.get(line.ref)
            entries.append(loadbalancer_entry(line, translation, generation, envoys[tenant], now))
        return entries

    async def _envoys(self) -> AsyncIterator[Envoy]:
        """Yield every Envoy, by tenant and node."""
        done = 0
        for tenant in sorted(self._delivery.tenants):
            for envoy in sorted(self._delivery.envoys(tenant), key=lambda envoy: (envoy.node, envoy.since)):
                yield envoy
                done += 1
                if done % _SLICE == 0:
                    await asyncio.sleep(0)

    async def _nacks(self) -> list[NackEntry]:
        """Return what was refused, the newest first: at most so many."""
        nacks: list[NackEntry] = []
        async for envoy in self._envoys():
            for refusal in envoy.refusals:
                if len(nacks) >= MOST_NACKS:
                    break
                of: ObjectRef | None = self._index.of_resource(refusal.tenant, refusal.name)
                nacks.append(nack_entry(refusal, envoy.peer, of))
        nacks.sort(key=lambda nack: nack.refusal.at, reverse=True)
        return nacks


def _is_asked_for(envoy: Envoy, wanted: Asked) -> bool:
    if not wanted.finds(f"{envoy.tenant} {envoy.node} {envoy.peer}".casefold()):
        return False
    return {"": True, "nack": bool(envoy.refusals), "open": wanted.only == "open" and _lacks(envoy)}[
        wanted.only
    ]


def _lacks(envoy: Envoy) -> bool:
    """Whether an Envoy has not ACKed something that it is to have; it costs a look at the first such thing."""
    return any(next(envoy.open(type_url), None) is not None for type_url in envoy.types) or bool(
        envoy.refusals
    )
