"""What passes on the wire between Envoy and a backend, as the backend's side sees it."""

import ssl
from collections.abc import Callable

import pytest

from tests.e2e.world import World, loadbalancer
from xds.app.demo.backends import Backend, UdpBackend
from xds.app.demo.certificates import Authority
from xds.app.demo.client import Outcome, ask, ask_udp
from xds.app.demo.recorder import Recorder

pytestmark = pytest.mark.envoy
FreePort = Callable[..., int]


async def test_the_proxy_header_comes_before_the_handshake(played: World, free_port: FreePort) -> None:
    """With proxy protocol v2 and TLS the backend's side sees the header in the clear, and then nothing but TLS records."""
    authority, port = Authority("ca"), free_port()
    async with (
        Backend("web", identity=authority.issue("web")) as backend,
        Recorder("web", backend.port, proxy_protocol=True) as recorder,
    ):
        await played.put_ca("backend-ca", authority.pem)
        since = await played.put(
            "web",
            loadbalancer(
                "web",
                port,
                recorder.port,
                policy="Verify",
                ca="backend-ca",
                annotations={"kubelb.k8c.io/proxy-protocol": "v2"},
            ),
        )
        await played.served(played.resource_name("web", recorder.port), since=since)
        attempt = await ask(port)
        assert attempt.outcome is Outcome.REPLY
        recording = await recorder.recordings.first(
            lambda one: one.proxy is not None and one.proxy.source == attempt.address
        )
        assert recording.proxy is not None
        assert recording.proxy.destination == f"127.0.0.1:{port}"
        assert recording.to_backend.content_types[0] == 0x16
        assert recorder.in_the_clear == []


async def test_a_backend_of_tls_1_3_only_is_reached(played: World, free_port: FreePort) -> None:
    """A backend that speaks nothing below TLS 1.3 is reached, and no server name is sent."""
    authority, port = Authority("ca"), free_port()
    async with Backend("web", identity=authority.issue("web"), minimum=ssl.TLSVersion.TLSv1_3) as backend:
        await played.put_ca("backend-ca", authority.pem)
        since = await played.put(
            "web", loadbalancer("web", port, backend.port, policy="Verify", ca="backend-ca")
        )
        await played.served(played.resource_name("web", backend.port), since=since)
        assert (await ask(port, b"hello\n", at_least=6)).reply == b"hello\n"
        seen = await backend.connections.first(lambda one: bool(one.received))
    assert seen.tls_version == "TLSv1.3"
    assert seen.server_name == ""


async def test_udp_is_echoed(played: World, free_port: FreePort) -> None:
    """A datagram goes to the backend and its answer comes back, TLS policy or not."""
    port = free_port("UDP")
    async with UdpBackend("dns") as backend:
        since = await played.put(
            "dns", loadbalancer("dns", port, backend.port, protocol="UDP", policy="Insecure")
        )
        await played.served(played.resource_name("dns", backend.port, "UDP"), since=since)
        attempt = await ask_udp(port, b"question")
        assert attempt.outcome is Outcome.REPLY
        assert b"question" in attempt.reply
        assert [datagram.data for datagram in backend.datagrams] == [b"question"]
