from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

from aiohttp import web

from kube.client.access import Access
from tests.kube.client.servers import PATH, WITHIN, document, serving, write

if TYPE_CHECKING:
    from pathlib import Path


async def test_connections_are_probed(tmp_path: Path) -> None:
    """TCP gives up a peer that is silently gone 30 s after the last word, whether we wait for it or write to it."""

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await asyncio.Event().wait()
        return response

    async with serving(handle) as server:
        access: Access = write(tmp_path / "config", document(server.url))
        transport = await access.transport()
        response = await transport.open(PATH, {}, within=WITHIN)
        assert response.connection
        assert response.connection.transport
        made = response.connection.transport.get_extra_info("socket")
        idle, interval, probes = (
            made.getsockopt(socket.IPPROTO_TCP, option)
            for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
        )
        assert made.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert idle + interval * probes == 30
        assert made.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 30_000
        await transport.done(response)
        await transport.close()
