"""The workbench on the real Envoy: what each way of reaching a backend looks like from all sides."""

import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support import static_envoy
from tests.support.workbench import running_envoy
from xds.app.demo.access_log import AccessLogEntry
from xds.app.demo.backends import Backend, BlackHole, UdpBackend
from xds.app.demo.certificates import Authority, self_signed
from xds.app.demo.client import Attempt, Conversation, Outcome, Traffic, ask, ask_udp
from xds.app.demo.envoy import Envoy
from xds.app.demo.recorder import Recorder
from xds.app.demo.wire import HANDSHAKE

pytestmark = [pytest.mark.envoy, pytest.mark.asyncio(loop_scope="module")]


@dataclass
class Bench:
    """One Envoy for all tests of this file, a route for each of them, and what stands behind the routes."""

    envoy: Envoy
    listeners: dict[str, int]
    plain: Backend
    tls: Backend
    newest: Backend
    udp: UdpBackend
    recorder: Recorder
    proxied: Recorder
    distrusted: Recorder

    async def ask(self, route: str, *, within: float = 5.0) -> tuple[Attempt, AccessLogEntry]:
        """Ask through a route; return what the client saw, and Envoy's log line about that very connection."""
        attempt = await ask(self.listeners[route], within=within)
        entry = await self.envoy.access_log.first(
            lambda line: line.downstream_remote_address == attempt.address, what=f"the line of {attempt}"
        )
        return attempt, entry

    async def ssl(self, route: str) -> dict[str, int]:
        """Return the route's TLS counters that are not zero, by the last part of their names."""
        stats = await self.envoy.admin.stats(f"^cluster\\.{route}\\.ssl\\.(handshake|connection_error|fail_)")
        return {name.rpartition(".")[2]: value for name, value in stats.items() if value}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bench(
    envoy_binary: Path,  # noqa: ARG001  # fail early
    free_port: Callable[..., int],
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Bench]:
    """Run everything once."""
    root, wrong = Authority("root"), Authority("wrong")
    intermediate = root.intermediate("intermediate")
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        plain = await enter(Backend("plain"))
        tls = await enter(Backend("tls", identity=intermediate.issue("tls")))
        leaf_only = await enter(
            Backend("leaf", identity=intermediate.issue("leaf", send_intermediates=False))
        )
        newest = await enter(
            Backend("newest", identity=self_signed("newest"), minimum=ssl.TLSVersion.TLSv1_3)
        )
        udp = await enter(UdpBackend("udp"))
        recorder = await enter(Recorder("tls", tls.port))
        distrusted = await enter(Recorder("distrusted", tls.port))
        proxied = await enter(Recorder("proxied", tls.port, proxy_protocol=True))
        listeners = {
            **{
                name: free_port()
                for name in (
                    *("plain", "insecure", "right-ca", "wrong-ca", "bundle", "no-intermediate"),
                    *("tls12-client", "proxy", "unhealthy", "no-tls"),
                )
            },
            "udp": free_port("UDP"),
        }
        verify, insecure = static_envoy.verify, static_envoy.insecure
        routes = (
            ("plain", plain.port, None),
            ("insecure", newest.port, insecure()),
            ("right-ca", recorder.port, verify(root.pem)),
            ("wrong-ca", distrusted.port, verify(wrong.pem)),
            ("bundle", leaf_only.port, verify(root.pem, intermediate.pem)),
            ("no-intermediate", leaf_only.port, verify(root.pem)),
            ("tls12-client", newest.port, insecure(None)),
            ("no-tls", plain.port, insecure()),
        )
        bootstrap = static_envoy.bootstrap(
            *(static_envoy.tcp(name, listeners[name], port, tls=context) for name, port, context in routes),
            static_envoy.tcp(
                "proxy", listeners["proxy"], proxied.port, tls=verify(root.pem), proxy_protocol=True
            ),
            static_envoy.tcp(
                "unhealthy", listeners["unhealthy"], tls.port, tls=verify(wrong.pem), health_check=True
            ),
            static_envoy.udp("udp", listeners["udp"], udp.port),
        )
        envoy = await enter(running_envoy(bootstrap, tmp_path_factory.mktemp("envoy")))
        yield Bench(envoy, listeners, plain, tls, newest, udp, recorder, proxied, distrusted)


async def test_plain(bench: Bench) -> None:
    """Without TLS the bytes arrive as they are, and the access log has nothing to say."""
    attempt, entry = await bench.ask("plain")
    assert (attempt.outcome, attempt.reply) == (Outcome.REPLY, b"ping\n")
    assert (entry.upstream_cluster, entry.flags) == ("plain", frozenset())
    assert (entry.bytes_received, entry.bytes_sent) == (5, 5)


async def test_insecure_reaches_a_self_signed_backend_of_tls_1_3_alone(bench: Bench) -> None:
    """Without verification any certificate will do, and TLS 1.3 when it is allowed; no server name is sent."""
    attempt, entry = await bench.ask("insecure")
    seen = await bench.newest.connections.first(lambda connection: connection.received == b"ping\n")
    assert attempt.outcome is Outcome.REPLY
    assert entry.upstream_tls_version == "TLSv1.3"
    assert (seen.tls_version, seen.server_name, seen.presented) == ("TLSv1.3", "", "newest")
    assert await bench.ssl("insecure") == {"handshake": 1}


async def test_envoys_own_default_ends_at_tls_1_2(bench: Bench) -> None:
    """Without a highest version of its own, Envoy cannot talk to a backend of TLS 1.3 alone, and says why."""
    attempt, entry = await bench.ask("tls12-client")
    assert attempt.cut
    assert entry.flags == {"UF", "URX"}
    assert "TLSV1_ALERT_PROTOCOL_VERSION" in (entry.upstream_transport_failure_reason or "")
    assert await bench.ssl("tls12-client") == {"connection_error": 1}


