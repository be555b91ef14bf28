"""How this replica's Envoys stand to each LoadBalancer, from what the streams know: it feeds the condition Programmed.

A look costs the LoadBalancers that are not known to be ACKed, times the Envoys of the tenant; all of a tenant's where an Envoy
comes or goes. Looks coalesce.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final

from kube.controllers.programmed import Programmed
from kube.objects import ObjectRef
from xds.protocol import Delivery, Envoy, Standing
from xds.snapshot import Resource, SnapshotCache
from xds.snapshot.types import CLUSTER, ENDPOINT, LISTENER
from xds.translate import Translation

PAUSE: Final = 0.05
"""Seconds between two looks at a tenant."""

_TYPES: Final = (CLUSTER, ENDPOINT, LISTENER)


class LocalStanding:
    """Tells `Programmed` what this replica serves and what its Envoys made of it. Belongs to one running event loop.

    ``changed`` hears of each tenant whose standing is another one.
    """

    def __init__(
        self,
        cache: SnapshotCache,
        delivery: Delivery,
        programmed: Programmed,
        translations: Mapping[ObjectRef, Translation],
        *,
        changed: Callable[[str], None],
    ) -> None:
        self._cache = cache
        self._delivery = delivery
        self._programmed = programmed
        self._translations = translations
        self._changed = changed
        self._loop = asyncio.get_running_loop()
        self._names: dict[str, set[str]] = {}
        self._open: dict[str, set[str]] = {}
        self._envoys: dict[str, tuple[Envoy, ...]] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._unwatch: dict[str, Callable[[], None]] = {}

    def __repr__(self) -> str:
        kept = {*self._names, *self._open, *self._envoys, *self._timers, *self._unwatch}
        return f"<LocalStanding {len(kept)} tenants>"

    def flushed(self, generations: Mapping[str, Mapping[str, int | None]]) -> None:
        """Take what changed: by tenant and LoadBalancer the generation, None for one that is gone."""
        now = self._loop.time()
        for tenant, changed in generations.items():
            if tenant not in self._unwatch:
                self._unwatch[tenant] = self._delivery.watch(tenant, partial(self._heard, tenant))
            names, still = self._names.setdefault(tenant, set()), self._open.setdefault(tenant, set())
            gone = {name for name, generation in changed.items() if generation is None}
            names |= changed.keys() - gone
            still |= changed.keys() - gone
            names -= gone
            still -= gone
            empty = [name for name in changed if not self._resources(tenant, name)]
            self._programmed.content(tenant, self._version(tenant), changed, now, empty=empty)
            self._changed(tenant)
            self._soon(tenant)

    def close(self) -> None:
        """Look no more."""
        for timer in self._timers.values():
            timer.cancel()
        for unwatch in self._unwatch.values():
            unwatch()

    def _version(self, tenant: str) -> str:
        snapshot = self._cache.get(tenant)
        sets = [snapshot.get(type_url) for type_url in _TYPES] if snapshot else []
        return "-".join(found.version for found in sets if found is not None)

    def _resources(self, tenant: str, name: str) -> Sequence[Resource]:
        translation = self._translations.get(ObjectRef("LoadBalancer", tenant, name))
        return translation.resources if translation else ()

    def _heard(self, tenant: str, _: int) -> None:
        self._soon(tenant)

    def _soon(self, tenant: str) -> None:
        if tenant not in self._timers:
            self._timers[tenant] = self._loop.call_later(PAUSE, self._look, tenant)

    def _look(self, tenant: str) -> None:
        del self._timers[tenant]
        envoys = self._delivery.envoys(tenant)
        names = self._open.get(tenant, set())
        if envoys != self._envoys.get(tenant):
            self._envoys[tenant] = envoys
            names = self._names.get(tenant, set())
        texts = {
            (refusal.type_url, refusal.name): refusal.text for envoy in envoys for refusal in envoy.refusals
        }
        acked, behind, refused = [], [], {}
        for name in names:
            text = self._refusal(tenant, name, envoys, texts)
            if text is None:
                behind.append(name)
            elif text:
                refused[name] = text
            else:
                acked.append(name)
        self._open[tenant] = {*behind, *refused}
        now = self._loop.time()
        if self._programmed.local(
            tenant, envoys=len(envoys), acked=acked, behind=behind, refused=refused, now=now
        ):
            self._changed(tenant)
        if not envoys and not self._names.get(tenant):
            self._forget(tenant)

    def _forget(self, tenant: str) -> None:
        """Keep nothing of a tenant that has neither LoadBalancers nor Envoys; one that gets LoadBalancers is watched anew."""
        self._unwatch.pop(tenant)()
        for kept in (self._names, self._open, self._envoys):
            kept.pop(tenant, None)

    def _refusal(
        self,
        tenant: str,
        name: str,
        envoys: tuple[Envoy, ...],
        texts: Mapping[tuple[str, str], str],
    ) -> str | None:
        """Return a NACK's text, "" where all have ACKed, None where one has yet to answer, or nothing can be served."""
        resources = self._resources(tenant, name)
        if not resources:
            return None
        waits = any(envoy.wants_listeners for envoy in envoys)
        for resource in resources:
            key = (resource.type_url, resource.name)
            for envoy in envoys:
                standing = envoy.standing(*key)
                if standing is Standing.REFUSED:
                    return texts.get(key) or "refused"
                waits = waits or standing not in {Standing.ACKED, Standing.UNASKED}
        return None if waits else ""
