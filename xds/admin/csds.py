"""Envoy's client status discovery service: of each Envoy that is connected, each resource and whether it has it.

What it says is read from the streams' states when somebody asks, a slice at a time, so that no Envoy waits for the answer.
Fields mean what ``csds.proto`` says from the management server's view: ``xds_config`` is what is served now (of an ERROR the
rejected one), ``version_info`` and ``last_updated`` what the Envoy ACKed last and when, at the latest.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any, Final

import grpc

from xds.admin.matchers import matches
from xds.admin.redaction import Shown, shown
from xds.admin.rpc import CallError, handlers_of
from xds.admin.types import type_urls
from xds.messages import POOL, Node, message_class
from xds.protocol import Delivery, Envoy, Refusal, ResourceState, Standing
from xds.snapshot import Resource, Snapshot, SnapshotCache

SERVICE: Final = POOL.FindServiceByName("envoy.service.status.v3.ClientStatusDiscoveryService")

MOST_BYTES: Final = 4_000_000
"""Bytes of a response: clients of gRPC take 4 MiB unless they are told otherwise, grpcurl among them."""

TENANT: Final = "kubelb-xds-tenant"
TYPE: Final = "kubelb-xds-type"
"""Headers of a call that narrow it where the request has no field for it."""

_SLICE: Final = 200
"""Resources after which the streams get their turn: some milliseconds."""

_Config: Final = message_class("envoy.service.status.v3.ClientConfig")
_Response: Final = message_class("envoy.service.status.v3.ClientStatusResponse")

_STATUS: Final = {
    Standing.ACKED: "SYNCED",
    Standing.UNASKED: "NOT_SENT",
    Standing.PENDING: "NOT_SENT",
    Standing.SENT: "STALE",
    Standing.REFUSED: "ERROR",
}


class ClientStatus:
    """Answers CSDS from a cache and from who is connected."""

    def __init__(self, cache: SnapshotCache, delivery: Delivery) -> None:
        self._cache = cache
        self._delivery = delivery

    def register(self, server: Any) -> str:
        """Add the service to a gRPC server that has not started, and return its name."""
        server.add_generic_rpc_handlers((handlers_of(SERVICE, self),))
        return str(SERVICE.full_name)

    async def fetch_client_status(self, request: Any, context: Any) -> Any:
        """Answer once."""
        return await self._answer(request, context)

    async def stream_client_status(self, requests: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:
        """Answer each request."""
        async for request in requests:
            yield await self._answer(request, context)

    async def _answer(self, request: Any, context: Any) -> Any:
        headers = [(str(key), value) for key, value in context.invocation_metadata() or ()]
        tenants = [value for key, value in headers if key == TENANT]
        types = type_urls([value for key, value in headers if key == TYPE])
        response = _Response()
        room = MOST_BYTES
        contents: dict[int, Shown] = {}
        for tenant in self._delivery.tenants:
            for envoy in self._delivery.envoys(tenant) if not tenants or tenant in tenants else ():
                node = envoy.about or Node(id=envoy.node, cluster=envoy.tenant)
                if not matches(node, request.node_matchers):
                    continue
                config = _Config(node=node)
                room -= config.ByteSize()
                with_contents = not request.exclude_resource_contents
                async for entry in self._entries(envoy, types, contents if with_contents else None):
                    room -= entry.ByteSize() + 8  # tag and length
                    if room < 0:
                        raise _too_much(with_contents=with_contents)
                    config.generic_xds_configs.append(entry)
                response.config.append(config)
        return response

    async def _entries(
        self, envoy: Envoy, types: frozenset[str], contents: dict[int, Shown] | None
    ) -> AsyncIterator[Any]:
        """Yield one entry a resource; ``contents`` are those that were encoded for this answer, None for an answer without."""
        snapshot = self._cache.get(envoy.tenant)
        refusals = {(refusal.type_url, refusal.name): refusal for refusal in envoy.refusals}
        done = 0
        for type_url in _types(envoy, snapshot):
            if types and type_url not in types:
                continue
            resources = snapshot.get(type_url) if snapshot else None
            for state in _states(envoy, type_url, snapshot):
                resource = resources.get(state.name) if resources is not None else None
                refusal = refusals.get((type_url, state.name))
                yield _entry(type_url, state, resource, refusal, contents)
                done += 1
                if done % _SLICE == 0:
                    await asyncio.sleep(0)
            whole = refusals.get((type_url, ""))
            if whole is not None:
                yield _entry(type_url, ResourceState("", Standing.REFUSED, "", None), None, whole, contents)


def _types(envoy: Envoy, snapshot: Snapshot | None) -> tuple[str, ...]:
    """Return the types that an Envoy asked for, and those that there is something of."""
    served = (type_url for type_url in snapshot.types if snapshot.get(type_url)) if snapshot else ()
    return tuple(dict.fromkeys((*envoy.types, *served)))


def _states(envoy: Envoy, type_url: str, snapshot: Snapshot | None) -> Iterator[ResourceState]:
    if type_url in envoy.types:
        yield from envoy.resources(type_url)
        return
    resources = snapshot.get(type_url) if snapshot else None
    for name in tuple(resources.names) if resources is not None else ():
        yield ResourceState(name, Standing.UNASKED, "", None)


def _entry(
    type_url: str,
    state: ResourceState,
    resource: Resource | None,
    refusal: Refusal | None,
    contents: dict[int, Shown] | None,
) -> Any:
    entry = _Config.GenericXdsConfig(
        type_url=type_url,
        name=state.name,
        version_info=state.acked,
        config_status=_STATUS[state.standing],
        client_status=_client_status(state, resource),
    )
    if state.acked_at is not None:
        entry.last_updated.FromDatetime(state.acked_at)
    if resource is not None and contents is not None:
        content = contents.get(resource.digest)
        if content is None:
            content = contents[resource.digest] = shown(resource)
        entry.xds_config.ParseFromString(content.body)
    if refusal is not None:
        error = entry.error_state
        error.details, error.version_info = refusal.text, refusal.version
        error.last_update_attempt.FromDatetime(refusal.at)
    return entry


def _client_status(state: ResourceState, resource: Resource | None) -> str:
    if state.standing is Standing.REFUSED:
        return "NACKED"
    if state.standing is Standing.ACKED:
        return "ACKED" if resource is not None else "DOES_NOT_EXIST"
    return "UNKNOWN" if state.standing is Standing.UNASKED else "REQUESTED"


def _too_much(*, with_contents: bool) -> CallError:
    remedy = "set exclude_resource_contents, or " if with_contents else ""
    return CallError(
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        f"the answer would have more than {MOST_BYTES} bytes: {remedy}ask about fewer Envoys by node_matchers or the header "
        f"{TENANT}, or about fewer types by the header {TYPE}",
    )
