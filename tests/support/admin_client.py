"""The admin services on a port of their own, and a client of those."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc

from xds.admin import csds, debug
from xds.admin.csds import ClientStatus
from xds.admin.debug import Debug
from xds.admin.grpc_admin import AdminServer
from xds.admin.rpc import stub_of
from xds.admin.watching import Watching
from xds.server import Observer, XdsServer
from xds.snapshot import SnapshotCache


@dataclass
class Admin:
    """What is served where: ``xds`` and ``admin`` are ports on 127.0.0.1; ``csds`` and ``debug`` call the services."""

    cache: SnapshotCache
    server: XdsServer
    watching: Watching
    xds: int
    admin: int
    csds: Any
    debug: Any


@asynccontextmanager
async def listening(services: Iterable[Any]) -> AsyncIterator[int]:
    """Serve these services on an admin listener, and yield the port."""
    listener = AdminServer(unready=dict, services=services)
    port = await listener.start("127.0.0.1:0")
    try:
        yield port
    finally:
        await listener.stop()


@asynccontextmanager
async def admin_of(cache: SnapshotCache, observer: Observer | None = None) -> AsyncIterator[Admin]:
    """Serve a cache, and answer about it."""
    server, watching = XdsServer(cache, observer=observer), Watching()
    server.observe(watching)
    xds = await server.start("127.0.0.1:0")
    services = (ClientStatus(cache, server.delivery), Debug(cache, server.delivery, watching))
    async with (
        listening(services) as port,
        grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        yield Admin(
            cache,
            server,
            watching,
            xds,
            port,
            csds=stub_of(csds.SERVICE, channel),
            debug=stub_of(debug.SERVICE, channel),
        )
        watching.close()
    await server.stop()