async def test_the_right_ca(bench: Bench) -> None:
    """A verified backend is reached, and nothing but TLS records passes on the wire."""
    attempt, _ = await bench.ask("right-ca")
    recording = await bench.recorder.recordings.first(lambda each: each.closed)
    assert attempt.outcome is Outcome.REPLY
    assert await bench.ssl("right-ca") == {"handshake": 1}
    assert recording.to_backend.first[0] == HANDSHAKE
    assert bench.recorder.in_the_clear == []


async def test_the_wrong_ca(bench: Bench) -> None:
    """A backend that does not verify gets no byte of the client's; flags, reason, counters and backend all say why."""
    attempt, entry = await bench.ask("wrong-ca")
    recording = await bench.distrusted.recordings.first(lambda each: each.closed)
    refused = await bench.tls.connections.first(lambda each: bool(each.failure))
    assert (attempt.cut, attempt.reply) == (True, b"")
    assert entry.flags == {"UF", "URX"}
    assert entry.bytes_sent == 0
    assert "CERTIFICATE_VERIFY_FAILED" in (entry.upstream_transport_failure_reason or "")
    assert await bench.ssl("wrong-ca") == {"fail_verify_error": 1}
    assert recording.to_backend.only_tls
    assert refused.failure == "TLSV1_ALERT_UNKNOWN_CA"
    assert refused.received == b""


async def test_an_intermediate_in_the_bundle(bench: Bench) -> None:
    """A backend that sends its leaf alone is verified when the bundle has the intermediate, and not without."""
    with_it, _ = await bench.ask("bundle")
    without_it, entry = await bench.ask("no-intermediate")
    assert with_it.outcome is Outcome.REPLY
    assert without_it.cut
    assert "unable_to_get_local_issuer_certificate" in (entry.upstream_transport_failure_reason or "")


async def test_proxy_protocol_comes_before_the_handshake(bench: Bench) -> None:
    """The backend's side sees the client's address in the clear, and only TLS records after it."""
    attempt, _ = await bench.ask("proxy")
    recording = await bench.proxied.recordings.first(lambda each: each.closed)
    assert attempt.outcome is Outcome.REPLY
    assert recording.proxy == (attempt.address, f"127.0.0.1:{bench.listeners['proxy']}")
    assert recording.to_backend.first[0] == HANDSHAKE
    assert recording.to_backend.only_tls


async def test_a_health_check_hides_the_reason(bench: Bench) -> None:
    """With health checks over a wrong CA no host is left: flag UH and no reason; the counters tell the truth."""
    await bench.envoy.admin.wait_for_counter(
        "cluster.unhealthy.health_check.failure", lambda failures: failures > 0
    )
    attempt, entry = await bench.ask("unhealthy")
    (host,) = (await bench.envoy.admin.hosts())["unhealthy"]
    assert attempt.cut
    assert entry.flags == {"UH"}
    assert entry.upstream_transport_failure_reason is None
    assert "fail_verify_error" in await bench.ssl("unhealthy")
    assert host.address == f"127.0.0.1:{bench.tls.port}"
    assert host.failures == {"failed_active_health_check"}


async def test_a_backend_that_speaks_no_tls(bench: Bench) -> None:
    """TLS towards a plain backend ends in a cut, with the reason in the access log."""
    attempt, entry = await bench.ask("no-tls")
    assert attempt.cut
    assert entry.flags == {"UF", "URX"}
    assert "WRONG_VERSION_NUMBER" in (entry.upstream_transport_failure_reason or "")


async def test_udp(bench: Bench) -> None:
    """A datagram passes through Envoy and its echo comes back."""
    attempt = await ask_udp(bench.listeners["udp"], b"hello")
    assert (attempt.outcome, attempt.reply) == (Outcome.REPLY, b"hello")
    assert bench.udp.datagrams[0].data == b"hello"


async def test_the_admin_shows_what_envoy_runs(bench: Bench) -> None:
    """Server, listeners and configuration are read by name."""
    info = await bench.envoy.admin.server_info()
    dump = await bench.envoy.admin.config_dump()
    assert info.state == "LIVE"
    assert int(info.version.split(".")[1]) >= 40
    assert await bench.envoy.admin.listeners() == {
        name: f"127.0.0.1:{port}" for name, port in bench.listeners.items()
    }
    assert dump.clusters.keys() == dump.listeners.keys() == bench.listeners.keys()
    assert not dump.refused


async def test_a_paused_envoy_keeps_its_connections(bench: Bench) -> None:
    """A stopped process answers nobody and loses nothing: traffic and conversations go on when it does."""
    port = bench.listeners["right-ca"]
    async with Traffic(port, per_second=100) as traffic, Conversation(port) as conversation:
        assert await conversation.goes_on()
        bench.envoy.pause()
        assert (await ask(port, within=0.2)).outcome is Outcome.TIMEOUT
        bench.envoy.resume()
        assert await conversation.goes_on()
    assert traffic.lost == []


async def test_a_black_hole_keeps_a_health_checked_cluster_warming(
    envoy_binary: Path,  # noqa: ARG001
    free_port: Callable[..., int],
    tmp_path: Path,
) -> None:
    """Envoy is not live as long as a health-checked cluster waits for an endpoint that never answers."""
    with BlackHole("hole") as hole:
        route = static_envoy.tcp("hole", free_port(), hole.port, health_check=True)
        async with running_envoy(static_envoy.bootstrap(route), tmp_path, ready=False) as envoy:
            await envoy.admin.wait_for_counter("cluster.hole.health_check.attempt", lambda value: value > 0)
            assert (await envoy.admin.server_info()).state == "PRE_INITIALIZING"
            assert not await envoy.admin.is_ready()
