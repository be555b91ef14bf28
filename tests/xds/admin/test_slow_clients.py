"""Clients that take their time, or never come to an end, cost the others nothing."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import pytest
from prometheus_client import CollectorRegistry, Gauge

from xds.admin import http as module
from xds.admin.ops import OpsServer

BOUND = 5.0
HALF_A_REQUEST = b"GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: "


class Connection:
    """A connection that is spoken to by hand."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    def send(self, data: bytes) -> None:
        """Send bytes."""
        self._writer.write(data)

    async def read_to_end(self) -> bytes:
        """Return all that comes until the connection ends, in whatever way."""
        received = b""
        async with asyncio.timeout(BOUND):
            try:
                while data := await self._reader.read(65536):
                    received += data
            except ConnectionResetError:
                pass
        return received

    def close(self) -> None:
        """Hang up."""
        self._writer.close()


class Connect:
    """Opens connections, and closes them at the end."""

    def __init__(self, stack: AsyncExitStack, port: int) -> None:
        self._stack = stack
        self._port = port

    async def __call__(self, *, limit: int = 65536) -> Connection:
        """Open one; what its client does not read is read ahead up to some times the limit, in bytes."""
        narrow = socket.socket()
        narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, limit)
        narrow.setblocking(False)
        await asyncio.get_running_loop().sock_connect(narrow, ("127.0.0.1", self._port))
        connection = Connection(*await asyncio.open_connection(sock=narrow, limit=limit))
        self._stack.callback(connection.close)
        return connection


@pytest.fixture
async def connect(port: int) -> AsyncIterator[Connect]:
    """Yield what opens connections."""
    async with AsyncExitStack() as stack:
        yield Connect(stack, port)


async def test_half_requests_keep_nobody_waiting(connect: Connect, client: aiohttp.ClientSession) -> None:
    """While others have sent half a request each, one that is whole is answered."""
    for _ in range(20):
        (await connect()).send(HALF_A_REQUEST)
    async with client.get("/healthz") as response:
        assert response.status == 200


async def test_a_request_that_never_ends_is_cut_off(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection ends after its time, although its request has not."""
    monkeypatch.setattr(module, "LIFETIME", 0.05)
    connection = await connect()
    connection.send(HALF_A_REQUEST)
    assert await connection.read_to_end() == b""


async def test_an_answer_that_is_not_read_is_cut_off(
    connect: Connect, ops: OpsServer, registry: CollectorRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection ends after its time, although its client has not read the answer."""
    # Making the answer takes a twentieth of that.
    monkeypatch.setattr(module, "LIFETIME", 1.0)
    gauge = Gauge("things", "Things.", labelnames=["name"], registry=registry)
    for number in range(80):  # twice what the kernel keeps for the server
        gauge.labels(f"{number}-{'x' * 100_000}").set(1)
    connection = await connect(limit=1)
    http, lost = ops._http._http, asyncio.Event()
    assert http is not None
    real = http.connection_lost

    def connection_lost(handler: Any, error: BaseException | None = None) -> None:
        real(handler, error)
        lost.set()

    monkeypatch.setattr(http, "connection_lost", connection_lost)
    connection.send(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
    await asyncio.wait_for(lost.wait(), BOUND)
    assert 0 < len(await connection.read_to_end()) < 80 * 100_000


async def test_a_connection_carries_one_request(connect: Connect) -> None:
    """The server hangs up after its answer."""
    connection = await connect()
    connection.send(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" * 2)
    received = await connection.read_to_end()
    assert received.startswith(b"HTTP/1.1 200 OK\r\n")
    assert received.count(b"HTTP/1.1") == 1
    assert b"\r\nConnection: close\r\n" in received


async def test_the_oldest_connection_makes_room(
    connect: Connect, client: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever holds all the connections that there may be loses the oldest to the next one, which is answered."""
    monkeypatch.setattr(module, "MAX_CONNECTIONS", 2)
    first, second = await connect(), await connect()
    async with client.get("/healthz") as response:
        assert response.status == 200
    assert await first.read_to_end() == b""
    second.send(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
    assert b"200 OK" in await second.read_to_end()


async def test_what_is_no_http_is_not_logged(connect: Connect, caplog: pytest.LogCaptureFixture) -> None:
    """Whoever speaks something else gets 400, and fills no log."""
    with caplog.at_level(logging.DEBUG):
        for garbage in (
            b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
            b"GET\r\n\r\n",
            b"GET / HTTP/1.1\r\n:\r\n\r\n",
        ):
            connection = await connect()
            connection.send(garbage)
            assert (await connection.read_to_end()).startswith(b"HTTP/1.0 400")
    assert [record for record in caplog.records if record.name.startswith(("aiohttp", "xds"))] == []


async def test_stopping_waits_for_nobody(connect: Connect, ops: OpsServer) -> None:
    """Connections that are open end with the listener."""
    connection = await connect()
    connection.send(HALF_A_REQUEST)
    async with asyncio.timeout(BOUND):
        await ops.stop()
    assert await connection.read_to_end() == b""
