"""One gRPC stream: bytes in, bytes out, around the state machine that decides what they say.

One reader task for the stream's life (a cancelled ``context.read()`` poisons a grpc.aio stream), one writer, and an event
between them. A client that does not read blocks its own writer and nothing else; what changes meanwhile is sent as the
newest state once it reads again. An idle stream has no timer.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import grpc
from google.protobuf.message import DecodeError

from xds.messages import DeltaDiscoveryRequest, DiscoveryRequest, Node
from xds.protocol import Delivery, ProtocolError, Response, StreamState
from xds.server.identity import Admit, RefusedError
from xds.server.limits import LimitError, Limits, Measure, Seat
from xds.server.observer import End, Observer, Status, StreamInfo
from xds.server.pace import Pace
from xds.server.turns import LARGE, Turns
from xds.snapshot import Changes, Snapshot, SnapshotCache
from xds.snapshot.types import short

# Returns the tenant that a node belongs to, "" for none.
TenantOf = Callable[[Any], str]

_LONGEST_NODE: Final = 1024
"""Characters of a node's id and of a tenant; both stand in every line of log."""
_LONGEST_DETAILS: Final = 500
"""Characters of a status's text: gRPC sends it as a header, percent-encoded, and clients take 8 kB of headers."""
_LARGEST_METADATA: Final = 4096
"""Bytes of a node's metadata that are kept for as long as the Envoy is connected."""
_LEFT: Final = End("OK", "client closed the stream")
_GONE: Final = End("CANCELLED", "connection lost")


def tenant_of_node(node: Any) -> str:
    """Return the tenant of an ``envoy.config.core.v3.Node``: its cluster, or its id where that is empty."""
    tenant: str = node.cluster or node.id
    return tenant


def _about(node: Any) -> Any:
    """Return what is kept of a node: who it is and where, without the 60 kB of extensions that Envoy lists."""
    about = Node(id=node.id, cluster=node.cluster, user_agent_name=node.user_agent_name[:_LONGEST_NODE])
    for field in ("locality", "metadata", "user_agent_build_version"):
        if node.HasField(field) and getattr(node, field).ByteSize() <= _LARGEST_METADATA:
            getattr(about, field).CopyFrom(getattr(node, field))
    return about


@dataclass(frozen=True, slots=True)
class Shared:
    """What all streams of a server have in common.

    ``control_plane`` is encoded, ``ended`` counts how streams have ended, ``log`` hears of faults of the program.
    """

    cache: SnapshotCache
    delivery: Delivery
    observer: Observer
    tenant_of: TenantOf
    admit: Admit
    control_plane: bytes
    limits: Limits
    ended: Counter[Status]
    turns: Turns
    log: Any


