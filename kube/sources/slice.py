"""One namespace's LoadBalancers, Addresses and Secrets, or those of all namespaces, from three informers into the store.

Nothing of it reaches the store before all three have listed, and then all of it at once. From then on a change is passed
on as it comes, but for a LoadBalancer that names a Secret for the first time: it waits until that Secret is known, whether
it exists or not, and its version before stays meanwhile.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple, cast

import structlog

from kube.client import ApiError, KubeApi, Unreachable
from kube.informer import wire
from kube.informer.informer import Consumer, Informer
from kube.informer.reflector import Resource
from kube.informer.removals import Removals
from kube.informer.store import Store, Stored
from kube.informer.timing import Backoff, Timing
from kube.objects import Addresses, InvalidObject, LoadBalancer, ObjectRef, Secret
from kube.objects.decode import read
from kube.sources.secrets import SecretsInUse, secrets_of

_GROUP: Final = "/apis/kubelb.k8c.io/v1alpha1"
LOADBALANCERS: Final = Resource(
    LoadBalancer.KIND, _GROUP, "loadbalancers", lambda raw: read(LoadBalancer.KIND, raw)
)
ADDRESSES: Final = Resource(Addresses.KIND, _GROUP, "addresses", lambda raw: read(Addresses.KIND, raw))
SECRETS: Final = Resource(Secret.KIND, "/api/v1", "secrets", lambda raw: read(Secret.KIND, raw))

log: structlog.typing.FilteringBoundLogger = structlog.get_logger("kube.sources")


class _Held(NamedTuple):
    """A LoadBalancer that waits for Secrets, and what is wrong with a later version of it, which changes nothing."""

    loadbalancer: LoadBalancer
    error: InvalidObject | None


class Slice:
    """What is followed in one namespace, or in all where ``namespace`` is empty."""

    def __init__(
        self,
        api: KubeApi,
        store: Store,
        removals: Removals,
        *,
        namespace: str = "",
        timing: Timing,
        clock: Callable[[], float],
    ) -> None:
        self._api = api
        self._store = store
        self._timing = timing
        self._clock = clock
        self._in_use = SecretsInUse()
        # What is known before all have listed: None from then on.
        self._loading: dict[ObjectRef, Stored | InvalidObject] | None = {}
        # LoadBalancers that wait for Secrets, and the Secrets that are fetched.
        self._held: dict[ObjectRef, _Held] = {}
        self._fetches: dict[ObjectRef, asyncio.Task[None]] = {}
        self._tasks = asyncio.TaskGroup()
        self._secrets_begun = False
        self._cleared = False
        self._loadbalancers_listed = asyncio.Event()

        def informer(resource: Resource, consumer: Consumer) -> Informer:
            return Informer(
                api, resource, consumer, removals, namespace=namespace, timing=timing, clock=clock
            )

        self._loadbalancers = informer(LOADBALANCERS, _LoadBalancers(self))
        self._addresses = informer(ADDRESSES, _Kind(self))
        self._secrets = informer(SECRETS, _Secrets(self))
        # Before the LoadBalancers are known, each Secret would be passed by, and then fetched by itself.
        self._secrets.waits_for = self._loadbalancers.name

    @property
    def informers(self) -> tuple[Informer, ...]:
        """Its informers, in the order in which they begin."""
        return self._loadbalancers, self._addresses, self._secrets

    async def run(self) -> None:
        """Follow everything until cancelled."""
        async with self._tasks as tasks:
            tasks.create_task(self._loadbalancers.run(), name=self._loadbalancers.name)
            tasks.create_task(self._addresses.run(), name=self._addresses.name)
            await self._loadbalancers_listed.wait()
            self._secrets.waits_for = ""
            tasks.create_task(self._secrets.run(), name=self._secrets.name)

    def clear(self) -> None:
        """Remove everything from the store that this brought, and bring nothing more: it is followed no longer."""
        self._cleared = True
        gone = [ref for informer in self.informers for ref in informer.known]
        self._store.apply(now=self._clock(), removals=gone)

    # What the informers tell

    def take(
        self,
        *,
        upserts: Iterable[Stored] = (),
        removals: Iterable[ObjectRef] = (),
        invalid: Iterable[InvalidObject] = (),
    ) -> None:
        """Pass on what became known together."""
        if self._cleared:
            return
        if self._loading is None:
            self._store.apply(now=self._clock(), upserts=upserts, removals=removals, invalid=invalid)
            return
        for found in (*upserts, *invalid):
            self._loading[found.ref] = found
        for ref in removals:
            self._loading.pop(ref, None)

    def take_loadbalancers(
        self,
        upserts: Iterable[LoadBalancer],
        removals: Iterable[ObjectRef],
        invalid: Iterable[InvalidObject],
    ) -> None:
        """Pass on LoadBalancers, as far as all Secrets that they name are known."""
        removals = tuple(removals)
        ready: list[LoadBalancer] = []
        unwanted: list[ObjectRef] = []
        for ref in removals:
            self._held.pop(ref, None)
            unwanted += self._in_use.names(ref, frozenset())
        for loadbalancer in upserts:
            self._want(loadbalancer)
            if self._is_waiting(loadbalancer):
                self._held[loadbalancer.ref] = _Held(loadbalancer, None)
            else:
                self._held.pop(loadbalancer.ref, None)
                unwanted += self._in_use.names(loadbalancer.ref, secrets_of(loadbalancer))
                ready.append(loadbalancer)
        refused: list[InvalidObject] = []
        for error in invalid:
            held = self._held.get(error.ref)
            if held is None:
                refused.append(error)
            else:
                self._held[error.ref] = held._replace(error=error)
        self.take(upserts=ready, removals=removals, invalid=refused)
        self._drop(unwanted)

    def take_secrets(
        self, upserts: Iterable[Stored], removals: Iterable[ObjectRef], invalid: Iterable[InvalidObject]
    ) -> None:
        """Pass on Secrets, and the LoadBalancers that waited for them."""
        upserts, removals, invalid = tuple(upserts), tuple(removals), tuple(invalid)
        released: list[LoadBalancer] = []
        refused: list[InvalidObject] = []
        unwanted: list[ObjectRef] = []
        for ref in (*(found.ref for found in (*upserts, *invalid)), *removals):
            fetch = self._fetches.pop(ref, None)
            if fetch is None:
                continue
            fetch.cancel()  # it is done, or the watch was faster
            for user in self._in_use.users(ref):
                held = self._held.get(user)
                if held is None or self._is_waiting(held.loadbalancer):
                    continue
                del self._held[user]
                unwanted += self._in_use.names(user, secrets_of(held.loadbalancer))
                released.append(held.loadbalancer)
                if held.error is not None:
                    refused.append(held.error)
        self.take(upserts=(*upserts, *released), removals=removals, invalid=(*invalid, *refused))
        self._drop(unwanted)

    def wants_secret(self, ref: ObjectRef, version: str) -> bool:
        """Return whether a version of a Secret is of use."""
        return ref in self._in_use and self._in_use.is_news(ref, version)

    def may_lack_secret(self, ref: ObjectRef, version: str) -> bool:
        """Return whether a list of this version knows less of a Secret than its fetch told."""
        return self._in_use.is_fetched_at(ref, version)

    def listing_secrets(self) -> None:
        """Hear that Secrets are listed: those that are named now are among them."""
        self._secrets_begun = True
        self._in_use.forget_versions()

    def fetch_again(self, ref: ObjectRef) -> None:
        """Begin a fetch anew, if there is one: its answer may be older than what was heard of the Secret meanwhile."""
        fetch = self._fetches.get(ref)
        if fetch is not None:
            fetch.cancel()
            self._begin_fetch(ref)

    def secrets_listed(self) -> None:
        """Hear that the list of Secrets was complete: what it lacks and a fetch was sent for earlier may be gone since."""
        for ref in tuple(self._fetches):
            self.fetch_again(ref)
        self.listed()

    def listed(self) -> None:
        """Hear that an informer's list was complete."""
        if self._loadbalancers.has_synced:
            self._loadbalancers_listed.set()
        self._settle()

    # How Secrets become known

    def _want(self, loadbalancer: LoadBalancer) -> None:
        """Fetch the Secrets that it names anew and that are not known to be there.

        One that others name already, and lack, may be there by now without the watch having said so. What the version before
        names stays of use meanwhile.
        """
        for ref in self._in_use.names_too(loadbalancer.ref, secrets_of(loadbalancer)):
            if self._secrets_begun and ref not in self._fetches and not self._secrets.knows(ref):
                self._begin_fetch(ref)

    def _begin_fetch(self, ref: ObjectRef) -> None:
        self._fetches[ref] = self._tasks.create_task(self._fetch(ref), name=f"fetch {ref}")

    def _is_waiting(self, loadbalancer: LoadBalancer) -> bool:
        return any(ref in self._fetches for ref in secrets_of(loadbalancer))

    def _drop(self, unwanted: Iterable[ObjectRef]) -> None:
        """Keep nothing of Secrets that nobody names any more."""
        for ref in unwanted:
            if ref in self._in_use:
                continue  # another LoadBalancer of the same list names it
            fetch = self._fetches.pop(ref, None)
            if fetch is not None:
                fetch.cancel()
            self._secrets.forget(ref)
            self.take(removals=(ref,))
        self._settle()

    async def _fetch(self, ref: ObjectRef) -> None:
        """Learn of a Secret that the watch has passed by, however long it takes; only the right to list is needed."""
        backoff = Backoff(self._timing)
        complained = ""
        page: wire.Page | None = None
        while page is None:
            try:
                path, query = SECRETS.path(ref.namespace), {"fieldSelector": f"metadata.name={ref.name}"}
                page = wire.page(await self._api.get(path, query))
            except (ApiError, Unreachable, wire.Unintelligible) as error:
                if str(error) != complained:
                    complained = str(error)
                    log.warning(
                        "Secret not fetched: LoadBalancers that name it anew stay as they are",
                        object=str(ref),
                        loadbalancers=[str(user) for user in self._in_use.users(ref)],
                        error=complained,
                    )
                await asyncio.sleep(backoff.pause(0.0, retry_after=getattr(error, "retry_after", None)))
        self._in_use.fetched(ref, page.metadata.resource_version)
        if not page.items:
            self.take_secrets((), (ref,), ())
            return
        self._secrets.adopt(ref)
        found = SECRETS.decode(ref, page.items[0])
        if isinstance(found, InvalidObject):
            self.take_secrets((), (), (found,))
        else:
            self.take_secrets((found,), (), ())

    # The first time

    def _settle(self) -> None:
        """Pass everything on at once, as soon as all have listed and nothing is being fetched."""
        if self._loading is None:
            return
        listed = [informer for informer in self.informers if informer.has_synced]
        if len(listed) < len(self.informers) or self._fetches:
            for informer in listed[: len(self.informers) - 1]:
                self._store.mark_synced(informer.name)
            return
        loaded, self._loading = self._loading, None
        self.take(
            upserts=[found for found in loaded.values() if not isinstance(found, InvalidObject)],
            invalid=[found for found in loaded.values() if isinstance(found, InvalidObject)],
        )
        for informer in self.informers:
            self._store.mark_synced(informer.name)


