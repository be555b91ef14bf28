"""The project's debug service, as ``protos/kubelb/xds/debug/v1/debug.proto`` describes it: what is served, and to whom.

It reads the cache and the streams' states when somebody asks. It knows no LoadBalancers.
"""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import grpc

from xds.admin.redaction import shown
from xds.admin.rpc import CallError, handlers_of
from xds.admin.types import type_urls
from xds.admin.watching import MOST_WATCHERS, FullError, Wanted, Watching
from xds.messages import debug_pb2 as pb
from xds.protocol import Delivery, Envoy, Refusal, ResourceState, Standing
from xds.snapshot import Resource, Snapshot, SnapshotCache

SERVICE: Final = pb.DESCRIPTOR.services_by_name["DebugService"]

STATUS: Final = {
    Standing.ACKED: pb.STATUS_SYNCED,
    Standing.UNASKED: pb.STATUS_NOT_SENT,
    Standing.PENDING: pb.STATUS_STALE,
    Standing.SENT: pb.STATUS_STALE,
    Standing.REFUSED: pb.STATUS_NACK,
}

_MOST_OPEN: Final = 20
"""Resources that are named of a type that an Envoy has not ACKed; their number is told in any case."""
_SLICE: Final = 50
"""Messages after which the streams get their turn."""


class Debug:
    """Answers the debug service; ``watching`` hears of the streams. Belongs to the streams' event loop."""

    def __init__(self, cache: SnapshotCache, delivery: Delivery, watching: Watching) -> None:
        self._cache = cache
        self._delivery = delivery
        self._watching = watching

    def register(self, server: Any) -> str:
        """Add the service to a gRPC server that has not started, and return its name."""
        server.add_generic_rpc_handlers((handlers_of(SERVICE, self),))
        return SERVICE.full_name

    async def list_tenants(self, _: pb.ListTenantsRequest, __: Any) -> AsyncIterator[pb.Tenant]:
        """Yield each tenant, in the order of their names."""
        for tenant in sorted({*self._cache.tenants, *self._delivery.tenants}):
            snapshot = self._cache.get(tenant)
            yield pb.Tenant(
                name=tenant,
                types=[
                    pb.ServedType(type_url=type_url, version=found.version, resources=len(found))
                    for type_url in (snapshot.types if snapshot else ())
                    if snapshot is not None and (found := snapshot.get(type_url)) is not None
                ],
                envoys=len(self._delivery.envoys(tenant)),
            )

    async def list_envoys(self, request: pb.ListEnvoysRequest, _: Any) -> AsyncIterator[pb.Envoy]:
        """Yield each Envoy, by tenant and node."""
        for tenant in sorted(self._delivery.tenants):
            if request.tenant in ("", tenant):
                for envoy in sorted(
                    self._delivery.envoys(tenant), key=lambda envoy: (envoy.node, envoy.since)
                ):
                    if request.node in ("", envoy.node):
                        yield self.standing_of(envoy)
                        await asyncio.sleep(0)

    async def dump_snapshot(
        self, request: pb.DumpSnapshotRequest, _: Any
    ) -> AsyncIterator[pb.ServedResource]:
        """Yield the resources of a tenant as they are when each is sent, by type and name."""
        snapshot = self._cache.get(request.tenant)
        if snapshot is None:
            raise CallError(grpc.StatusCode.NOT_FOUND, self._no_snapshot(request.tenant))
        types, names = type_urls(request.types), set(request.names)
        done = 0
        for type_url in snapshot.types:
            resources = snapshot.get(type_url)
            if resources is None or (types and type_url not in types):
                continue
            for name in sorted(resources.names & names if names else resources.names):
                resource = resources.get(name)
                if resource is not None:
                    yield _served(resource)
                    done += 1
                    if done % _SLICE == 0:
                        await asyncio.sleep(0)

    async def watch(self, request: pb.WatchRequest, context: Any) -> AsyncIterator[pb.Event]:
        """Yield what happens, from now on."""
        wanted = Wanted(request.tenant, request.node, type_urls(request.types))
        try:
            watcher = self._watching.open(wanted)
        except FullError:
            raise CallError(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                f"{MOST_WATCHERS} watches are open, and there may be no more: end one of them",
            ) from None
        try:
            await context.send_initial_metadata(())
            while (event := await watcher.next()) is not None:
                yield event
        finally:
            self._watching.leave(watcher)
        raise CallError(grpc.StatusCode.UNAVAILABLE, "the server stops")

    def _no_snapshot(self, tenant: str) -> str:
        if not tenant:
            return "say which tenant: ListTenants names them"
        return f"tenant {tenant!r} has no snapshot: ListTenants names those that have one"

    def standing_of(self, envoy: Envoy) -> pb.Envoy:
        """Return how an Envoy stands to each type; it costs what is open."""
        snapshot = self._cache.get(envoy.tenant)
        served = (type_url for type_url in snapshot.types if snapshot.get(type_url)) if snapshot else ()
        message = pb.Envoy(
            tenant=envoy.tenant,
            node=envoy.node,
            peer=envoy.peer,
            build=_build(envoy.about),
            delta=envoy.delta,
            aggregated=envoy.aggregated,
            streams=len(envoy.streams),
            types=[
                _type_status(envoy, type_url, snapshot) for type_url in dict.fromkeys((*envoy.types, *served))
            ],
        )
        message.connected_at.FromDatetime(envoy.since)
        return message


