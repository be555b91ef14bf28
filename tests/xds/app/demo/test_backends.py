"""Backends answer, and record what they saw: bytes, TLS, failures."""

import asyncio
import socket
import ssl
from collections.abc import Callable

import pytest
import uvloop

from xds.app.demo import ports
from xds.app.demo.backends import Backend, BlackHole, UdpBackend
from xds.app.demo.certificates import Authority, self_signed
from xds.app.demo.client import Outcome, ask, ask_udp


def _client(*, trusting: Authority | None = None, highest: ssl.TLSVersion | None = None) -> ssl.SSLContext:
    """Return a client's TLS settings: it verifies against one authority, or not at all."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    if trusting is None:
        context.verify_mode = ssl.CERT_NONE
    else:
        context.load_verify_locations(cadata=trusting.pem.decode())
    if highest is not None:
        context.maximum_version = highest
    return context


async def _exchange(port: int, context: ssl.SSLContext, *, server_name: str = "") -> bytes:
    """Send a line over TLS and return what comes back until the server is told that nothing more follows."""
    reader, writer = await asyncio.open_connection(
        ports.LOOPBACK, port, ssl=context, server_hostname=server_name
    )
    writer.write(b"hello\n")
    echo = await reader.readline()
    writer.close()
    await writer.wait_closed()
    return echo


def _shake_hands(port: int, context: ssl.SSLContext) -> None:
    """Shake hands as OpenSSL does it: a client that fails sends its alert, which asyncio's would keep to itself."""
    with (
        socket.create_connection((ports.LOOPBACK, port), timeout=5) as connection,
        context.wrap_socket(connection),
    ):
        pass


async def test_a_plain_backend_echoes_and_records() -> None:
    """What is sent comes back, and the backend kept it, with nothing about TLS."""
    async with Backend("web") as backend:
        attempt = await ask(backend.port, b"hello\n")
        seen = await backend.connections.first(lambda connection: connection.closed)
    assert (attempt.outcome, attempt.reply) == (Outcome.REPLY, b"hello\n")
    assert (bytes(seen.received), seen.peer, seen.failure) == (b"hello\n", attempt.address, "")
    assert (seen.tls_version, seen.server_name, seen.presented) == ("", "", "")


async def test_a_tls_backend_records_the_handshake() -> None:
    """Version, server name, the certificate shown and the decrypted bytes are recorded."""
    root = Authority("root")
    identity = root.intermediate("between").issue("web.test")
    async with Backend("web", identity=identity) as backend:
        assert await _exchange(backend.port, _client(trusting=root), server_name="web.test") == b"hello\n"
        seen = await backend.connections.first(lambda connection: connection.closed)
    assert (seen.tls_version, seen.server_name, seen.presented) == ("TLSv1.3", "web.test", "web.test")
    assert (backend.received, seen.failure) == (b"hello\n", "")


async def test_a_client_that_distrusts_the_certificate_is_recorded() -> None:
    """A handshake that the client breaks off leaves its alert in the record, and no bytes."""
    async with Backend("web", identity=self_signed("web.test")) as backend:
        with pytest.raises(ssl.SSLCertVerificationError):
            await asyncio.to_thread(_shake_hands, backend.port, _client(trusting=Authority("another")))
        seen = await backend.connections.first(lambda connection: connection.closed)
    assert seen.failure == "TLSV1_ALERT_UNKNOWN_CA"
    assert (seen.tls_version, backend.received) == ("", b"")


async def test_a_backend_of_tls_1_3_alone_says_so_to_others() -> None:
    """A client of TLS 1.2 gets the alert that names the protocol version, as real servers send it."""
    identity = self_signed("web.test")
    async with Backend("web", identity=identity, minimum=ssl.TLSVersion.TLSv1_3) as backend:
        with pytest.raises(ssl.SSLError, match="TLSV1_ALERT_PROTOCOL_VERSION"):
            await _exchange(backend.port, _client(highest=ssl.TLSVersion.TLSv1_2))
        assert await _exchange(backend.port, _client()) == b"hello\n"
        await backend.connections.until(
            lambda: all(connection.closed for connection in backend.connections), within=5, what="both ends"
        )
    assert [connection.tls_version for connection in backend.connections] == ["", "TLSv1.3"]


