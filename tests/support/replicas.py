"""Replicas of the control plane that write into a cluster, in this process. What they write is seen in the cluster."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

from xds.app.control_plane import ControlPlane
from xds.app.settings import ServeSettings


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
