"""Backends that record what they saw: TCP, TLS, UDP, and one that never answers a connection.

A row of the demo is believed because of what its backend recorded: which bytes arrived, over which TLS version, with which server
name, or that the handshake failed and nothing arrived. Backends know nothing of Envoy.
"""

import asyncio
import contextlib
import socket
import ssl
import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from xds.app.demo import ports
from xds.app.demo.acceptor import Acceptor
from xds.app.demo.certificates import Identity
from xds.app.demo.channel import Channel, TlsChannel, server_context
from xds.app.demo.waiting import Journal
from xds.app.demo.wire import HANDSHAKE


@dataclass(slots=True)
class Connection:
    """What a backend saw of one connection; it goes on changing until `closed`.

    `opened` is `time.monotonic`'s. The TLS fields are empty on a connection without TLS; `presented` names the identity whose certificate
    was shown; `failure` says why the handshake failed or how the connection broke; `received` is what arrived after decryption.
    """

    peer: str
    opened: float
    tls_version: str = ""
    server_name: str = ""
    presented: str = ""
    failure: str = ""
    received: bytearray = field(default_factory=bytearray)
    closed: bool = False


class Backend(Acceptor):
    """Answers on a TCP port, with TLS when it has an identity; `connections` records each connection.

    It echoes what it is sent, answers HTTP requests with its name so that `curl` shows something, and answers a TLS handshake that it
    does not understand as web servers do: with `400 Bad Request` in the clear.
    """

    def __init__(
        self,
        name: str,
        *,
        identity: Identity | None = None,
        minimum: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2,
        maximum: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
    ) -> None:
        super().__init__(name)
        self.connections: Journal[Connection] = Journal(f"backend {name}'s connections")
        self._versions = minimum, maximum
        self.present(identity)

    @property
    def presents(self) -> str:
        """The name of the identity whose certificate the next connection is shown; empty without TLS."""
        return self._presents

    def present(self, identity: Identity | None) -> None:
        """Show another certificate, or speak no TLS, from the next connection on; those that are open go on as they began."""
        self._presents = identity.name if identity else ""
        self._context = server_context(identity, *self._versions) if identity else None

    @property
    def received(self) -> bytes:
        """All that arrived on all connections, after decryption."""
        return b"".join(connection.received for connection in self.connections)

    async def _serve(self, accepted: socket.socket, peer: str) -> None:
        seen = Connection(peer, time.monotonic())
        self.connections.add(seen)
        try:
            channel = await self._opened(accepted, seen)
            await self._answer(channel, seen)
            await channel.finish()
        except OSError as error:
            seen.failure = getattr(error, "reason", None) or str(error)
        finally:
            seen.closed = True
            self.connections.touch()

    async def _opened(self, accepted: socket.socket, seen: Connection) -> Channel:
        if self._context is None:
            return Channel(accepted)
        seen.presented = self._presents
        channel = TlsChannel(accepted, self._context)
        try:
            await channel.handshake()
        finally:
            seen.server_name = channel.server_name
        seen.tls_version = channel.version
        self.connections.touch()
        return channel

    async def _answer(self, channel: Channel, seen: Connection) -> None:
        while chunk := await channel.read():
            seen.received += chunk
            self.connections.touch()
            if chunk[0] == HANDSHAKE:
                await channel.write(
                    _http_response("400 Bad Request", f"{self.name} speaks no TLS on this port")
                )
                return
            if chunk.startswith((b"GET ", b"HEAD ")):
                over = seen.tls_version or "plain TCP"
                await channel.write(_http_response("200 OK", f"{self.name}, reached over {over}"))
                return
            await channel.write(chunk)


def _http_response(status: str, text: str) -> bytes:
    body = f"{text}\n"
    return (
        f"HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {len(body.encode())}\r\n"
        f"Connection: close\r\n\r\n{body}"
    ).encode()


@dataclass(frozen=True, slots=True)
class Datagram:
    """A datagram that arrived, and who sent it (`ip:port`)."""

    peer: str
    data: bytes


class UdpBackend(asyncio.DatagramProtocol):
    """Echoes datagrams; `datagrams` records them. An async context manager like the other backends."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.datagrams: Journal[Datagram] = Journal(f"backend {name}'s datagrams")
        self._socket = ports.bound("UDP")
        self.port: int = self._socket.getsockname()[1]
        self._transport: asyncio.DatagramTransport | None = None
        self._gone: asyncio.Future[None]

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._gone = loop.create_future()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, sock=self._socket)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._transport is not None:
            self._transport.close()
            await self._gone

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        """Record and echo."""
        self.datagrams.add(Datagram(f"{addr[0]}:{addr[1]}", data))
        if self._transport is not None:
            self._transport.sendto(data, addr)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """Let whoever closes the backend know that the port is free."""
        self._gone.set_result(None)


class BlackHole:
    """A port whose connections never come about: neither accepted nor refused.

    Its listening socket's queue is full from the start, so the kernel drops each SYN, as a firewall would. What connects waits for its
    own timeout: a cluster that waits for such an endpoint stays warming meanwhile.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._socket = ports.bound()
        self._socket.listen(0)
        self.port: int = self._socket.getsockname()[1]
        self._fillers = [
            self._fill(),
            self._fill(),
        ]  # a backlog of 0 still queues one; the second shows that it is full

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for each in (*self._fillers, self._socket):
            each.close()

    def _fill(self) -> socket.socket:
        filler = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        filler.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            filler.connect((ports.LOOPBACK, self.port))
        return filler
