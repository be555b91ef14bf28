"""Clients of Envoy's listeners: what comes back, how fast, and whether it goes on.

A client knows an address and bytes. What it reports about a connection carries the connection's own address, by which the same
connection is found in Envoy's access log.
"""

import asyncio
import contextlib
import enum
import socket
import time
from collections.abc import Coroutine
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from xds.app.demo.ports import LOOPBACK
from xds.app.demo.waiting import Journal

_CHUNK = 1 << 16
PING = b"ping\n"


class Outcome(enum.Enum):
    """How an attempt ended: with an answer, or else how the connection did."""

    REPLY = "reply"
    CLOSED = "closed without a reply"
    RESET = "reset"
    REFUSED = "refused"
    TIMEOUT = "no answer"

    def __str__(self) -> str:
        """Say it as a table shows it."""
        return self.value


@dataclass(frozen=True, slots=True)
class Attempt:
    """One connection or datagram: what came of it.

    `started` is `time.monotonic`'s, `milliseconds` from there to the outcome; `address` is the client's own end (`ip:port`), empty when
    it never got one; `reply` holds what arrived, also when the connection was cut short of it.
    """

    outcome: Outcome
    reply: bytes
    address: str
    started: float
    milliseconds: float

    @property
    def cut(self) -> bool:
        """Whether the other end took the connection and then ended it without a whole reply.

        Envoy closes at once what it has no host for. Whether the client sees that as a reset or as an orderly close depends on whether its
        bytes were there first.
        """
        return self.outcome in (Outcome.RESET, Outcome.CLOSED)

    @property
    def ended(self) -> float:
        """When the outcome was there (`time.monotonic`)."""
        return self.started + self.milliseconds / 1000


async def ask(
    port: int, payload: bytes = PING, *, host: str = LOOPBACK, at_least: int = 1, within: float = 5.0
) -> Attempt:
    """Connect, send, and wait for `at_least` bytes, all of it `within` seconds. Never raises for what the network does."""
    started = time.monotonic()
    reply = bytearray()
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM) as connection:
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        outcome = await _outcome(_asked(connection, (host, port), payload, reply, at_least), within)
        address = _own_address(connection)
    return Attempt(outcome, bytes(reply), address, started, (time.monotonic() - started) * 1000)


async def _asked(
    connection: socket.socket, target: tuple[str, int], payload: bytes, reply: bytearray, at_least: int
) -> Outcome:
    loop = asyncio.get_running_loop()
    await loop.sock_connect(connection, target)
    await loop.sock_sendall(connection, payload)
    while len(reply) < at_least:
        chunk = await loop.sock_recv(connection, _CHUNK)
        if not chunk:
            return Outcome.CLOSED
        reply += chunk
    return Outcome.REPLY


async def ask_udp(port: int, payload: bytes = PING, *, host: str = LOOPBACK, within: float = 5.0) -> Attempt:
    """Send one datagram and wait for one. `REFUSED` when the host says that nothing listens on the port."""
    started = time.monotonic()
    loop = asyncio.get_running_loop()
    transport, exchange = await loop.create_datagram_endpoint(_Exchange, remote_addr=(host, port))
    address = "{}:{}".format(*transport.get_extra_info("sockname"))
    try:
        transport.sendto(payload)
        outcome = await _outcome(exchange.answered(), within)
    finally:
        transport.close()
    return Attempt(outcome, exchange.reply, address, started, (time.monotonic() - started) * 1000)


class _Exchange(asyncio.DatagramProtocol):
    """The first datagram, or the first error, of a UDP socket."""

    def __init__(self) -> None:
        self.reply = b""
        self._done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def answered(self) -> Outcome:
        await self._done
        return Outcome.REPLY

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:  # noqa: ARG002
        if not self._done.done():
            self.reply = data
            self._done.set_result(None)

    def error_received(self, exc: Exception) -> None:
        if not self._done.done():
            self._done.set_exception(exc)


