"""What nobody runs on one machine, and is played: the tenant's nodes with kube-proxy, and the management cluster's cloud.

Nodes are addresses of this machine on which, at a Service's NodePort, a recorder of the wire stands before the one backend. The cloud
gives each Service for Envoy the address on which Envoy listens.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Final, Self

from tests.support.kube_api import ApiServer
from tests.support.kube_client import ApiClient, Object
from xds.app.demo.recorder import Recorder, Recording

ADDRESSES: Final = {"node-1": "127.0.1.1", "node-2": "127.0.1.2"}
"""The tenant's nodes, and their external addresses."""

EXTERNAL_IP: Final = "127.0.0.2"
"""What the cloud gives to Services for Envoy: where Envoy's listeners are."""


async def register(tenant: ApiClient) -> None:
    """Have the nodes, each Ready."""
    for name, address in ADDRESSES.items():
        node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}}
        status = {
            "addresses": [{"type": "ExternalIP", "address": address}],
            "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady", "message": ""}],
        }
        await tenant.create(node)
        await tenant.patch(node, {"status": status}, subresource="status")


class Nodes:
    """What kube-proxy does: connections to a Service's NodePort on any node go to the backend. An async context manager."""

    def __init__(self, tenant: ApiServer, backend_port: int) -> None:
        self._tenant = tenant
        self._backend_port = backend_port
        self._stack = AsyncExitStack()
        self._recorders: dict[int, list[Recorder]] = {}

    def since(self, moment: float) -> list[Recording]:
        """Return what was recorded of connections from Envoy that began then or later (`time.monotonic`)."""
        recorders = [recorder for each in self._recorders.values() for recorder in each]
        return [each for node in recorders for each in node.recordings if each.opened >= moment]

    async def __aenter__(self) -> Self:
        client = await self._stack.enter_async_context(self._tenant.client())
        await self._stack.enter_async_context(_following(client, "default", self._forward))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def _forward(self, service: Object) -> None:
        """Forward a Service's NodePort. Raises OSError where this machine uses it otherwise."""
        port = service["spec"]["ports"][0]["nodePort"]
        if port in self._recorders:
            return
        self._recorders[port] = [
            Recorder(name, self._backend_port, host=address, port=port) for name, address in ADDRESSES.items()
        ]
        for recorder in self._recorders[port]:
            await self._stack.enter_async_context(recorder)


@asynccontextmanager
async def cloud(management: ApiServer, namespace: str) -> AsyncIterator[None]:
    """Give every Service of type LoadBalancer its address, until the block ends."""
    status = {"status": {"loadBalancer": {"ingress": [{"ip": EXTERNAL_IP}]}}}
    async with management.client() as client:

        async def give(service: Object) -> None:
            if not service["status"]["loadBalancer"].get("ingress"):
                await client.patch(service, status, subresource="status")

        async with _following(client, namespace, give):
            yield


@asynccontextmanager
async def _following(
    client: ApiClient, namespace: str, act: Callable[[Object], Awaitable[None]]
) -> AsyncIterator[None]:
    """Act on each Service of type LoadBalancer that there is or comes, until the block ends. What fails is raised at its end."""

    async def follow() -> None:
        async with client.watch("v1", "Service", namespace, resourceVersion="0") as events:
            async for event in events:
                service = {"apiVersion": "v1", "kind": "Service", **event["object"]}
                if event["type"] == "ADDED" and service["spec"]["type"] == "LoadBalancer":
                    await act(service)

    following = asyncio.create_task(follow())
    try:
        yield
        if following.done():
            following.result()
    finally:
        following.cancel()
        with suppress(asyncio.CancelledError):
            await following
