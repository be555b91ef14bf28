"""Replicas of the control plane that write into a cluster, in this process, and stand-ins for the Envoys that connect to them.

What they write is seen in the cluster; a real Envoy is for tests of traffic.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import grpc

from tests.support.xds_client import XdsClient
from xds.app.control_plane import ControlPlane
from xds.app.settings import ServeSettings
from xds.messages import DeltaDiscoveryResponse
from xds.snapshot.types import CLUSTER, ENDPOINT, LISTENER


class Replica(NamedTuple):
    """One that runs, and the port that it serves on."""

    control_plane: ControlPlane
    port: int

    async def missing(self) -> Any:
        """Return what is missing before it is ready."""
        return self.control_plane.unready()


@contextlib.asynccontextmanager
async def replica(
    name: str, kubeconfig: Path, *, tenant: str, home: str, **settings: Any
) -> AsyncIterator[Replica]:
    """Run a replica for one tenant; ``home`` is the replicas' own namespace, ``settings`` are more of `ServeSettings`."""
    control_plane = ControlPlane(
        ServeSettings(
            kubernetes=True,
            kubeconfig=kubeconfig,
            namespaces=(tenant,),
            read_only=False,
            own_namespace=home,
            replica=name,
            xds_address="127.0.0.1:0",
            drain=0.0,
            **settings,
        )
    )
    stop = asyncio.Event()
    port = await control_plane.start()
    running = asyncio.create_task(control_plane.run(stop))
    try:
        yield Replica(control_plane, port)
    finally:
        stop.set()
        await running
        await control_plane.stop()


@contextlib.asynccontextmanager
async def envoy(of: Replica, tenant: str, *, refusing: str = "") -> AsyncIterator[None]:
    """Connect what asks as an Envoy does, and ACKs all that it gets, or NACKs every cluster with a text."""
    running = asyncio.create_task(_answer(of, tenant, refusing))
    try:
        yield
    finally:
        running.cancel()
        await asyncio.wait([running])
        if not running.cancelled():
            running.result()


async def _answer(of: Replica, tenant: str, refusing: str) -> None:
    node = {"id": "envoy", "cluster": tenant}
    async with XdsClient(of.port, delta=True, node=node) as client:
        await client.subscribe(CLUSTER)
        await client.subscribe(LISTENER)
        with contextlib.suppress(grpc.aio.AioRpcError):  # the replica ends
            while (message := await client.call.read()) is not grpc.aio.EOF:
                response = DeltaDiscoveryResponse.FromString(message)
                if refusing and response.type_url == CLUSTER:
                    await client.nack(response, refusing)
                    continue
                await client.ack(response)
                if response.type_url == CLUSTER:
                    await client.subscribe(ENDPOINT, [resource.name for resource in response.resources])