class _Kind(Consumer):
    """One kind of a slice, as its informer sees it: everything is wanted, and passed on as it is."""

    def __init__(self, owner: Slice) -> None:
        self._slice = owner

    def listed(self) -> None:
        self._slice.listed()

    def take(
        self,
        *,
        upserts: Iterable[Stored] = (),
        removals: Iterable[ObjectRef] = (),
        invalid: Iterable[InvalidObject] = (),
    ) -> None:
        self._slice.take(upserts=upserts, removals=removals, invalid=invalid)


class _LoadBalancers(_Kind):
    """LoadBalancers wait for the Secrets that they name."""

    def take(
        self,
        *,
        upserts: Iterable[Stored] = (),
        removals: Iterable[ObjectRef] = (),
        invalid: Iterable[InvalidObject] = (),
    ) -> None:
        loadbalancers = cast("Iterable[LoadBalancer]", upserts)
        self._slice.take_loadbalancers(loadbalancers, removals, invalid)


class _Secrets(_Kind):
    """Secrets are wanted where they are named."""

    def wants(self, ref: ObjectRef, version: str) -> bool:
        return self._slice.wants_secret(ref, version)

    def may_lack(self, ref: ObjectRef, version: str) -> bool:
        return self._slice.may_lack_secret(ref, version)

    def passed_by(self, ref: ObjectRef) -> None:
        self._slice.fetch_again(ref)

    def listed(self) -> None:
        self._slice.secrets_listed()

    def listing(self) -> None:
        self._slice.listing_secrets()

    def take(
        self,
        *,
        upserts: Iterable[Stored] = (),
        removals: Iterable[ObjectRef] = (),
        invalid: Iterable[InvalidObject] = (),
    ) -> None:
        self._slice.take_secrets(upserts, removals, invalid)
