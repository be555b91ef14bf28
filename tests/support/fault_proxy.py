"""A proxy in front of the real API server that forwards, and breaks what it is told to break: there is no fake API server.

What it speaks to the program under test is plain HTTP/1.1 without compression; bearer tokens pass through it. What the API server does to
a connection (it refuses, breaks off, holds still) it does to its client's. It does not know the program under test.
"""

import asyncio
import socket
import ssl
import struct
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Never, Self

import aiohttp
from aiohttp import web
from multidict import CIMultiDict

from tests.support.faults import Body, CutError, Faults, Request, Rule, When
from xds.app.demo.ports import LOOPBACK, bound
from xds.app.demo.waiting import Journal

_NOT_PASSED_ON = ("Host", "Accept-Encoding", "Connection", "Keep-Alive", "Transfer-Encoding")
"""Headers that are about one connection; compression is refused so that a body's lines can be told apart."""


class FaultProxy(Faults):
    """One proxy; an async context manager. ``target`` is the API server's URL, ``authority`` the file with what signed its certificate.

    It forwards everything until it is told otherwise.
    """

    def __init__(self, target: str, authority: Path | None = None) -> None:
        super().__init__()
        self.requests: Journal[Request] = Journal("the proxy's requests")
        self.port = 0
        self._target = target
        self._tls = ssl.create_default_context(cafile=authority) if authority else True
        self._session: aiohttp.ClientSession | None = None
        self._server = web.Server(self._serve, handler_cancellation=True)
        self._listening: asyncio.Server | None = None

    @property
    def url(self) -> str:
        """Where clients are to connect."""
        return f"http://{LOOPBACK}:{self.port}"

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            self._target,
            connector=aiohttp.TCPConnector(ssl=self._tls, limit=0),
            timeout=aiohttp.ClientTimeout(),
            auto_decompress=False,
            skip_auto_headers=("Accept-Encoding", "User-Agent", "Content-Type", "Accept"),
        )
        await self.accept()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.refuse()
        await self._server.shutdown(0)
        if self._session is not None:
            await self._session.close()

    async def saw(self, matches: When, *, within: float = 10.0, count: int = 1) -> Request:
        """Wait for the count-th request that matches, and return it; what changes in a request counts, such as its ``status``."""

        def found() -> list[Request]:
            return [request for request in self.requests if matches(request)]

        await self.requests.until(
            lambda: len(found()) >= count, within=within, what=f"{count} matching requests"
        )
        return found()[count - 1]

    def cut_all(self, *, reset: bool = False) -> None:
        """Break all connections that there are, idle ones too."""
        for connection in self._server.connections:
            if connection.transport is not None:
                _break(connection.transport, reset=reset)

    def refuse(self) -> None:
        """Refuse new connections. Those that there are go on: see `cut_all`."""
        if self._listening is not None:
            self._listening.close()
            self._listening = None

    async def accept(self) -> None:
        """Take new connections again, on the same port."""
        listening = bound(port=self.port or None)
        self.port = listening.getsockname()[1]
        self._listening = await asyncio.get_running_loop().create_server(self._server, sock=listening)

    async def _serve(self, asked: web.BaseRequest) -> web.StreamResponse:
        request = Request(asked.method, asked.path, dict(asked.query), dict(asked.headers), time.monotonic())
        self.requests.add(request)
        try:
            return await self._respond(asked, request)
        except CutError as cut:
            await _broken(asked, reset=cut.reset)
        except (OSError, aiohttp.ClientError):  # the API server's fault, or the client is gone
            await _broken(asked, reset=False)
        finally:
            request.over = True
            self.requests.touch()

    async def _respond(self, asked: web.BaseRequest, request: Request) -> web.StreamResponse:
        breaking: Rule | None = None
        for rule in [*self.rules]:
            if rule.silences or (breaking and not rule.seconds) or not rule.takes(request):
                continue
            if rule.seconds:
                await asyncio.sleep(rule.seconds)
            elif rule.holds:
                await rule.healed.wait()
            else:
                breaking = rule
        if breaking and breaking.answer:
            response = breaking.answer()
            request.status = response.status
            return response
        return await self._forward(asked, request, breaking)

    async def _forward(
        self, asked: web.BaseRequest, request: Request, rule: Rule | None
    ) -> web.StreamResponse:
        assert self._session is not None
        headers = _passed_on(asked.headers)
        data = asked.content if asked.body_exists else None
        async with self._session.request(asked.method, asked.rel_url, headers=headers, data=data) as answer:
            headers = _passed_on(answer.headers)
            if rule and not rule.keeps_length:
                headers.popall("Content-Length", None)
            response = web.StreamResponse(status=answer.status, reason=answer.reason, headers=headers)
            if "Content-Length" not in headers:
                response.enable_chunked_encoding()
            await response.prepare(asked)
            request.status = answer.status
            self.requests.touch()
            chunks: Body = answer.content.iter_any()
            if rule and rule.body:
                chunks = rule.body(request, chunks)
            async for chunk in chunks:
                for silent in [each for each in self.rules if each.silences and each.when(request)]:
                    silent.hits += 1
                    await silent.healed.wait()
                await response.write(chunk)
                request.passed += len(chunk)
                request.lines += chunk.count(b"\n")
                self.requests.touch()
            await response.write_eof()
            return response


def _passed_on(headers: Mapping[str, str]) -> CIMultiDict[str]:
    passed = CIMultiDict(headers)
    for name in _NOT_PASSED_ON:
        passed.popall(name, None)
    return passed


def _break(transport: asyncio.BaseTransport, *, reset: bool) -> None:
    assert isinstance(transport, asyncio.Transport)
    if reset:
        connection: socket.socket = transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    else:
        transport.close()


async def _broken(asked: web.BaseRequest, *, reset: bool) -> Never:
    """Break the connection, which cancels the task that this is called from."""
    if asked.transport is not None:
        _break(asked.transport, reset=reset)
    await asyncio.get_running_loop().create_future()
    raise AssertionError
