"""A whole control plane in this process, and its status page on a port."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.inspected import inspected
from xds.admin.page_server import PageServer
from xds.app.control_plane import ControlPlane
from xds.app.page.site import StatusPage


@dataclass
class Paged:
    """A control plane that runs in this process, the port of its xDS listener, its status page, and that page's port on 127.0.0.1."""

    control_plane: ControlPlane
    xds: int
    site: StatusPage
    port: int

    @property
    def url(self) -> str:
        """Where a browser finds it, without a path."""
        return f"http://127.0.0.1:{self.port}"

    async def shown(self, path: str, **query: str) -> str:
        """Return a page's HTML, without a browser."""
        page = await self.site.page(path, query)
        assert page.status == 200, page
        return page.body.decode()


@asynccontextmanager
async def paged(folder: Path, **settings: Any) -> AsyncIterator[Paged]:
    """Run a control plane over a folder of manifests, and its status page; ``settings`` are fields of `ServeSettings`."""
    async with inspected(folder, **settings) as running, _page_of(running.control_plane) as (site, port):
        yield Paged(running.control_plane, running.xds, site, port)


@asynccontextmanager
async def paging(control_plane: ControlPlane, xds: int) -> AsyncIterator[Paged]:
    """Show a control plane that has started, and stop it at the end; ``xds`` is its port."""
    try:
        async with _page_of(control_plane) as (site, port):
            yield Paged(control_plane, xds, site, port)
    finally:
        await control_plane.stop()


@asynccontextmanager
async def _page_of(control_plane: ControlPlane) -> AsyncIterator[tuple[StatusPage, int]]:
    site = StatusPage(control_plane)
    server = PageServer(site, look=site.state)
    port = await server.start("127.0.0.1:0")
    try:
        yield site, port
    finally:
        await server.stop()
