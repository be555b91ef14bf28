"""Events: what ``kubectl describe`` shows under an object, warnings first, and no more of it than helps.

One Event for each object, reason and message, whichever replica says it: its name is a hash of these, so that a repetition
raises its count, after a restart too. How long an Event is kept is the API server's business (an hour, unless told otherwise).
An object that warns all the time is heard as often as client-go would have it. Events are a courtesy: what cannot be
written soon is dropped, and nothing waits for it.

Whoever warns does so when a condition changes, not when a program starts. Who cannot tell the two apart has it said `unless_there`:
nothing is written then where the Event of before is still kept.
"""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple, Protocol

import msgspec
import structlog

from kube.client import ApiError, Unreachable
from kube.coordination.bucket import TokenBucket
from kube.coordination.conditions import shortened, timestamp
from kube.objects import API_VERSION, ObjectRef

COMPONENT: Final = "kubelb-xds"
"""Who says it: the Event's ``source.component``."""

BURST: Final = 25
"""Events of one object at once (client-go, EventSourceObjectSpamFilter)."""
PER_SECOND: Final = 1 / 300
"""Events of one object in the long run: one in five minutes, as in client-go."""

_RATE, _RATE_BURST = 10.0, 50
"""Writes a second of all objects: a CA that 10,000 LoadBalancers share takes a quarter of an hour, and disturbs nobody."""
_OBJECTS: Final = 4096
"""Objects whose rate is remembered, and Events whose count is (client-go: maxLruCacheEntries)."""
_WAITING: Final = 10_000
"""Events that wait to be written at most."""
_REMEMBERED: Final = 3600.0
"""Seconds for which a count is believed without asking: the API server keeps Events for so long."""
_ATTEMPTS: Final = 4
_FIRST_WAIT: Final = 0.5
"""Seconds before the second attempt; each further one waits twice as long."""
_LONGEST_MESSAGE: Final = 1024
"""Characters of an Event's message that the API server takes (events.k8s.io, note)."""
_LONGEST_NAME: Final = 253
_NOT_FOUND, _CONFLICT, _TOO_MANY, _SERVER_ERRORS = 404, 409, 429, 500

log: structlog.typing.FilteringBoundLogger = structlog.get_logger("kube.coordination")


class Api(Protocol):
    """Of a KubeApi what Events need. Both raise ApiError and Unreachable."""

    async def get(self, path: str) -> bytes:
        """Return an object."""

    async def send(
        self,
        method: Literal["POST", "PATCH"],
        path: str,
        body: object = None,
        *,
        params: Mapping[str, str] = ...,
    ) -> bytes:
        """Create an object, or merge a patch into one."""


class Warned(NamedTuple):
    """What is warned of, or told: the object with its ``uid``, the condition's CamelCase reason, and the message."""

    ref: ObjectRef
    uid: str
    reason: str
    message: str
    type: Literal["Warning", "Normal"] = "Warning"

    @property
    def event(self) -> str:
        """The Event's name: the object's, and a hash of everything."""
        told = (*self.ref, self.uid, self.reason, self.message)
        digest = hashlib.sha256("\0".join(told).encode())
        suffix = f".{digest.hexdigest()[:16]}"
        return self.ref.name[: _LONGEST_NAME - len(suffix)].rstrip("-.") + suffix


class EventStats(NamedTuple):
    """Counts since the program's start, but for ``waiting``. ``bounded`` were too many of one object, ``dropped`` not written."""

    written: int
    bounded: int
    dropped: int
    waiting: int


class _Written(NamedTuple):
    """How often an Event was seen, as it was written last, and when that was."""

    times: int
    at: float


class _Existing(msgspec.Struct):
    count: int = 0


