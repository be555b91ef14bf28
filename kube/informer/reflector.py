"""Follows one resource of the API server: lists it, watches it, and begins again whenever that ends.

Whatever the server does is a pause and another attempt, never an end: errors, a version that is too old (410, as a status
and as an event), versions that went back (an etcd that was restored), answers that are none, silence. It does not know
what the objects mean, nor what becomes of them: that is the target's business.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple, Protocol

import structlog
from msgspec import Raw

from kube.client import ApiError, KubeApi, Unreachable
from kube.informer import wire
from kube.informer.status import Tally, informer_name
from kube.informer.store import Stored
from kube.informer.timing import Backoff, Timing
from kube.objects import Fault, InvalidObject, ObjectRef

_BREATH: Final = 100
"""Events after which others get the event loop, when they come faster than they are taken."""

_GONE: Final = 410
_TOO_MANY: Final = 429

log: structlog.typing.FilteringBoundLogger = structlog.get_logger("kube.informer")


class Resource(NamedTuple):
    """A resource of the API: ``group`` is its path without the namespace, ``read`` decodes one object or raises InvalidObject."""

    kind: str
    group: str
    plural: str
    read: Callable[[Raw], Stored]

    def path(self, namespace: str = "") -> str:
        """Return the path of the list, of all namespaces or of one."""
        inside = f"/namespaces/{namespace}" if namespace else ""
        return f"{self.group}{inside}/{self.plural}"

    def decode(self, ref: ObjectRef, document: Raw) -> Stored | InvalidObject:
        """Return an object, or what is wrong with it: whatever that is, it takes nothing else with it."""
        try:
            return self.read(document)
        except InvalidObject as error:
            # By the name that the API server has for it, whatever else is wrong.
            return InvalidObject(ref, error.faults, error.head)
        except wire.UNREADABLE as error:
            return InvalidObject(ref, (Fault("", "", f"must be JSON that can be read: {error}"),))
        except Exception:
            log.exception("object not decoded: this is a fault of the program", object=str(ref))
            return InvalidObject(
                ref, (Fault("", "", "must be decoded, which a fault of the program prevents"),)
            )


class Listing(NamedTuple):
    """A complete list: when it began (seconds of the clock), its version, and what the target wanted of it."""

    began: float
    version: str
    objects: dict[ObjectRef, Stored]
    invalid: dict[ObjectRef, InvalidObject]

    def has(self, ref: ObjectRef) -> bool:
        """Return whether an object was in the list, as it is or as one that is invalid."""
        return ref in self.objects or ref in self.invalid


class Target(Protocol):
    """Who is told."""

    def wants(self, ref: ObjectRef, version: str) -> bool:
        """Return whether an object is to be decoded; what is not wanted is passed over."""

    def listing(self, began: float) -> None:
        """Hear that a list begins: what is wanted from now on may be missed by it."""

    def listed(self, listing: Listing) -> None:
        """Take a complete list."""

    def changed(self, found: Stored | InvalidObject) -> None:
        """Take an object's new version."""

    def deleted(self, ref: ObjectRef, version: str) -> None:
        """Take note that an object was deleted."""


class _WentBack(Exception):  # noqa: N818 - it states what the server did
    """The server's version is lower than the one that was seen before."""


