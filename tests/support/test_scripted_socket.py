"""The scripted socket sends what its scripts say, byte by byte, and no more."""

import asyncio

import pytest

from tests.support.scripted_socket import REQUEST, RESET, ScriptedSocket

ASKED = b"GET /a HTTP/1.1\r\nHost: b\r\n\r\n"


async def test_steps_in_their_order() -> None:
    """A script reads requests, sends bytes, waits for events, and closes the connection at its end."""
    event = asyncio.Event()
    async with ScriptedSocket([REQUEST, b"one", event, b"two"]) as server, asyncio.timeout(10):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(ASKED)
        assert await reader.readexactly(3) == b"one"
        assert [*server.received] == [ASKED]
        event.set()
        assert await reader.read() == b"two"
        writer.close()


async def test_a_script_for_each_connection() -> None:
    """Connections have their own scripts, and those that come after all scripts have the last."""
    async with ScriptedSocket([b"first"], [b"later"]) as server, asyncio.timeout(10):
        for expected in (b"first", b"later", b"later"):
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            assert await reader.read() == expected
            writer.close()
        assert server.connections == 3


async def test_reset() -> None:
    """A connection can be broken with a RST, after what was sent before."""
    async with ScriptedSocket([REQUEST, b"half", RESET]) as server, asyncio.timeout(10):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(ASKED)
        assert await reader.readexactly(4) == b"half"
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()


async def test_a_client_that_leaves() -> None:
    """A client that goes away before its script's end leaves nothing behind."""
    async with ScriptedSocket([REQUEST, asyncio.Event()]) as server, asyncio.timeout(10):
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(ASKED)
        await server.received.first(ASKED.__eq__)
        writer.transport.abort()
    assert not server._tasks
