"""Stands between Envoy and a backend, and keeps what it sees on the wire.

A backend can only tell what its TLS library made of the bytes. The recorder sees the bytes: that a PROXY protocol header comes
before the handshake, and that nothing but TLS records ever passes. It changes nothing that it relays, and knows no keys.
"""

import asyncio
import contextlib
import socket
import struct
import time
from dataclasses import dataclass, field

from xds.app.demo import ports
from xds.app.demo.acceptor import Acceptor
from xds.app.demo.waiting import Journal
from xds.app.demo.wire import PROXY_PREFIX, ProxyHeader, TlsRecords, parse_proxy_header, proxy_header_rest

_CHUNK = 1 << 16


@dataclass(slots=True)
class Recording:
    """What passed on one connection, both ways; it goes on changing until `closed`.

    `proxy` is the PROXY protocol header that came first, when the recorder expects one; `failure` says why there was none, or how the
    connection broke. `opened` is `time.monotonic`'s.
    """

    peer: str
    opened: float
    proxy: ProxyHeader | None = None
    to_backend: TlsRecords = field(default_factory=TlsRecords)
    to_envoy: TlsRecords = field(default_factory=TlsRecords)
    failure: str = ""
    closed: bool = False


class Recorder(Acceptor):
    """Relays to a port of 127.0.0.1; with `proxy_protocol`, takes a PROXY protocol v2 header off first. `recordings` keeps what passed."""

    def __init__(
        self,
        name: str,
        target: int,
        *,
        host: str = ports.LOOPBACK,
        port: int | None = None,
        proxy_protocol: bool = False,
    ) -> None:
        super().__init__(name, host=host, port=port)
        self.recordings: Journal[Recording] = Journal(f"recorder {name}")
        self._target = target
        self._proxy_protocol = proxy_protocol

    @property
    def in_the_clear(self) -> list[Recording]:
        """The connections on which Envoy sent anything that was no TLS record."""
        return [recording for recording in self.recordings if not recording.to_backend.only_tls]

    async def _serve(self, accepted: socket.socket, peer: str) -> None:
        recording = Recording(peer, time.monotonic())
        self.recordings.add(recording)
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as backend:
            backend.setblocking(False)
            backend.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                if self._proxy_protocol:
                    recording.proxy = await _take_proxy_header(accepted)
                    self.recordings.touch()
                await asyncio.get_running_loop().sock_connect(backend, (ports.LOOPBACK, self._target))
                async with asyncio.TaskGroup() as both:
                    both.create_task(self._relay(accepted, backend, recording, recording.to_backend))
                    both.create_task(self._relay(backend, accepted, recording, recording.to_envoy))
            except* (OSError, ValueError, EOFError) as errors:
                recording.failure = "; ".join(_said(error) for error in errors.exceptions)
                for broken in (accepted, backend):  # closing them resets the connections
                    broken.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            finally:
                recording.closed = True
                self.recordings.touch()

    async def _relay(
        self, source: socket.socket, sink: socket.socket, recording: Recording, records: TlsRecords
    ) -> None:
        """Pass on one direction to its end. Raises `OSError` when either side breaks."""
        loop = asyncio.get_running_loop()
        try:
            while chunk := await loop.sock_recv(source, _CHUNK):
                records.feed(chunk)
                self.recordings.touch()
                await loop.sock_sendall(sink, chunk)
        except OSError as error:
            recording.failure = _said(error)  # at once: the kernel tells a reset to the first who asks only
            raise
        if not recording.failure:
            with contextlib.suppress(OSError):  # it has ended by itself meanwhile
                sink.shutdown(socket.SHUT_WR)


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


async def _take_proxy_header(connection: socket.socket) -> ProxyHeader:
    prefix = await _exactly(connection, PROXY_PREFIX)
    return parse_proxy_header(prefix + await _exactly(connection, proxy_header_rest(prefix)))


async def _exactly(connection: socket.socket, size: int) -> bytes:
    """Read this many bytes and not one more. Raises `EOFError` when the connection ends before."""
    data = b""
    while len(data) < size:
        chunk = await asyncio.get_running_loop().sock_recv(connection, size - len(data))
        if not chunk:
            raise EOFError(f"the connection ended after {data!r}")
        data += chunk
    return data
