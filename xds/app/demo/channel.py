"""Bytes over an accepted connection, in the clear or as the server's end of TLS.

asyncio's own TLS is not used for the backends: when a handshake fails it closes the connection without sending the alert that says
why, and tells nobody. Real backends send the alert, and it is what Envoy reports as the failure's reason.
"""

import asyncio
import contextlib
import socket
import ssl
import tempfile
from collections.abc import Callable
from typing import Any, TypeVar, cast

from xds.app.demo.certificates import Identity

_CHUNK = 1 << 16

T = TypeVar("T")


class Channel:
    """A connected non-blocking socket. Whoever made it closes the socket; reading and writing raise `OSError` when it breaks."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    async def read(self) -> bytes:
        """Return the next bytes; none when the peer has ended its side."""
        return await asyncio.get_running_loop().sock_recv(self._connection, _CHUNK)

    async def write(self, data: bytes) -> None:
        """Send all of it."""
        await asyncio.get_running_loop().sock_sendall(self._connection, data)

    async def finish(self) -> None:
        """Say that nothing more will be sent, as far as the protocol has a word for it."""


class _Served(ssl.SSLObject):
    """A server's end of TLS that remembers the name it was asked for (the standard one keeps a client's own only)."""

    asked_for: str = ""


class TlsChannel(Channel):
    """The server's end of TLS over a connected socket; call `handshake` first."""

    def __init__(self, connection: socket.socket, context: ssl.SSLContext) -> None:
        super().__init__(connection)
        self._arrived, self._leaving = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = cast("_Served", context.wrap_bio(self._arrived, self._leaving, server_side=True))

    @property
    def version(self) -> str:
        """The protocol version agreed upon, such as `TLSv1.3`."""
        return self._tls.version() or ""

    @property
    def server_name(self) -> str:
        """The name that the client asked for (SNI); empty when it named none."""
        return self._tls.asked_for

    async def handshake(self) -> None:
        """Shake hands. Raises `ssl.SSLError` when it fails, after the alert about it is sent; any `OSError` when the client leaves."""
        await self._through(self._tls.do_handshake)

    async def read(self) -> bytes:
        """Return the next decrypted bytes; none when the peer has ended its side, properly or not."""
        try:
            return await self._through(lambda: self._tls.read(_CHUNK))
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            return b""

    async def write(self, data: bytes) -> None:
        """Encrypt and send all of it."""
        await self._through(lambda: self._tls.write(data))

    async def finish(self) -> None:
        """Send close_notify, without waiting for the peer's; one that is gone already needs none."""
        with contextlib.suppress(ssl.SSLError):  # it wants the peer's
            self._tls.unwrap()
        with contextlib.suppress(ConnectionError):
            await self._flush()

    async def _through(self, step: Callable[[], T]) -> T:
        """Do one step of TLS, reading from the socket as often as it asks for more."""
        while True:
            try:
                result = step()
            except ssl.SSLWantReadError:
                await self._flush()
                if chunk := await super().read():
                    self._arrived.write(chunk)
                else:
                    self._arrived.write_eof()
            except ssl.SSLError:
                with contextlib.suppress(ConnectionError):
                    await self._flush()
                raise
            else:
                await self._flush()
                return result

    async def _flush(self) -> None:
        if self._leaving.pending:
            await super().write(self._leaving.read())


def server_context(identity: Identity, minimum: ssl.TLSVersion, maximum: ssl.TLSVersion) -> ssl.SSLContext:
    """Return a server's TLS settings; the key passes through a private temporary file, since OpenSSL reads it from nowhere else."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version, context.maximum_version = minimum, maximum
    with tempfile.NamedTemporaryFile(suffix=".pem") as file:
        file.write(identity.key_pem + identity.chain_pem)
        file.flush()
        context.load_cert_chain(file.name)

    def remember(served: ssl.SSLObject, name: str | None, _context: ssl.SSLContext) -> None:
        cast("_Served", served).asked_for = name or ""

    context.sslobject_class = _Served
    context.sni_callback = cast("Callable[..., Any]", remember)
    return context