def _build(about: Any) -> str:
    if about is None or not about.HasField("user_agent_build_version"):
        return ""
    version = about.user_agent_build_version.version
    return f"{version.major_number}.{version.minor_number}.{version.patch}"


def _type_status(envoy: Envoy, type_url: str, snapshot: Snapshot | None) -> pb.TypeStatus:
    resources = snapshot.get(type_url) if snapshot else None
    open_ = list(envoy.open(type_url))
    refusals = {refusal.name: refusal for refusal in envoy.refusals if refusal.type_url == type_url}
    if "" in refusals:
        open_.append(ResourceState("", Standing.REFUSED, "", None))
    open_.sort(key=lambda state: state.standing is not Standing.REFUSED)
    size = envoy.size(type_url)
    there = sum(1 for state in open_ if resources is not None and state.name in resources)
    asked = type_url in envoy.types
    message = pb.TypeStatus(
        type_url=type_url,
        status=_worst(open_, asked=asked),
        resources=size,
        synced=max(0, size - there),
        served_version=resources.version if resources is not None else "",
        open=[
            resource_status(
                state, resources.get(state.name) if resources is not None else None, refusals.get(state.name)
            )
            for state in open_[:_MOST_OPEN]
        ],
        open_total=len(open_),
    )
    last = envoy.last_ack(type_url)
    if last is not None:
        message.acked_at.FromDatetime(last[0])
        message.acked_version = last[1]
    waits_since = envoy.waits_since(type_url)
    if waits_since is not None:
        # The streams' clock is steady, and has no date.
        ago = timedelta(seconds=asyncio.get_running_loop().time() - waits_since)
        message.waiting_since.FromDatetime(datetime.now(UTC) - ago)
    return message


def _worst(open_: list[ResourceState], *, asked: bool) -> pb.Status:
    if not asked:
        return pb.STATUS_NOT_SENT
    return max((STATUS[state.standing] for state in open_), default=pb.STATUS_SYNCED)


def resource_status(
    state: ResourceState, resource: Resource | None, refusal: Refusal | None
) -> pb.ResourceStatus:
    """Return how an Envoy stands to a resource as a message; None is what is gone, or was not refused."""
    message = pb.ResourceStatus(
        name=state.name,
        status=STATUS[state.standing],
        served_version=resource.version if resource else "",
        acked_version=state.acked,
    )
    if state.acked_at is not None:
        message.acked_at.FromDatetime(state.acked_at)
    if refusal is not None:
        message.refusal.text, message.refusal.version = refusal.text, refusal.version
        message.refusal.at.FromDatetime(refusal.at)
    return message


def _served(resource: Resource) -> pb.ServedResource:
    content = shown(resource)
    message = pb.ServedResource(
        type_url=resource.type_url,
        name=resource.name,
        version=resource.version,
        redacted=content.redacted,
    )
    message.resource.ParseFromString(content.body)
    return message