class Stream:
    """One open stream of the discovery protocol."""

    def __init__(
        self, context: Any, *, info: StreamInfo, state: StreamState, seat: Seat, shared: Shared
    ) -> None:
        self.info = info
        self._context = context
        self._state = state
        self._seat = seat
        self._shared = shared
        self._request_class = DeltaDiscoveryRequest if info.delta else DiscoveryRequest
        self._loop = asyncio.get_running_loop()
        self._pace = Pace(self._loop.time())
        self._measure = Measure(shared.limits)
        self._wake = asyncio.Event()
        # Ends a write that is stuck, where this client is served no more.
        self._patience: asyncio.Timeout | None = None
        self._writing = False
        self._due_since: float | None = None
        # The response that is being written, and since when it was due.
        self._written: tuple[Response, float] | None = None
        # Whether a request, and not a change or an ACK, is what responses are due for.
        self._asked = False
        self._unwatch: Callable[[], None] | None = None
        # The type that the newest request is about, and how the stream is to end.
        self._type_url = info.only_type
        self._end: End | None = None

    async def run(self) -> None:
        """Serve the stream until the client leaves, breaks the protocol, or ``finish`` is called."""
        reader = asyncio.create_task(self._read(), name=f"xDS stream {self.info.stream}")
        turn_away = self._turn_away()
        try:
            await self._serve()
        finally:
            end = self._end or _GONE
            reader.cancel()
            turn_away()
            self._leave()
            self._shared.ended[end.status] += 1
            self._shared.observer.closed(self.info, end)
        if end.status not in ("OK", "CANCELLED"):
            await self._tell(end)

    async def _tell(self, end: End) -> None:
        """Send a status other than OK; raises what grpc.aio wants a handler to end with then.

        It waits until the client has read what was written before: as long as that is kept, so is the stream's seat.
        """
        try:
            await self._context.abort(grpc.StatusCode[end.status], end.reason[:_LONGEST_DETAILS])
        except grpc.aio.AbortError:
            raise
        except grpc.aio.BaseError:
            # The client left without reading. grpc.aio would log its own error with a traceback, but not a cancellation.
            raise asyncio.CancelledError from None

    def _leave(self) -> None:
        """Hear and tell nothing of the tenant any more."""
        try:
            if self._unwatch:
                self._unwatch()
            self._shared.delivery.left(self.info.stream)
        except Exception as error:  # noqa: BLE001 — logged, and the stream ends all the same
            self._fail(error)

    def finish(self, reason: str) -> None:
        """End the stream in good order, as soon as a write under way is done."""
        self._stop(End("OK", reason))

    def _stop(self, end: End) -> None:
        if self._end is None:
            self._end = end
            self._wake.set()
            if self._writing and self._patience is not None and end.status not in ("OK", "CANCELLED"):
                self._patience.reschedule(self._loop.time())

    def _fail(self, error: Exception) -> None:
        """End the stream for what went wrong on it: the client's fault, the connection's, or ours."""
        if isinstance(error, ProtocolError):
            self._stop(End("INVALID_ARGUMENT", str(error), self._type_url))
        elif isinstance(error, RefusedError):
            self._stop(End(error.status, str(error), self._type_url))
        elif isinstance(error, LimitError):
            self._stop(End("RESOURCE_EXHAUSTED", str(error), self._type_url))
        elif isinstance(error, grpc.aio.BaseError):
            self._stop(_GONE)  # grpc.aio's word for using a stream whose other end is gone
        else:
            self._shared.log.error(
                "a stream failed: this is a fault of the program",
                node=self.info.node,
                tenant=self.info.tenant,
                type=short(self._type_url),
                exc_info=error,
            )
            self._stop(End("INTERNAL", "internal error; the server's log says more", self._type_url))

    def _turn_away(self) -> Callable[[], None]:
        """Give a stream that has no seat a moment to say whose it is; returns what ends the wait."""
        if self._seat.patience is None:
            return lambda: None
        return self._loop.call_later(self._seat.patience, self._fail, self._seat.refusal()).cancel

    async def _serve(self) -> None:
        """Write what is due until the stream is to end."""
        try:
            # Alone, for grpc.aio would send it again with the status where the first write was cut short, and fail.
            await self._context.send_initial_metadata(())
            async with asyncio.timeout(None) as self._patience:
                await self._answer()
        except TimeoutError:
            return  # the write that was ended
        except Exception as error:  # noqa: BLE001 — told apart there
            self._fail(error)

    async def _answer(self) -> None:
        while self._end is None:
            self._wake.clear()
            now = self._loop.time()
            asked, self._asked = self._asked, False
            began = time.thread_time() if asked else 0.0
            due = self._state.poll(now)
            since, self._due_since = self._due_since or now, None
            for response in due.responses:
                self._writing = True
                if response.size < LARGE:
                    await self._write(response, since, began if asked else None)
                else:
                    async with self._shared.turns.turn(response.size):
                        began = time.thread_time()
                        if self._end is None:
                            await self._write(response, since, began if asked else None)
                self._writing = False
                if self._end is not None:
                    break
                now = self._loop.time()
                if asked:
                    began = time.thread_time()
                self._tell_pushed(now)
            else:
                await self._sleep(due.wake_at)

    async def _write(self, response: Response, since: float, began: float | None) -> None:
        """Write a response; ``began`` says since when this thread has worked for it, None where the client did not ask for it."""
        message = response.encode(self._shared.control_plane)
        if began is not None:
            self._pace.response(time.thread_time() - began, len(message), self._loop.time())
        self._written = response, since
        await self._context.write(message)

    def _tell_pushed(self, now: float) -> None:
        """Tell of a response that the client has, once: when its write returns, or by the answer where that comes sooner."""
        if self._written is not None:
            response, since = self._written
            self._written = None
            self._shared.observer.pushed(self.info, response, now - since)

    async def _sleep(self, until: float | None) -> None:
        if until is None:
            await self._wake.wait()
            return
        timer = self._loop.call_at(until, self._wake.set)
        try:
            await self._wake.wait()
        finally:
            timer.cancel()

    async def _read(self) -> None:
        try:
            while (message := await self._context.read()) is not grpc.aio.EOF:
                now, began = self._loop.time(), time.thread_time()
                self._take(message, now)
                pause = self._pace.request(time.thread_time() - began, now)
                if pause:
                    await asyncio.sleep(pause)
        except Exception as error:  # noqa: BLE001 — told apart there
            self._fail(error)
        else:
            self._stop(_LEFT)

    def _take(self, message: bytes, now: float) -> None:
        try:
            request = self._request_class.FromString(message)
        except DecodeError:
            name = self._request_class.DESCRIPTOR.name
            raise ProtocolError(f"{len(message)} bytes that are no {name}") from None
        self._type_url = request.type_url[:_LONGEST_NODE] or self.info.only_type
        if self._unwatch is None:
            self._identify(request)
        self._shared.observer.requested(self.info, request)
        self._measure.request(request, len(message), delta=self.info.delta)
        outcome = self._state.request(request)
        if outcome.asks:
            self._measure.taken(types=len(self._state.types), names=self._state.names)
        self._shared.delivery.answered(self.info.stream, outcome, datetime.now(UTC))
        if outcome.push and self._written and outcome.push.response.nonce == self._written[0].nonce:
            self._tell_pushed(now)
        sent_at = outcome.push.sent_at if outcome.push else now
        self._shared.observer.answered(self.info, outcome.type_url, outcome, now - sent_at)
        self._asked = self._asked or outcome.asks
        # By far the most requests are ACKs that leave nothing to be done.
        if outcome.asks or outcome.kind != "ack" or self._state.pending:
            self._notice(now)

    def _identify(self, request: Any) -> None:
        """Learn from the first request whose stream this is (rule 1), and take up the tenant's snapshot."""
        node, shared = request.node, self._shared
        for field, text in (("id", node.id), ("cluster", node.cluster)):
            if len(text) > _LONGEST_NODE or not text.isprintable():
                raise ProtocolError(
                    f"node.{field} is {text[:40]!r}…: write at most {_LONGEST_NODE} printable characters"
                )
        tenant = shared.tenant_of(node)
        if not tenant:
            raise ProtocolError(
                "the first request names no node: node.cluster (or node.id) says which tenant it is"
            )
        self.info.node, self.info.tenant = node.id, tenant
        # Before anything is kept or counted in that tenant's name.
        shared.admit(self._context, tenant)
        self._seat.take(tenant, node.id)
        self._unwatch = shared.cache.watch(tenant, self._changed)
        info = self.info
        shared.delivery.joined(
            info.stream,
            self._state,
            tenant=tenant,
            node=info.node,
            peer=info.peer,
            only_type=info.only_type,
            now=datetime.now(UTC),
            about=_about(node),
        )
        snapshot = shared.cache.get(tenant)
        shared.observer.opened(self.info, known=snapshot is not None and not snapshot.is_empty)
        if snapshot is not None:
            self._state.attach(snapshot)

    def _changed(self, snapshot: Snapshot | None, changes: Changes) -> None:
        try:
            if snapshot is None:
                self._state.detach()
            elif self._state.attached:
                self._state.changed(changes)
            else:
                self._state.attach(snapshot)
            self._shared.delivery.changed(self.info.stream, changes)
        except Exception as error:  # noqa: BLE001 — whoever changes the snapshot cannot help it, nor can other streams
            self._fail(error)
        self._notice(self._loop.time())

    def _notice(self, now: float) -> None:
        if self._due_since is None:
            self._due_since = now
        self._wake.set()
