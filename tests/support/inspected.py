"""A whole control plane in this process, with its admin services on a port: what the command line asks."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.admin_client import listening
from xds.app.control_plane import ControlPlane
from xds.app.settings import ServeSettings
from xds.server import Observer


@dataclass
class Inspected:
    """A control plane that runs in this process, and the ports of its xDS and admin listeners on 127.0.0.1."""

    control_plane: ControlPlane
    xds: int
    admin: int

    @property
    def address(self) -> str:
        """The admin listener's, as the command line takes it."""
        return f"127.0.0.1:{self.admin}"


@asynccontextmanager
async def inspected(folder: Path, **settings: Any) -> AsyncIterator[Inspected]:
    """Run a control plane over a folder of manifests, and answer about it; ``settings`` are fields of `ServeSettings`."""
    control_plane = ControlPlane(
        ServeSettings(
            **{
                "manifests": (folder,),
                "xds_address": "127.0.0.1:0",
                "listener_address": "127.0.0.1",
                **settings,
            }
        ),
        observer=Observer(),  # stdout is the command line's
    )
    xds = await control_plane.start()
    try:
        async with listening(control_plane.admin_services) as port:
            yield Inspected(control_plane, xds, port)
            control_plane.watching.close()
    finally:
        await control_plane.stop()
