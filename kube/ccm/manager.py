"""The cloud controller manager of one tenant: informers of both clusters, a queue, and whoever leads works it off.

    Services, Nodes ──┐                                                   ┌─▶ LoadBalancers, Addresses
                      ├─▶ store ─▶ what is touched ─▶ is there anything? ─┤
    LoadBalancers ────┘            (by uid)            (nothing: no write)└─▶ statuses and Events of Services

Level triggered: an event says which key to look at, never what to do. A key is worked on once at a time, and again after a
pause that grows where it fails. From time to time everything is looked at, which costs nothing where all is well.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from typing import Final, NamedTuple, cast

import structlog

from kube.ccm.cache import Cache
from kube.ccm.names import MANAGER, Tenant
from kube.ccm.nodes import NO_READY_NODES, Node, NodeAddressType, addresses_of, no_nodes, read_node
from kube.ccm.reconciler import COPIES, Reconciler
from kube.ccm.view import HOME, Key, View, read_home
from kube.ccm.wanted import is_of_use, is_ours, is_taken
from kube.client import ApiError, KubeApi, Unreachable
from kube.coordination.claim import LeaseTiming
from kube.coordination.events import Events
from kube.coordination.lease import Election
from kube.coordination.writer import Writer, WriterStats
from kube.informer.reflector import Resource
from kube.informer.removals import Removals
from kube.informer.status import InformerStatus
from kube.informer.store import Change, Store, Stored
from kube.informer.timing import Timing
from kube.objects import Addresses, LoadBalancer
from kube.objects.service import Service, read_service

SERVICES: Final = Resource(Service.KIND, "/api/v1", "services", read_service)
NODES: Final = Resource(Node.KIND, "/api/v1", "nodes", read_node)
NAMESPACES: Final = Resource("Namespace", "/api/v1", "namespaces", read_home)

RESYNC: Final = 60.0
"""Seconds after which everything is looked at again: what was given up may succeed by then."""

RATE, BURST = 100.0, 200
"""Services worked on a second in the long run, and at once after a rest: an API server takes ten times as many writes."""

PAUSES: Final = Timing(first_wait=0.2, longest_wait=10.0)
"""Before a key is worked on again that failed."""

FAREWELL: Final = 3.0
"""Seconds that giving up the lease may take at the end."""

REMINDER: Final = 15.0
"""Seconds after which the log says again what is waited for at the start."""

NOT_RELEASED: Final = "LoadBalancerNotReleased"
"""Reason of the Event on a Service that waits for its LoadBalancer to go."""

_BREATH: Final = 50
"""Keys after which others get the event loop."""

log: structlog.typing.FilteringBoundLogger = structlog.get_logger("kube.ccm")


class Stats(NamedTuple):
    """What can be told of it now: whether this replica leads, Services that are taken, LoadBalancers without one, Ready addresses."""

    leading: bool
    services: int
    orphans: int
    addresses: int
    queue: WriterStats


class Manager:
    """One replica. `identity` names it and no other; the lease is in `own_namespace` of the tenant's cluster."""

    def __init__(
        self,
        tenant_api: KubeApi,
        management_api: KubeApi,
        *,
        tenant: Tenant,
        identity: str,
        own_namespace: str,
        by_class: bool = False,
        node_address_type: NodeAddressType = "ExternalIP",
        resync: float = RESYNC,
        timing: Timing | None = None,
        lease: LeaseTiming | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tenant = tenant
        self._by_class = by_class
        self._node_address_type = node_address_type
        self._resync = resync
        self._management_api = management_api
        self._tenant_api = tenant_api
        self.store = Store(references=lambda _: ())
        self.view = View(self.store, tenant)
        timing = timing or Timing()
        here, there = Removals(clock), Removals(clock)

        def cache(api: KubeApi, resource: Resource, removals: Removals, **how: object) -> Cache:
            return Cache(api, resource, self.store, removals, timing=timing, clock=clock, **how)  # type: ignore[arg-type]

        services = cache(tenant_api, SERVICES, here, use=self._is_of_use)
        nodes = cache(tenant_api, NODES, here)
        home = cache(tenant_api, NAMESPACES, here, query={"fieldSelector": f"metadata.name={HOME}"})
        namespace = tenant.namespace
        loadbalancers = cache(management_api, COPIES[LoadBalancer.KIND], there, namespace=namespace)
        addresses = cache(management_api, COPIES[Addresses.KIND], there, namespace=namespace)
        self._caches = (services, nodes, home, loadbalancers, addresses)
        self.election = Election(
            tenant_api, namespace=own_namespace, name=MANAGER, identity=identity, timing=lease
        )
        self.events = Events(
            tenant_api,
            identity=identity,
            leading=lambda: self.election.leading,
            clock=clock,
            wall=lambda: datetime.now(UTC),
            api_version="v1",
            component=MANAGER,
        )
        self.writer = Writer(self.election, rate=RATE, burst=BURST, pauses=PAUSES)
        self._reconciler = Reconciler(
            tenant_api,
            management_api,
            self.view,
            tenant=tenant,
            by_class=by_class,
            node_address_type=node_address_type,
            services=services,
            loadbalancers=loadbalancers,
            addresses=addresses,
            told=self.events,
            interrupted=lambda: loadbalancers.status.error,
        )
        # What something was heard about, in order.
        self._due: dict[Key, None] = {}
        self._wake = asyncio.Event()
        # Whether no node is left; None while that was not looked at since this replica leads.
        self._without_nodes: bool | None = None
        self._waiting: set[Key] = set()
        self.store.subscribe(self._changed)
        self.election.subscribe(self._led)

    @property
    def informers(self) -> tuple[InformerStatus, ...]:
        """What can be told of each informer now."""
        return tuple(cache.status for cache in self._caches)

    @property
    def settled(self) -> bool:
        """Whether this replica leads, knows everything, and has nothing to do that is not refused."""
        idle = not self._due and not self.writer.stats.waiting
        return self.store.synced and self.election.leading and idle

    @property
    def stats(self) -> Stats:
        """What can be told of it now."""
        taken = [service for service in self.view.services if is_taken(service, by_class=self._by_class)]
        orphans = [
            copy
            for copy in self.view.copies
            if is_ours(copy, self._tenant) and self.view.service(copy.metadata.name) is None
        ]
        found = addresses_of(self.view.nodes, self._node_address_type)
        return Stats(self.election.leading, len(taken), len(orphans), len(found), self.writer.stats)

    async def run(self) -> None:
        """Take part until cancelled. Nothing that either API server does ends this."""
        async with asyncio.TaskGroup() as tasks:
            for cache in self._caches:
                tasks.create_task(cache.run(), name=cache.status.name)
            for run in (
                self.election.run,
                self.writer.run,
                self.events.run,
                self._look_again,
                self._remind,
                self._work,
            ):
                tasks.create_task(run())

    async def close(self) -> None:
        """Give up the lease, so that another replica leads at once. `run` has ended."""
        with contextlib.suppress(TimeoutError, ApiError, Unreachable):
            async with asyncio.timeout(FAREWELL):
                await self.election.release()

    async def _work(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._due and self.store.synced and self.election.leading:
                for key in tuple(islice(self._due, _BREATH)):
                    del self._due[key]
                    self._consider(key)
                await asyncio.sleep(0)

    def _consider(self, key: Key) -> None:
        if key == Key.NODES:
            self._look_at_nodes()
        self._reconciler.forget(key)
        if not self._reconciler.is_idle(key):
            self.writer.put(key, partial(self._reconciler.reconcile, key))

    async def _look_again(self) -> None:
        while True:
            await asyncio.sleep(self._resync)
            self._hear_of_all()
            self._look_at_waiting()

    async def _remind(self) -> None:
        """Say what is missing as long as something is."""
        await asyncio.sleep(REMINDER)
        while self.store.unsynced:
            missing = {
                status.name: status.error or "not listed yet"
                for status in self.informers
                if not status.synced
            }
            log.warning("waiting for the API servers: nothing is written yet", missing=missing)
            await asyncio.sleep(REMINDER)

    # What happens

    def _changed(self, changes: tuple[Change, ...]) -> None:
        for key in self.view.touched(changes):
            self._due[key] = None
        if self._without_nodes:
            for _, old, new in changes:
                if old is None and isinstance(new, Service):
                    self._warn_of_nodes(new)
        self._wake.set()

    def _led(self, leading: bool) -> None:  # noqa: FBT001 — a listener of Election's
        if leading:
            self._without_nodes = None
            self._hear_of_all()

    def _hear_of_all(self) -> None:
        for key in self.view.everything():
            self._due[key] = None
        self._wake.set()

    def _is_of_use(self, service: Stored) -> bool:
        return is_of_use(cast("Service", service), by_class=self._by_class)

    def _look_at_nodes(self) -> None:
        """Warn when no node is left, once: at first it is not known whether the leader before has."""
        without = not addresses_of(self.view.nodes, self._node_address_type)
        if without and not self._without_nodes:
            log.warning("no node is left", message=self._no_nodes())
            for service in self.view.services:
                self._warn_of_nodes(service, unless_there=self._without_nodes is None)
        elif self._without_nodes and not without:
            log.info("nodes are Ready again")
        self._without_nodes = without

    def _warn_of_nodes(self, service: Service, *, unless_there: bool = False) -> None:
        if is_taken(service, by_class=self._by_class):
            uid, message = service.metadata.uid, self._no_nodes()
            self.events.warn(service.ref, uid, NO_READY_NODES, message, unless_there=unless_there)

    def _no_nodes(self) -> str:
        known = self.view.addresses is not None
        return no_nodes(self.view.nodes, self._node_address_type, known=known)

    def _look_at_waiting(self) -> None:
        """Tell of each Service whose LoadBalancer has been going since the last look."""
        waiting = set()
        for service in self.view.services:
            copy = self.view.copy(service.metadata.uid)
            if copy is None or not copy.ending or is_taken(service, by_class=self._by_class):
                continue
            key = Key(service.metadata.uid)
            waiting.add(key)
            if key in self._waiting:
                held = ", ".join(copy.metadata.finalizers)
                message = (
                    f"LoadBalancer {copy.metadata.namespace}/{copy.metadata.name} is being deleted in the management cluster, "
                    f"and kept by {held}: does its control plane run?"
                )
                log.warning("a Service waits for its LoadBalancer to go", object=str(service.ref), held=held)
                self.events.warn(service.ref, service.metadata.uid, NOT_RELEASED, message)
        self._waiting = waiting
