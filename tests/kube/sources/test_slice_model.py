"""Whatever happens in whatever order, the store ends with the cluster's LoadBalancers and the Secrets that they name.

Hypothesis plays the API server: its objects change, lists and watch events of each kind arrive late, each kind in its own
order, and Secrets that were passed by are fetched whenever it pleases. No network and no clock are involved.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from kube.informer.reflector import Listing
from kube.informer.removals import Removals
from kube.informer.store import Store, Stored
from kube.informer.timing import Timing
from kube.objects import LoadBalancer, ObjectRef, Secret
from kube.sources.slice import Slice
from tests.support import objects
from tests.support.examples import examples

TENANT = "tenant-a"
NAMES = st.sampled_from(["a", "b", "c"])


class Version(NamedTuple):
    """An object at one version of the cluster, None where it was deleted then."""

    ref: ObjectRef
    number: int
    found: Stored | None


class Started(NamedTuple):
    """A list that has begun: what the cluster had then, and how much of it the informer has seen."""

    began: float
    number: int
    found: list[Version]


class FakeApi:
    """Answers nothing by itself: lists of the reflectors hang, and fetches wait for the test."""

    server = "https://cluster"

    def __init__(self) -> None:
        self.fetches: dict[str, asyncio.Future[bytes]] = {}

    async def get(self, path: str, params: Mapping[str, str]) -> bytes:
        """Return what the test answers."""
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        selector = params.get("fieldSelector")
        if selector is not None:
            assert path == f"/api/v1/namespaces/{TENANT}/secrets"
            self.fetches[selector.removeprefix("metadata.name=")] = answer
        return await answer


class Cluster(RuleBasedStateMachine):
    """The cluster, what of it is under way, and the slice under test."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.time = 0.0
        self.number = 100
        self.objects: dict[ObjectRef, Version] = {}
        self.born: dict[ObjectRef, int] = {}
        self.events: dict[str, list[Version]] = {LoadBalancer.KIND: [], Secret.KIND: []}
        self.lists: dict[str, Started | None] = {LoadBalancer.KIND: None, Secret.KIND: None}
        # Every version that ever was, and which LoadBalancers in the store lacked which Secrets when that was looked at last.
        self.ever: list[Version] = []
        self.lacking: set[tuple[ObjectRef, ObjectRef]] = set()
        self.api = FakeApi()
        self.store = Store(
            references=lambda it: it.references if isinstance(it, LoadBalancer) else (), linger=0
        )
        self.loop.run_until_complete(self._build())

    async def _build(self) -> None:
        api: Any = self.api
        self.slice = Slice(api, self.store, Removals(), timing=Timing(), clock=self._clock)
        self.informers = dict(zip(("LoadBalancer", "Addresses", "Secret"), self.slice.informers, strict=True))
        for informer in self.slice.informers:
            self.store.expect(informer.name)
        self.running = asyncio.create_task(self.slice.run())

    def _clock(self) -> float:
        self.time += 1
        return self.time

    def _put(self, found: LoadBalancer | Secret) -> None:
        self.number += 1
        if found.ref not in self.objects:
            self.born[found.ref] = self.number
        metadata = msgspec.structs.replace(found.metadata, resource_version=str(self.number))
        version = Version(found.ref, self.number, msgspec.structs.replace(found, metadata=metadata))
        self.objects[found.ref] = version
        self.ever.append(version)
        self.events[found.ref.kind].append(version)

    # The cluster's life

    @initialize(secrets=st.sets(NAMES), kinds=st.sampled_from(["", "LoadBalancer", "LoadBalancer Secret"]))
    def begin(self, secrets: set[str], kinds: str) -> None:
        """Start with some Secrets, no Addresses, and some informers that have listed."""
        for name in sorted(secrets):
            self.put_secret(name, "one")
        for kind in ("Addresses", *kinds.split()):
            self._begin(kind)
            self._finish(kind)

    @rule(name=NAMES, ca=st.none() | NAMES, port=st.integers(20_000, 20_002))
    def put_loadbalancer(self, name: str, ca: str | None, port: int) -> None:
        """Create or change a LoadBalancer, as a tenant."""
        policy = None if ca is None else "Verify"
        self._put(objects.loadbalancer(name, port=port, policy=policy, ca=ca))

    @rule(name=NAMES, content=st.sampled_from(["one", "two"]))
    def put_secret(self, name: str, content: str) -> None:
        """Create or change a Secret, as a tenant."""
        self._put(objects.secret(name, content))

    @rule(kind=st.sampled_from([LoadBalancer.KIND, Secret.KIND]), name=NAMES)
    def delete(self, kind: str, name: str) -> None:
        """Delete something, as a tenant."""
        ref = ObjectRef(kind, TENANT, name)
        if self.objects.pop(ref, None):
            self.number += 1
            del self.born[ref]
            gone = Version(ref, self.number, None)
            self.ever.append(gone)
            self.events[kind].append(gone)

    # What the control plane hears of it

    @precondition(lambda self: self._audible())
    @rule(data=st.data(), count=st.integers(1, 3))
    def hear(self, data: st.DataObject, count: int) -> None:
        """Deliver some events of a watch, once its informer has listed."""
        self._hear(data.draw(st.sampled_from(self._audible())), count)

    def _audible(self) -> list[str]:
        return [
            kind
            for kind, events in self.events.items()
            if events and self.informers[kind].has_synced and self.lists[kind] is None
        ]

    def _hear(self, kind: str, count: int) -> None:
        informer = self.informers[kind]
        for _ in range(min(count, len(self.events[kind]))):
            version = self.events[kind].pop(0)
            if version.found is None:
                informer.deleted(version.ref, str(version.number))
            elif informer.wants(version.ref, str(version.number)):
                informer.changed(version.found)
        self._settle()

    @precondition(lambda self: self._listable())
    @rule(data=st.data())
    def begin_list(self, data: st.DataObject) -> None:
        """Begin a list, the first one or because a watch broke."""
        self._begin(data.draw(st.sampled_from(self._listable())))

    def _listable(self) -> list[str]:
        kinds = (LoadBalancer.KIND, Secret.KIND)[: 1 + self.informers[LoadBalancer.KIND].has_synced]
        return [kind for kind in kinds if self.lists[kind] is None]

    @precondition(lambda self: any(self.lists.values()))
    @rule(data=st.data())
    def finish_list(self, data: st.DataObject) -> None:
        """Complete a list."""
        self._finish(data.draw(st.sampled_from([kind for kind, started in self.lists.items() if started])))

    @precondition(lambda self: self.api.fetches)
    @rule(data=st.data())
    def answer_fetch(self, data: st.DataObject) -> None:
        """Answer a fetch with what there is now."""
        self._answer(data.draw(st.sampled_from(sorted(self.api.fetches))))

    def _begin(self, kind: str) -> None:
        began = self._clock()
        self.informers[kind].listing(began)
        found = [version for ref, version in self.objects.items() if ref.kind == kind]
        self.lists[kind] = Started(began, self.number, found)
        self.events[kind] = []

    def _finish(self, kind: str) -> None:
        informer, started = self.informers[kind], self.lists[kind]
        assert started is not None
        self.lists[kind] = None
        wanted = {
            version.ref: version.found
            for version in started.found
            if version.found is not None and informer.wants(version.ref, str(version.number))
        }
        reflector = informer._reflector
        reflector._list_began = started.began
        reflector.tally.lists += 1
        informer.listed(Listing(started.began, str(started.number), wanted, {}))
        self._settle()

    def _answer(self, name: str) -> None:
        version = self.objects.get(ObjectRef(Secret.KIND, TENANT, name))
        items = []
        if version is not None:
            assert isinstance(version.found, Secret)
            content = (version.found.ca_crt or b"").decode()
            metadata = {"name": name, "namespace": TENANT, "resourceVersion": str(version.number)}
            items.append({"metadata": metadata, "stringData": {"ca.crt": content}})
        body = {"metadata": {"resourceVersion": str(self.number)}, "items": items}
        answer = self.api.fetches.pop(name)
        if not answer.done():
            answer.set_result(msgspec.json.encode(body))
        self._settle()

    def _settle(self) -> None:
        for _ in range(5):
            self.loop.run_until_complete(asyncio.sleep(0))
        self.store.expire(self._clock())

    # What holds

    @invariant()
    def nobody_is_served_before_its_secret(self) -> None:
        """See that no LoadBalancer comes to lack a Secret that has been there for longer than it names it."""
        lacking = set()
        for found in self.store.of_kind(LoadBalancer.KIND):
            assert isinstance(found, LoadBalancer)
            for ref in found.references:
                if self.store.get(ref) is None:
                    lacking.add((found.ref, ref))
                    since = self._names_since(found, ref)
                    assert (found.ref, ref) in self.lacking or self.born.get(ref, since) >= since, (
                        found,
                        ref,
                    )
        self.lacking = lacking

    def _names_since(self, loadbalancer: LoadBalancer, secret: ObjectRef) -> int:
        """Return the version since which a LoadBalancer has named a Secret all the time."""
        since = int(loadbalancer.metadata.resource_version)
        for version in reversed(self.ever):
            if version.ref != loadbalancer.ref or version.number > since:
                continue
            if not isinstance(version.found, LoadBalancer) or secret not in version.found.references:
                break
            since = version.number
        return since

    @invariant()
    def only_secrets_in_use_are_kept(self) -> None:
        """See that no Secret is in the store that no LoadBalancer names, be it one that waits."""
        for found in self.store.of_kind(Secret.KIND):
            assert found.ref in self.slice._in_use

    def teardown(self) -> None:
        """Let everything that is under way arrive: then the store is what the cluster is."""
        try:
            self._end()
        finally:
            self.running.cancel()
            self.loop.run_until_complete(asyncio.wait([self.running]))
            self.loop.close()

    def _end(self) -> None:
        for kind in ("LoadBalancer", "Secret"):
            if not self.informers[kind].has_synced and self.lists[kind] is None:
                self._begin(kind)
            if self.lists[kind] is not None:
                self._finish(kind)
            self._hear(kind, 1000)
        while self.api.fetches:
            self._answer(next(iter(self.api.fetches)))
        self._is_the_cluster(but_for_what_lists_lack=True)
        # What a list lacked is gone when all have listed since.
        for kind in ("LoadBalancer", "Secret", "Addresses"):
            self._begin(kind)
        for kind in ("LoadBalancer", "Secret", "Addresses"):
            self._finish(kind)
        self._is_the_cluster(but_for_what_lists_lack=False)

    def _is_the_cluster(self, *, but_for_what_lists_lack: bool) -> None:
        loadbalancers = {
            ref: version.found for ref, version in self.objects.items() if ref.kind == "LoadBalancer"
        }
        named = {
            ref
            for found in loadbalancers.values()
            if isinstance(found, LoadBalancer)
            for ref in found.references
        }
        expected = loadbalancers | {ref: self.objects[ref].found for ref in named if ref in self.objects}
        stored = {
            found.ref: found for kind in ("LoadBalancer", "Secret") for found in self.store.of_kind(kind)
        }
        if but_for_what_lists_lack:
            assert expected.items() <= stored.items()
        else:
            assert stored == expected
        assert self.store.synced


TestSlice = Cluster.TestCase
TestSlice.settings = settings(max_examples=examples(300), stateful_step_count=40, deadline=None)