class Events:
    """Writes Events while ``leading`` says so. ``clock`` is monotonic, in seconds, ``wall`` the time of day.

    ``api_version`` is that of the objects that they are about, ``component`` who says it.
    """

    def __init__(
        self,
        api: Api,
        *,
        identity: str,
        leading: Callable[[], bool],
        clock: Callable[[], float],
        wall: Callable[[], datetime],
        api_version: str = API_VERSION,
        component: str = COMPONENT,
    ) -> None:
        self._api = api
        self._api_version = api_version
        self._component = component
        self._identity = identity
        self._leading = leading
        self._clock = clock
        self._wall = wall
        self._buckets: OrderedDict[ObjectRef, TokenBucket] = OrderedDict()
        self._counts: OrderedDict[Warned, _Written] = OrderedDict()
        # What waits, and how often it was said meanwhile: 0 where it was said only unless it is there.
        self._waiting: OrderedDict[Warned, int] = OrderedDict()
        self._pace = TokenBucket(_RATE, _RATE_BURST, clock)
        self._wake = asyncio.Event()
        self._written = self._bounded = self._dropped = 0

    @property
    def stats(self) -> EventStats:
        """What was written, and what was not."""
        return EventStats(self._written, self._bounded, self._dropped, len(self._waiting))

    def warn(
        self, ref: ObjectRef, uid: str, reason: str, message: str, *, unless_there: bool = False
    ) -> bool:
        """Have a warning written; return whether it will be, as far as is known now.

        `unless_there`: it may be what was warned of before the program started, so an Event that there is stays as it is.
        """
        warned = Warned(ref, uid, reason, shortened(message, _LONGEST_MESSAGE))
        return self._put_off(warned, times=0 if unless_there else 1)

    def tell(self, ref: ObjectRef, uid: str, reason: str, message: str) -> bool:
        """Have an Event written of something that is as it should be; return what `warn` does."""
        return self._put_off(Warned(ref, uid, reason, shortened(message, _LONGEST_MESSAGE), "Normal"))

    def _put_off(self, warned: Warned, *, times: int = 1) -> bool:
        if not self._leading():
            return False
        ref = warned.ref
        bucket = self._buckets.pop(ref, None) or TokenBucket(PER_SECOND, BURST, self._clock)
        self._buckets[ref] = bucket  # the one that was used last is last
        while len(self._buckets) > _OBJECTS:
            self._buckets.popitem(last=False)
        if bucket.take() > 0:
            self._bounded += 1
            return False
        if warned not in self._waiting and len(self._waiting) >= _WAITING:
            self._dropped += 1
            return False
        self._waiting[warned] = self._waiting.get(warned, 0) + times
        self._wake.set()
        return True

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                pause = self._pace.take()
                if pause > 0:
                    await asyncio.sleep(pause)
                    continue
                if not self._leading():
                    self._dropped += len(self._waiting)
                    self._waiting.clear()
                    break
                warned, times = self._waiting.popitem(last=False)
                await self._write(warned, times)

    async def _write(self, warned: Warned, times: int) -> None:
        error: Exception | None = None
        for attempt in range(_ATTEMPTS):
            if attempt:
                await asyncio.sleep(_FIRST_WAIT * 2 ** (attempt - 1))
            try:
                count = await self._put(warned, times)
            except (ApiError, Unreachable, msgspec.MsgspecError) as failure:
                error = failure
                if isinstance(failure, ApiError) and not (
                    failure.status in {_CONFLICT, _TOO_MANY} or failure.status >= _SERVER_ERRORS
                ):
                    break
            else:
                self._counts.pop(warned, None)
                self._counts[warned] = _Written(count, self._clock())
                while len(self._counts) > _OBJECTS:
                    self._counts.popitem(last=False)
                return
        self._dropped += 1
        log.info("Event not written", object=str(warned.ref), event_reason=warned.reason, error=str(error))

    async def _put(self, warned: Warned, times: int) -> int:
        """Write once, or not at all where that is enough, and return the count that the Event has now."""
        if not times:
            existing = await self._existing(warned)
            if existing is not None:
                return existing
            times = 1
        known = self._counts.get(warned)
        if known is not None and self._clock() - known.at < _REMEMBERED:
            try:
                return await self._raise(warned, known.times + times)
            except ApiError as error:
                if error.status != _NOT_FOUND:
                    raise
        try:
            await self._api.send("POST", _events(warned), self._document(warned, times))
        except ApiError as error:
            if error.status != _CONFLICT:
                raise
            return await self._raise_existing(warned, times, error)
        self._written += 1
        return times

    async def _raise_existing(self, warned: Warned, times: int, conflict: ApiError) -> int:
        """Count on what another replica, or this one before a restart, has written."""
        existing = await self._existing(warned)
        if existing is None:
            raise conflict  # it has just expired: once more
        try:
            return await self._raise(warned, existing + times)
        except ApiError as error:
            if error.status == _NOT_FOUND:
                raise conflict from error  # likewise
            raise

    async def _existing(self, warned: Warned) -> int | None:
        """Return the count of an Event, None where there is none."""
        try:
            answer = await self._api.get(f"{_events(warned)}/{warned.event}")
        except ApiError as error:
            if error.status == _NOT_FOUND:
                return None
            raise
        return msgspec.json.decode(answer, type=_Existing).count

    async def _raise(self, warned: Warned, count: int) -> int:
        change = {"count": count, "lastTimestamp": timestamp(self._wall())}
        await self._api.send("PATCH", f"{_events(warned)}/{warned.event}", change)
        self._written += 1
        return count

    def _document(self, warned: Warned, count: int) -> dict[str, Any]:
        now = timestamp(self._wall())
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": warned.event, "namespace": warned.ref.namespace},
            "involvedObject": {
                "apiVersion": self._api_version,
                "kind": warned.ref.kind,
                "namespace": warned.ref.namespace,
                "name": warned.ref.name,
                "uid": warned.uid,
            },
            "type": warned.type,
            "reason": warned.reason,
            "message": warned.message,
            "count": count,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "source": {"component": self._component, "host": self._identity},
            "reportingComponent": self._component,
            "reportingInstance": self._identity,
        }


def _events(warned: Warned) -> str:
    return f"/api/v1/namespaces/{warned.ref.namespace}/events"
