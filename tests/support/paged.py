"""A whole control plane in this process, and its status page on a port."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.inspected import Inspected, inspected
from xds.admin.page_server import PageServer
from xds.app.page.site import StatusPage


@dataclass
class Paged:
    """A control plane that runs in this process, its status page, and that page's port on 127.0.0.1."""

    running: Inspected
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
    async with inspected(folder, **settings) as running:
        site = StatusPage(running.control_plane)
        server = PageServer(site, look=site.state)
        port = await server.start("127.0.0.1:0")
        try:
            yield Paged(running, site, port)
        finally:
            await server.stop()
