"""One gRPC stream: bytes in, bytes out, around the state machine that decides what they say.

One reader task for the stream's life (a cancelled ``context.read()`` poisons a grpc.aio stream), one writer, and an event
between them. A client that does not read blocks its own writer and nothing else; what changes meanwhile is sent as the
newest state once it reads again.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from xds.messages import DeltaDiscoveryRequest, DiscoveryRequest
from xds.protocol import ProtocolError, StreamState
from xds.server.observer import Observer, StreamInfo
from xds.snapshot import Changes, Snapshot, SnapshotCache

# Returns the tenant that a node belongs to, "" for none.
TenantOf = Callable[[Any], str]


def tenant_of_node(node: Any) -> str:
    """Return the tenant of an ``envoy.config.core.v3.Node``: its cluster, or its id where that is empty."""
    tenant: str = node.cluster or node.id
    return tenant


class Stream:
    """One open stream of the discovery protocol."""

    def __init__(
        self,
        context: Any,
        *,
        info: StreamInfo,
        state: StreamState,
        cache: SnapshotCache,
        observer: Observer,
        tenant_of: TenantOf,
        control_plane: bytes,
    ) -> None:
        self.info = info
        self._context = context
        self._state = state
        self._cache = cache
        self._observer = observer
        self._tenant_of = tenant_of
        self._control_plane = control_plane
        self._request_class = DeltaDiscoveryRequest if info.delta else DiscoveryRequest
        self._loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()
        self._due_since: float | None = None
        self._unwatch: Callable[[], None] | None = None
        # Why the stream is to end; the text of a broken protocol goes to the client as INVALID_ARGUMENT.
        self._ending = ""
        self._violation = ""

    async def run(self) -> None:
        """Serve the stream until the client leaves, breaks the protocol, or ``finish`` is called."""
        reader = asyncio.create_task(self._read())
        try:
            while not self._ending:
                self._wake.clear()
                due = self._state.poll(self._loop.time())
                since, self._due_since = self._due_since, None
                for response in due.responses:
                    await self._context.write(response.encode(self._control_plane))
                    now = self._loop.time()
                    self._observer.pushed(self.info, response, now - (since or now))
                await self._sleep(due.wake_at)
        except asyncio.CancelledError:
            self._ending = self._ending or "cancelled"
            raise
        finally:
            reader.cancel()
            if self._unwatch:
                self._unwatch()
            self._observer.closed(self.info, self._violation or self._ending or "error")
        if self._violation:
            await self._context.abort(grpc.StatusCode.INVALID_ARGUMENT, self._violation)

    def finish(self, reason: str) -> None:
        """End the stream in good order, as soon as a write under way is done."""
        self._ending = self._ending or reason
        self._wake.set()

    async def _sleep(self, until: float | None) -> None:
        timer = self._loop.call_at(until, self._wake.set) if until is not None else None
        try:
            await self._wake.wait()
        finally:
            if timer is not None:
                timer.cancel()

    async def _read(self) -> None:
        try:
            while (message := await self._context.read()) is not grpc.aio.EOF:
                self._take(message)
            self.finish("client closed the stream")
        except ProtocolError as error:
            self._violation = str(error)
            self.finish("protocol violation")
        except grpc.aio.UsageError:  # grpc.aio's word for reading from a stream that has ended
            self.finish("connection lost")
        except Exception:
            # A fault of ours ends this stream; what it says is in the log, with its traceback.
            self.finish("internal error")
            raise

    def _take(self, message: bytes) -> None:
        try:
            request = self._request_class.FromString(message)
        except DecodeError:
            name = self._request_class.DESCRIPTOR.name
            raise ProtocolError(f"{len(message)} bytes that are no {name}") from None
        if self._unwatch is None:
            self._identify(request)
        now = self._loop.time()
        outcome = self._state.request(request)
        sent_at = outcome.push.sent_at if outcome.push else now
        self._observer.answered(self.info, outcome.type_url, outcome, now - sent_at)
        self._notice(now)

    def _identify(self, request: Any) -> None:
        """Learn from the first request whose stream this is (rule 1), and take up the tenant's snapshot."""
        tenant = self._tenant_of(request.node)
        if not tenant:
            raise ProtocolError(
                "the first request names no node: node.cluster (or node.id) says which tenant it is"
            )
        self.info.node, self.info.tenant = request.node.id, tenant
        self._unwatch = self._cache.watch(tenant, self._changed)
        snapshot = self._cache.get(tenant)
        self._observer.opened(self.info, known=snapshot is not None and not snapshot.is_empty)
        if snapshot is not None:
            self._state.attach(snapshot)

    def _changed(self, snapshot: Snapshot, changes: Changes) -> None:
        if self._state.attached:
            self._state.changed(changes)
        else:
            self._state.attach(snapshot)
        self._notice(self._loop.time())

    def _notice(self, now: float) -> None:
        if self._due_since is None:
            self._due_since = now
        self._wake.set()
