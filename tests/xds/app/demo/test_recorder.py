"""A recorder in front of a backend sees every byte, and changes none."""

import asyncio
import socket
import ssl
import struct
from collections.abc import Callable

import pytest

from xds.app.demo import ports
from xds.app.demo.backends import Backend
from xds.app.demo.certificates import self_signed
from xds.app.demo.client import Outcome, ask
from xds.app.demo.recorder import Recorder
from xds.app.demo.wire import HANDSHAKE, PROXY_SIGNATURE, ProxyHeader

PROXY_HEADER = (
    PROXY_SIGNATURE
    + b"\x21\x11\x00\x0c"
    + bytes((192, 0, 2, 1, 10, 0, 0, 7))
    + struct.pack("!HH", 40000, 443)
)


async def _send_over_tls(port: int) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    reader, writer = await asyncio.open_connection(ports.LOOPBACK, port, ssl=context)
    writer.write(b"hello\n")
    assert await reader.readline() == b"hello\n"
    writer.close()
    await writer.wait_closed()


async def test_a_tls_connection_is_nothing_but_records() -> None:
    """Over TLS both directions are TLS records from the first byte, and the backend got the bytes."""
    async with (
        Backend("web", identity=self_signed("web")) as backend,
        Recorder("web", backend.port) as recorder,
    ):
        await _send_over_tls(recorder.port)
        seen = await recorder.recordings.first(lambda recording: recording.closed)
    assert backend.received == b"hello\n"
    assert seen.to_backend.first[0] == seen.to_envoy.first[0] == HANDSHAKE
    assert seen.to_backend.only_tls
    assert seen.to_envoy.only_tls
    assert recorder.in_the_clear == []


async def test_bytes_in_the_clear_are_caught() -> None:
    """A connection without TLS is relayed all the same, and listed as in the clear."""
    async with Backend("web") as backend, Recorder("web", backend.port) as recorder:
        attempt = await ask(recorder.port, b"hello\n")
        seen = await recorder.recordings.first(lambda recording: recording.closed)
    assert attempt.reply == b"hello\n"
    assert recorder.in_the_clear == [seen]
    assert seen.to_backend.first == b"hello\n"


async def test_a_proxy_header_is_taken_off_and_recorded() -> None:
    """The addresses before the first byte are kept, and the backend sees only what follows them."""
    async with Backend("web") as backend, Recorder("web", backend.port, proxy_protocol=True) as recorder:
        attempt = await ask(recorder.port, PROXY_HEADER + b"hello\n")
    assert attempt.reply == b"hello\n"
    assert recorder.recordings[0].proxy == ProxyHeader("192.0.2.1:40000", "10.0.0.7:443")
    assert backend.received == b"hello\n"


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (b"GET / HTTP/1.1\r\n", "no PROXY protocol v2 header"),
        (PROXY_HEADER[:14], "the connection ended after"),
    ],
    ids=["another protocol", "cut short"],
)
async def test_a_missing_proxy_header_ends_the_connection(sent: bytes, reason: str) -> None:
    """Without the header that it expects, the recorder relays nothing and says why."""
    async with Backend("web") as backend, Recorder("web", backend.port, proxy_protocol=True) as recorder:
        _, writer = await asyncio.open_connection(ports.LOOPBACK, recorder.port)
        writer.write(sent)
        writer.write_eof()
        seen = await recorder.recordings.first(lambda recording: recording.closed)
        writer.close()
        await writer.wait_closed()
    assert reason in seen.failure
    assert not backend.connections


async def test_a_reset_is_passed_on() -> None:
    """A backend's reset reaches the client as a reset, not as an orderly close."""
    with ports.bound() as listening:
        listening.listen()
        async with Recorder("web", listening.getsockname()[1]) as recorder:
            asking = asyncio.create_task(ask(recorder.port))
            accepted, _ = await asyncio.get_running_loop().sock_accept(listening)
            accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            accepted.close()
            assert (await asking).outcome is Outcome.RESET


async def test_a_backend_that_is_not_there_is_a_reset() -> None:
    """A connection that cannot be relayed is reset, and the recorder says why."""
    with ports.bound() as unused:
        async with Recorder("web", unused.getsockname()[1]) as recorder:
            assert (await ask(recorder.port)).cut
            seen = await recorder.recordings.first(lambda recording: recording.closed)
    assert "ConnectionRefusedError" in seen.failure


async def test_a_recorder_on_a_port_of_the_callers(free_port: Callable[..., int]) -> None:
    """It listens where it is told, and a port that is taken is an error at once."""
    port = free_port()
    async with Backend("web") as backend, Recorder("web", backend.port, port=port) as recorder:
        assert recorder.port == port
        assert (await ask(port)).outcome is Outcome.REPLY
        with pytest.raises(OSError, match="Address already in use"):
            Recorder("other", backend.port, port=port)
