"""Clients tell the ways in which a connection ends apart."""

import asyncio
import socket
import struct
import time

from xds.app.demo import ports
from xds.app.demo.acceptor import Acceptor
from xds.app.demo.backends import Backend
from xds.app.demo.client import Conversation, Outcome, Traffic, ask, ask_udp


class _Server(Acceptor):
    """Does one thing with each connection after it has read something from it."""

    def __init__(self, behaviour: str) -> None:
        super().__init__(behaviour)

    async def _serve(self, accepted: socket.socket, peer: str) -> None:  # noqa: ARG002
        loop = asyncio.get_running_loop()
        while received := await loop.sock_recv(accepted, 100):
            if self.name == "closes":
                return
            if self.name == "resets":
                accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return
            if self.name == "garbles":
                await loop.sock_sendall(accepted, received.upper())
            if self.name == "answers half":
                await loop.sock_sendall(accepted, received[:2])
                return


async def test_a_reply_is_timed_and_has_an_address() -> None:
    """An answered attempt has its bytes, its own address, and the time that it took."""
    async with Backend("web") as backend:
        before = time.monotonic()
        attempt = await ask(backend.port, b"hello\n")
        after = time.monotonic()
        assert backend.connections[0].peer == attempt.address
    assert (attempt.outcome, attempt.reply, attempt.cut) == (Outcome.REPLY, b"hello\n", False)
    assert before <= attempt.started <= attempt.ended <= after


async def test_a_close_without_a_reply_is_told_from_a_reset() -> None:
    """An orderly close and a reset are two outcomes, and both are cuts."""
    async with _Server("closes") as closing, _Server("resets") as resetting:
        closed, reset = await ask(closing.port), await ask(resetting.port)
    assert (closed.outcome, reset.outcome) == (Outcome.CLOSED, Outcome.RESET)
    assert closed.cut
    assert reset.cut


async def test_a_reply_that_is_too_short_is_none() -> None:
    """A connection that ends before enough bytes came is closed, with what did come."""
    async with _Server("answers half") as server:
        attempt = await ask(server.port, b"hello\n", at_least=6)
    assert (attempt.outcome, attempt.reply) == (Outcome.CLOSED, b"he")


async def test_a_port_without_a_listener_refuses() -> None:
    """Nobody listening is a refusal, over TCP and over UDP."""
    with ports.bound() as tcp:
        assert (await ask(tcp.getsockname()[1])).outcome is Outcome.REFUSED
    with ports.bound("UDP") as udp:
        unused = udp.getsockname()[1]
    assert (await ask_udp(unused)).outcome is Outcome.REFUSED


async def test_silence_is_a_timeout() -> None:
    """A connection without an answer, and a datagram without one, end at their bound."""
    async with _Server("says nothing") as server:
        attempt = await ask(server.port, within=0.05)
    with ports.bound("UDP") as udp:
        datagram = await ask_udp(udp.getsockname()[1], within=0.05)
    assert attempt.outcome is datagram.outcome is Outcome.TIMEOUT
    assert 50 <= attempt.milliseconds < 5000


async def test_a_conversation_proves_that_it_goes_on() -> None:
    """As long as its lines come back, a conversation goes on; when the other end is gone, it does not."""
    async with Conversation((backend := Backend("web")).port) as conversation:
        async with backend:
            assert await conversation.goes_on(exchanges=3)
            assert backend.connections[0].peer == conversation.address
        assert not await conversation.goes_on()
    assert conversation.broken


async def test_a_conversation_notices_wrong_bytes() -> None:
    """An echo that differs from its line ends the conversation with both in the text."""
    async with _Server("garbles") as server, Conversation(server.port) as conversation:
        assert not await conversation.goes_on()
    assert conversation.broken == r"b'line 0\n' came back as b'LINE 0\n'"


async def test_steady_traffic_loses_nothing_while_the_backend_serves() -> None:
    """Every connection of the traffic is answered, those under way at its end included."""
    async with Backend("web") as backend, Traffic(backend.port, per_second=200) as traffic:
        await traffic.since(time.monotonic(), count=20)
    assert len(traffic.attempts) >= 20
    assert traffic.lost == []
    assert len(backend.connections) == len(traffic.attempts)


async def test_traffic_lists_what_was_lost() -> None:
    """Attempts without a reply are listed, and can be told by when they started."""
    async with Backend("web") as backend, Traffic(backend.port, per_second=200) as traffic:
        await traffic.since(time.monotonic(), count=3)
        await backend.__aexit__(None, None, None)
        gone = time.monotonic()
        later = await traffic.since(gone, count=3)
    assert {attempt.outcome for attempt in later} == {Outcome.REFUSED}
    assert [attempt for attempt in traffic.lost if attempt.started >= gone][:3] == later[:3]


async def test_the_rate_of_traffic_is_kept() -> None:
    """Connections start at the rate asked for, on the average."""
    async with Backend("web") as backend, Traffic(backend.port, per_second=100) as traffic:
        await traffic.since(time.monotonic(), count=31)
    starts = sorted(attempt.started for attempt in traffic.attempts[:31])
    assert 0.25 < starts[-1] - starts[0] < 2.5