async def test_a_certificate_is_changed_while_a_connection_goes_on() -> None:
    """New connections see the new certificate; an open one exchanges bytes as before."""
    old, new = Authority("old"), Authority("new")
    async with Backend("web", identity=old.issue("before")) as backend:
        reader, writer = await asyncio.open_connection(
            ports.LOOPBACK, backend.port, ssl=_client(trusting=old), server_hostname=""
        )
        backend.present(new.issue("after"))
        with pytest.raises(ssl.SSLCertVerificationError):
            await _exchange(backend.port, _client(trusting=old))
        assert await _exchange(backend.port, _client(trusting=new)) == b"hello\n"
        writer.write(b"still here\n")
        assert await reader.readline() == b"still here\n"
        writer.close()
        await writer.wait_closed()
    assert [connection.presented for connection in backend.connections] == ["before", "after", "after"]


async def test_a_backend_without_tls_answers_a_handshake_in_the_clear() -> None:
    """A plain backend that is sent a TLS handshake answers as web servers do, and so breaks the handshake."""
    async with Backend("web") as backend:
        with pytest.raises(ssl.SSLError, match="WRONG_VERSION_NUMBER"):
            await _exchange(backend.port, _client())
        assert (await ask(backend.port, b"\x16\x03\x01")).reply.startswith(b"HTTP/1.1 400 Bad Request\r\n")


async def test_a_backend_answers_curl() -> None:
    """An HTTP request gets the backend's name in a whole response."""
    async with Backend("web") as backend:
        attempt = await ask(backend.port, b"GET / HTTP/1.1\r\n\r\n")
    assert attempt.reply.startswith(b"HTTP/1.1 200 OK\r\n")
    assert attempt.reply.endswith(b"\r\n\r\nweb, reached over plain TCP\n")


async def test_datagrams_are_echoed_and_recorded() -> None:
    """A datagram comes back and is kept."""
    async with UdpBackend("dns") as backend:
        attempt = await ask_udp(backend.port, b"hello")
        assert (attempt.outcome, attempt.reply) == (Outcome.REPLY, b"hello")
        assert [(datagram.peer, datagram.data) for datagram in backend.datagrams] == [
            (attempt.address, b"hello")
        ]


async def test_a_black_hole_neither_takes_nor_refuses() -> None:
    """A connection to a black hole does not come about."""
    with BlackHole("hole") as hole:
        attempt = await ask(hole.port, within=0.3)
    assert (attempt.outcome, attempt.reply) == (Outcome.TIMEOUT, b"")


async def test_leaving_a_backend_ends_its_connections_and_frees_its_port() -> None:
    """After a backend is left, its connections have ended and nobody listens on its port."""
    async with Backend("web") as backend:
        reader, writer = await asyncio.open_connection(ports.LOOPBACK, backend.port)
        await backend.connections.first(lambda _: True)
    assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()
    assert (await ask(backend.port)).outcome is Outcome.REFUSED


async def test_a_fault_of_a_backend_surfaces() -> None:
    """An exception that no network causes is raised when the backend is left, not lost."""

    class Broken(Backend):
        async def _serve(self, accepted: socket.socket, peer: str) -> None:  # noqa: ARG002
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        async with Broken("web") as backend:
            await ask(backend.port)


@pytest.mark.parametrize(
    "new_loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"]
)
def test_backends_run_on_either_event_loop(new_loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    """TCP, TLS and UDP work the same under asyncio's own loop and under uvloop."""

    async def all_of_them() -> list[object]:
        async with (
            Backend("plain") as plain,
            Backend("tls", identity=self_signed("tls")) as tls,
            UdpBackend("udp") as udp,
        ):
            return [
                (await ask(plain.port)).outcome,
                await _exchange(tls.port, _client()),
                (await ask_udp(udp.port)).outcome,
            ]

    with asyncio.Runner(loop_factory=new_loop) as runner:
        assert runner.run(all_of_them()) == [Outcome.REPLY, b"hello\n", Outcome.REPLY]


async def test_a_backend_can_end_its_tls() -> None:
    """From then on connections are in the clear, and it presents nothing."""
    async with Backend("web", identity=self_signed("web")) as backend:
        assert backend.presents == "web"
        backend.present(None)
        assert backend.presents == ""
        assert (await ask(backend.port, b"hello\n")).reply == b"hello\n"
        assert backend.connections[0].presented == ""
