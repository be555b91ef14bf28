from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from kube.client import KubeApi, Unreachable
from tests.kube.client.servers import PATH, WITHIN, data, document, server_context, serving, write
from tests.support.pki import ca

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.kube.client.servers import Server

ROOT = ca("root")
pytestmark = pytest.mark.usefixtures("no_connection_left")


@pytest.fixture(params=["http", "https"])
async def server(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Server]:
    """Serve watches that never end, and requests that never do; without and with TLS."""

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        if request.path == "/silent":
            started.asked.set()
        if request.path != "/silent":
            await response.prepare(request)
            await response.write(b"line\n")
        await asyncio.Event().wait()
        return response

    tls = (
        server_context(ROOT.issue("api", ips=["127.0.0.1"]), tmp_path / "server")
        if request.param == "https"
        else None
    )
    async with serving(handle, tls=tls) as started:
        yield started


def client(server: Server, tmp_path: Path) -> KubeApi:
    """Return a client of a server."""
    trust = {"certificate-authority-data": data(ROOT.pem)}
    return KubeApi(write(tmp_path / "config", document(server.url, {}, trust)))


async def test_closing_ends_what_is_under_way(server: Server, tmp_path: Path) -> None:
    """A watch that reads and a request that waits end at once when the client closes, and leave nothing behind."""
    reading = asyncio.Event()

    async def follow(api: KubeApi) -> None:
        async with api.watch(PATH, {}, WITHIN) as lines:
            async for _ in lines:
                reading.set()

    async with client(server, tmp_path) as api:
        tasks = [asyncio.create_task(follow(api)), asyncio.create_task(api.get("/silent"))]
        async with asyncio.timeout(WITHIN):
            await reading.wait()
            await server.asked.wait()
    async with asyncio.timeout(1):
        ends = await asyncio.gather(*tasks, return_exceptions=True)
    assert [(type(end), str(end)) for end in ends] == [
        (Unreachable, "the connection was closed by this program")
    ] * 2


async def test_a_watch_that_is_left_closes_its_connection(server: Server, tmp_path: Path) -> None:
    """Leaving a watch, by break or by cancelling, closes its connection while the client goes on."""
    async with client(server, tmp_path) as api, asyncio.timeout(WITHIN):
        for _ in range(3):
            async with api.watch(PATH, {}, WITHIN) as lines:
                async for line in lines:
                    assert line == b"line"
                    break
            waiting = asyncio.create_task(api.get("/silent"))
            await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
        assert api._transport
        assert api._transport._open == 0


async def test_a_closed_client_refuses(server: Server, tmp_path: Path) -> None:
    """What asks after the end is told so; the name stays for the log."""
    async with client(server, tmp_path) as api:
        pass
    with pytest.raises(Unreachable, match="this client is closed"):
        await api.get(PATH)
    assert api.server == server.url