class Reflector:
    """One resource in one namespace, or in all; ``query`` are further parameters of each request, a selector for one."""

    def __init__(
        self,
        api: KubeApi,
        resource: Resource,
        target: Target,
        *,
        namespace: str = "",
        query: Mapping[str, str] | None = None,
        timing: Timing,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.tally = Tally()
        self.error = ""
        self.name = informer_name(resource.kind, namespace)
        self._api = api
        self._resource = resource
        self._target = target
        self._path = resource.path(namespace)
        self._query = dict(query or {})
        self._timing = timing
        self._clock = clock
        self._backoff = Backoff(timing)
        # The version to watch from, None where only a list can tell; when the last complete list began, and when the next
        # one has to have begun at the earliest.
        self._version: str | None = None
        self._list_began = float("-inf")
        self._list_since = float("-inf")
        # Pages, unless the last list could not be finished in them.
        self._paged = True
        self._watching: asyncio.Timeout | None = None
        # When the watch opened; None while there is none.
        self._opened: float | None = None

    @property
    def list_began(self) -> float:
        """When the last complete list began."""
        return self._list_began

    def list_again(self, since: float) -> None:
        """List once more, unless the last list that was completed began at this moment or later."""
        self._list_since = max(self._list_since, since)
        watching = self._watching
        if watching is not None and not watching.expired() and self._list_began < self._list_since:
            watching.reschedule(asyncio.get_running_loop().time())

    async def run(self) -> None:
        """Follow the resource until cancelled."""
        while True:
            retry_after = None
            self._opened = None
            try:
                await self._follow()
            except ApiError as error:
                retry_after = error.retry_after
                self._failed(error)
            except (Unreachable, wire.Unintelligible, _WentBack) as error:
                self._failed(error)
            except Exception:
                # A fault of ours, with one object perhaps: the others are followed all the same.
                log.exception("informer failed: this is a fault of the program", informer=self.name)
                self.tally.failures["internal"] += 1
                self.error = "a fault of the program: the log says more"
                self._version = None
            await asyncio.sleep(self._backoff.pause(self._lived(), retry_after=retry_after))

    async def _follow(self) -> None:
        """List where that is due, and watch until the watch ends."""
        if self._version is not None:
            await self._check_version(self._version)
        while self._version is None or self._list_began < self._list_since:
            await self._list()
        await self._watch()

    def _lived(self) -> float:
        """Return for how long the watch was open; that there was none is no life, however long the refusal took."""
        return 0.0 if self._opened is None else self._clock() - self._opened

    async def _check_version(self, version: str) -> None:
        """Find out whether the server still knows what was seen: a watch from a version of its future hears nothing.

        Versions of one resource can be compared as numbers (KEP-5504).
        """
        try:
            body = await self._api.get(self._path, {**self._query, "limit": "1"})
        except (ApiError, Unreachable) as error:
            # A server that was away may come back with another past, and with versions that are as high by then.
            if getattr(error, "status", 0) != _TOO_MANY:
                self._version = None
            raise
        now = wire.page(body).metadata.resource_version
        if version.isdecimal() and now.isdecimal() and int(now) < int(version):
            self._version = None
            raise _WentBack(f"versions went back from {version} to {now}: was etcd restored?")

    async def _list(self) -> None:
        began = self._clock()
        self._target.listing(began)
        found: dict[ObjectRef, tuple[str, Stored | InvalidObject]] = {}
        version, token = "", ""
        limit = {"limit": str(self._timing.page)} if self._paged else {}
        while True:
            try:
                body = await self._api.get(
                    self._path, {**self._query, **limit, **({"continue": token} if token else {})}
                )
            except (ApiError, Unreachable) as error:
                # Too slow for etcd's compaction: at once, it cannot expire halfway.
                self._paged = not (token and getattr(error, "status", 0) == _GONE)
                raise
            page = wire.page(body)
            for document in page.items:
                meta = wire.meta(document)
                thing = self._read(document, meta)
                if thing is not None:
                    found[thing.ref] = meta.resource_version, thing
            if page.metadata.continue_ and page.metadata.continue_ == token:
                raise wire.Unintelligible("a list whose next page is the same again")
            version, token = version or page.metadata.resource_version, page.metadata.continue_
            if not token:
                break
        objects: dict[ObjectRef, Stored] = {}
        invalid: dict[ObjectRef, InvalidObject] = {}
        for ref, (of, thing) in found.items():
            if not self._target.wants(ref, of):
                continue  # any more: something newer is known, or nobody has a use for it
            if isinstance(thing, InvalidObject):
                invalid[ref] = thing
            else:
                objects[ref] = thing
        self._paged = True
        self._list_began = began
        self._version = version
        self.tally.lists += 1
        self._recovered()
        self._target.listed(Listing(began, version, objects, invalid))

    async def _watch(self) -> None:
        """Follow the watch until the server ends it, or a list is due."""
        query = {
            **self._query,
            "watch": "1",
            "allowWatchBookmarks": "true",
            "resourceVersion": self._version or "",
            "timeoutSeconds": str(self._timing.watch_seconds()),
        }
        list_due = asyncio.get_running_loop().time() + self._list_began + self._timing.relist - self._clock()
        try:
            async with (
                asyncio.timeout_at(list_due) as self._watching,
                self._api.watch(self._path, query, silence=self._timing.silence) as lines,
            ):
                self._opened = self._clock()
                self.tally.watches += 1
                self._recovered()
                async for line in lines:
                    self._take(wire.event(line))
                    if self.tally.events % _BREATH == 0:
                        await asyncio.sleep(0)
        except TimeoutError:
            self._version = None
        except wire.Unintelligible:
            self._version = None
            raise
        finally:
            self._watching = None

    def _take(self, event: wire.Event) -> None:
        self.tally.events += 1
        if event.type == "ERROR":
            status = wire.status(event.object)
            raise ApiError(status=status.code, reason=status.reason, message=status.message)
        meta = wire.meta(event.object)
        if event.type == "DELETED":
            self._target.deleted(self._ref(meta), meta.resource_version)
        elif event.type != "BOOKMARK":
            found = self._read(event.object, meta)
            if found is not None:
                self._target.changed(found)
        self._version = meta.resource_version or self._version

    def _ref(self, meta: wire.ObjectMeta) -> ObjectRef:
        return ObjectRef(self._resource.kind, meta.namespace, meta.name)

    def _read(self, document: Raw, meta: wire.ObjectMeta) -> Stored | InvalidObject | None:
        """Decode an object, unless nobody wants it."""
        ref = self._ref(meta)
        if not self._target.wants(ref, meta.resource_version):
            return None
        return self._resource.decode(ref, document)

    def _failed(self, error: Exception) -> None:
        """Take note of a failure; each is one line of log until another one takes its place."""
        reason = _reason(error)
        if isinstance(error, ApiError) and (error.status == _GONE or self._opened is not None):
            self._version = (
                None  # what a watch says itself, whatever it is, may come again from this version for ever
            )
        self.tally.failures[reason] += 1
        text = f"{error}{_remedy(error, self._resource, self._query)}"
        if text == self.error:
            return
        self.error = text
        log.warning(
            "informer interrupted: what it knows stays as it is",
            informer=self.name,
            server=self._api.server,
            reason=reason,
            error=text,
        )

    def _recovered(self) -> None:
        if self.error:
            log.info("informer goes on", informer=self.name, server=self._api.server)
            self.error = ""


def _reason(error: Exception) -> str:
    """Return a failure's name in metrics; there are few."""
    if isinstance(error, ApiError):
        return "expired" if error.status == _GONE else f"http_{error.status}"
    if isinstance(error, _WentBack):
        return "went_back"
    return "unreachable" if isinstance(error, Unreachable) else "unintelligible"


def _remedy(error: Exception, resource: Resource, query: Mapping[str, str]) -> str:
    """Return what the operator can do, where that is known."""
    api_group = resource.group.removeprefix("/apis/").removeprefix("/api/").rpartition("/")[0]
    match getattr(error, "status", 0):
        case 400 if "labelSelector" in query:
            return f": the label selector is {query['labelSelector']!r}"
        case 401:
            return ": check the token or the certificate that kubelb-xds uses"
        case 403:
            return f": its role needs list and watch of {resource.plural} in apiGroup {api_group!r}"
        case 404 if api_group:
            return f": is the CRD installed? kubectl apply -f deploy/crds gives {resource.plural}.{api_group}"
        case _:
            return ""
