"""Servers that stand in for an API server, one behaviour each, and kubeconfigs that lead to them."""

from __future__ import annotations

import asyncio
import json
import ssl
from base64 import b64encode
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import yaml
from aiohttp import web

from kube.client import Access, KubeApi

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
    from pathlib import Path

    from tests.support.pki import Identity

PATH: Final = "/api/v1/secrets"
WITHIN: Final = 10.0
"""Seconds that bound every wait."""


def unauthorized() -> web.Response:
    """Return the API server's own refusal of a token."""
    return status(401, "Unauthorized", "Unauthorized")


def status(code: int, reason: str, message: str, **more: Any) -> web.Response:
    """Return a refusal as the API server words it."""
    body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "reason": reason}
    return web.json_response({**body, "code": code, **more}, status=code)


class Server:
    """An HTTP server that keeps every request it got."""

    def __init__(self, url: str, requests: list[web.BaseRequest]) -> None:
        self.url = url
        self.requests = requests
        self.asked = asyncio.Event()
        """For handlers to say that somebody asked."""

    @property
    def tokens(self) -> list[str]:
        """What each request proved itself by."""
        return [request.headers.get("Authorization", "") for request in self.requests]


@asynccontextmanager
async def serving(
    handle: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]], *, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Server]:
    """Serve all paths by one handler."""
    requests: list[web.BaseRequest] = []

    async def keep(request: web.BaseRequest) -> web.StreamResponse:
        requests.append(request)
        return await handle(request)

    runner = web.ServerRunner(web.Server(keep, handler_cancellation=True), shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
        await site.start()
        port = runner.addresses[0][1]
        yield Server(f"{'https' if tls else 'http'}://127.0.0.1:{port}", requests)
    finally:
        await runner.cleanup()


@asynccontextmanager
async def speaking(
    speak: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[str]:
    """Give the URL of a server that lets a function write bytes once a request's head has come, and then closes."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        tasks.add(task)
        try:
            await reader.readuntil(b"\r\n\r\n")
            await speak(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            tasks.discard(task)
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await server.wait_closed()


def chunked(*parts: bytes, end: bool = True) -> bytes:
    """Return the bytes of an answer in HTTP chunks, with or without the one that says that it is whole."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    body = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)
    return head + body + (b"0\r\n\r\n" if end else b"")


def document(
    server: str,
    user: Mapping[str, Any] | None = None,
    cluster: Mapping[str, Any] | None = None,
    *,
    name: str = "a",
) -> dict[str, Any]:
    """Return a kubeconfig of one context."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "clusters": [{"name": name, "cluster": {"server": server, **(cluster or {})}}],
        "users": [{"name": name, "user": dict(user or {})}],
    }


def write(path: Path, content: Mapping[str, Any]) -> Access:
    """Write a kubeconfig and return the access by it."""
    path.write_text(yaml.safe_dump(dict(content)))
    return Access(kubeconfig=path)


def data(content: bytes) -> str:
    """Return what a -data field of a kubeconfig holds."""
    return b64encode(content).decode()


def server_context(identity: Identity, folder: Path, *, clients: Identity | None = None) -> ssl.SSLContext:
    """Return the TLS of a server that presents an identity, and wants one that `clients` issued."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*identity.write(folder))
    if clients is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=clients.pem.decode())
    return context


async def fetch(access: Access, *, timeout: float = WITHIN) -> Any:  # noqa: ASYNC109  # the client's own
    """Return the JSON that one request brings."""
    async with KubeApi(access, timeout=timeout) as api:
        return json.loads(await api.get(PATH))