async def _outcome(attempt: Coroutine[Any, Any, Outcome], within: float) -> Outcome:
    """Say in one word how an attempt ended that has `within` seconds for it."""
    try:
        async with asyncio.timeout(within):
            return await attempt
    except TimeoutError:
        return Outcome.TIMEOUT
    except ConnectionRefusedError:
        return Outcome.REFUSED
    except ConnectionError:  # reset while reading, or a broken pipe while writing
        return Outcome.RESET


def _own_address(connection: socket.socket) -> str:
    host, port = connection.getsockname()[:2]
    return f"{host}:{port}" if port else ""


class Conversation:
    """A connection that goes on: numbered lines there and their echo back, until it breaks or is left.

    `exchanges` counts the echoes, `broken` says how it ended, or `None` as long as it lives. An async context manager.
    """

    def __init__(self, port: int, *, host: str = LOOPBACK, every: float = 0.02) -> None:
        self.exchanges: Journal[float] = Journal(f"the conversation with port {port}")
        self.broken: str | None = None
        self.address = ""
        self._target = (host, port)
        self._every = every
        self._talking: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        reader, writer = await asyncio.open_connection(*self._target)
        self.address = "{}:{}".format(*writer.get_extra_info("sockname"))
        self._talking = asyncio.create_task(self._talk(reader, writer))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._talking is not None:
            self._talking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._talking

    async def goes_on(self, *, exchanges: int = 2, within: float = 5.0) -> bool:
        """Wait for this many more exchanges; `False` when the connection breaks first. Raises `NotSeenError` when neither happens.

        The first echo to come may answer a line sent before the call; with two, one line at least was sent after it.
        """
        target = len(self.exchanges) + exchanges
        await self.exchanges.until(
            lambda: len(self.exchanges) >= target or self.broken is not None,
            within=within,
            what=f"{exchanges} more exchanges",
        )
        return self.broken is None

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                line = b"line %d\n" % len(self.exchanges)
                writer.write(line)
                await writer.drain()
                echo = await reader.readexactly(len(line))
                if echo != line:
                    self.broken = f"{line!r} came back as {echo!r}"
                    return
                self.exchanges.add(time.monotonic())
                await asyncio.sleep(self._every)
        except asyncio.IncompleteReadError:
            self.broken = "closed by the other end"
        except OSError as error:
            self.broken = str(error)
        finally:
            self.exchanges.touch()
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


class Traffic:
    """New connections at a steady rate, each asking once; `attempts` records them in the order in which they ended.

    An async context manager: leaving stops opening connections and waits for those that are under way.
    """

    def __init__(
        self, port: int, *, host: str = LOOPBACK, per_second: float = 50, within: float = 5.0
    ) -> None:
        self.attempts: Journal[Attempt] = Journal(f"the traffic to port {port}")
        self._port, self._host, self._pause, self._within = port, host, 1 / per_second, within
        self._running: asyncio.Task[None] | None = None

    @property
    def lost(self) -> list[Attempt]:
        """The attempts that got no reply."""
        return [attempt for attempt in self.attempts if attempt.outcome is not Outcome.REPLY]

    async def since(self, moment: float, *, count: int = 1, within: float = 5.0) -> list[Attempt]:
        """Wait until `count` attempts that started after `moment` (`time.monotonic`) have ended, and return them."""

        def started_since() -> list[Attempt]:
            return [attempt for attempt in self.attempts if attempt.started >= moment]

        await self.attempts.until(
            lambda: len(started_since()) >= count, within=within, what=f"{count} attempts"
        )
        return started_since()

    async def __aenter__(self) -> Self:
        self._running = asyncio.create_task(self._run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._running is not None:
            self._running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._running

    async def _run(self) -> None:
        """Open connections until cancelled; the next moment is counted from the start, so that a late one does not slow the rest."""
        under_way: set[asyncio.Task[None]] = set()
        following = time.monotonic()
        try:
            while True:
                task = asyncio.create_task(self._attempt())
                under_way.add(task)
                task.add_done_callback(under_way.discard)
                following += self._pause
                await asyncio.sleep(max(0.0, following - time.monotonic()))
        finally:
            await asyncio.gather(*under_way)

    async def _attempt(self) -> None:
        self.attempts.add(await ask(self._port, host=self._host, within=self._within))
