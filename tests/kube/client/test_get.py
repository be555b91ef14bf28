from __future__ import annotations

import json
from typing import TYPE_CHECKING

from aiohttp import web

from kube.client import KubeApi
from tests.kube.client.servers import PATH, document, serving, write

if TYPE_CHECKING:
    from pathlib import Path


async def test_a_body_comes_whole(tmp_path: Path) -> None:
    """The whole body is returned as it was sent, larger than any buffer, and asked for uncompressed."""
    body = json.dumps({"items": [{"n": index} for index in range(200_000)]}).encode()

    async def handle(_: web.BaseRequest) -> web.Response:
        return web.Response(body=body, content_type="application/json")

    async with serving(handle) as server, KubeApi(write(tmp_path / "config", document(server.url))) as api:
        assert await api.get(PATH) == body
        assert api.server == server.url
        assert api.requests == 1
    headers = server.requests[0].headers
    assert headers["Accept"] == "application/json"
    assert headers["Accept-Encoding"] == "identity"
    assert headers["User-Agent"] == "kubelb-xds"
    assert "Authorization" not in headers


async def test_params_are_percent_encoded(tmp_path: Path) -> None:
    """Every character of a parameter arrives, those that mean something in a query among them."""
    params = {"labelSelector": "a in (b,c),d=é&e", "continue": "a+b/c==%2B #?"}

    async def handle(request: web.BaseRequest) -> web.Response:
        return web.json_response({"query": dict(request.query), "path": request.path})

    async with serving(handle) as server, KubeApi(write(tmp_path / "config", document(server.url))) as api:
        assert json.loads(await api.get("/api/v1/na me?x", params)) == {
            "query": params,
            "path": "/api/v1/na me?x",
        }


async def test_a_server_may_have_a_path(tmp_path: Path) -> None:
    """A server behind a prefix, as Rancher's, gets its prefix before every path."""

    async def handle(request: web.BaseRequest) -> web.Response:
        return web.json_response(request.path)

    async with serving(handle) as server:
        access = write(tmp_path / "config", document(f"{server.url}/k8s/clusters/c-1/"))
        async with KubeApi(access) as api:
            assert json.loads(await api.get(PATH)) == f"/k8s/clusters/c-1{PATH}"


async def test_connections_are_used_again(tmp_path: Path) -> None:
    """Requests one after the other share one connection."""
    peers = set()

    async def handle(request: web.BaseRequest) -> web.Response:
        assert request.transport is not None
        peers.add(request.transport.get_extra_info("peername"))
        return web.json_response({})

    async with serving(handle) as server, KubeApi(write(tmp_path / "config", document(server.url))) as api:
        for _ in range(5):
            await api.get(PATH)
    assert len(peers) == 1
