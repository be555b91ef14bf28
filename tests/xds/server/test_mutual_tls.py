"""Who gets in over mutual TLS, what becomes of streams when certificates change, and clients that begin and leave."""

import asyncio
import contextlib
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
import structlog
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from grpc.experimental.session_cache import ssl_session_cache_lru

from tests.support import pki
from tests.support.mtls import Volume, credentials, envoy_of, server_of
from tests.support.pki import Identity
from tests.support.recording import RecordingObserver
from tests.support.resources import cluster
from tests.support.xds_client import BOUND, XdsClient, names_of
from xds.messages import Cluster
from xds.server import Limits, LoggingObserver, Observer, RefusedError, ServerOptions, XdsServer
from xds.snapshot import SnapshotCache
from xds.snapshot.types import CLUSTER

CA = pki.ca("root")
OTHER_CA = pki.ca("other")
ENVOY_A = envoy_of(CA, "tenant-a")

Serve = Callable[..., Awaitable[tuple[XdsServer, int]]]


@pytest.fixture
def volume(tmp_path: Path) -> Volume:
    """Return a server's files."""
    return Volume(tmp_path / "tls", server_of(CA), CA)


@pytest.fixture
async def serve(cache: SnapshotCache, volume: Volume) -> AsyncIterator[Serve]:
    """Start servers with mutual TLS over two tenants, which are stopped after the test."""
    for tenant in ("tenant-a", "tenant-b"):
        cache.update(tenant, [cluster(f"of-{tenant}")])
    async with AsyncExitStack() as stack:

        async def start(observer: Observer | None = None, **options: Any) -> tuple[XdsServer, int]:
            server = XdsServer(
                cache,
                observer=observer or RecordingObserver(),
                credentials=volume.files().credentials(),
                options=ServerOptions(**options),
            )
            stack.push_async_callback(server.stop)
            return server, await server.start("127.0.0.1:0")

        yield start


def client(port: int, envoy: Identity | None, tenant: str = "tenant-a", **more: Any) -> XdsClient:
    """Return a client that shows this certificate and asks for this tenant."""
    node = {"id": "envoy-1", "cluster": tenant}
    return XdsClient(port, delta=True, node=node, credentials=credentials(CA, envoy), **more)


def remembering_sessions() -> list[tuple[str, Any]]:
    """Return the options of clients that resume each other's sessions, which gRPC keeps by the server's name."""
    return [
        ("grpc.ssl_session_cache", ssl_session_cache_lru(1)),
        ("grpc.ssl_target_name_override", "localhost"),
    ]


async def served(port: int, envoy: Identity, tenant: str = "tenant-a") -> list[str]:
    """Return the names of the clusters that this client gets."""
    async with client(port, envoy, tenant) as stream:
        await stream.subscribe(CLUSTER)
        return names_of(await stream.receive())


async def refused(
    port: int, envoy: Identity | None, tenant: str = "tenant-a", **more: Any
) -> tuple[Any, str]:
    """Return the status that this client gets."""
    async with client(port, envoy, tenant, **more) as stream:
        # There may be no connection to write to.
        with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
            await stream.subscribe(CLUSTER)
        return await stream.status()


async def test_the_right_certificate_is_served(serve: Serve) -> None:
    """An Envoy whose certificate names its tenant has the tenant's resources."""
    _, port = await serve()
    assert await served(port, ENVOY_A) == ["of-tenant-a"]


async def test_one_certificate_may_serve_two_tenants(serve: Serve) -> None:
    """A certificate that names two tenants gets either, each by its node."""
    _, port = await serve()
    both = envoy_of(CA, "tenant-a", "tenant-b")
    assert await served(port, both, "tenant-a") == ["of-tenant-a"]
    assert await served(port, both, "tenant-b") == ["of-tenant-b"]


async def test_anothers_tenant_is_denied(serve: Serve) -> None:
    """Another tenant's snapshot is PERMISSION_DENIED, a line of log that names both, and a count; nothing is kept of it."""
    with structlog.testing.capture_logs() as lines:
        server, port = await serve(LoggingObserver())
        status, text = await refused(port, ENVOY_A, "tenant-b")
    assert status == grpc.StatusCode.PERMISSION_DENIED
    assert text.startswith("tenant 'tenant-b' is asked for, and the client's certificate names 'tenant-a'")
    (line,) = [line for line in lines if line["log_level"] == "warning"]
    assert (line["event"], line["status"], line["reason"]) == ("stream ended", "PERMISSION_DENIED", text)
    assert (line["tenant"], line["node"]) == ("tenant-b", "envoy-1")
    assert server.ended["PERMISSION_DENIED"] == 1
    assert server.delivery.envoys("tenant-b") == ()


async def test_whoever_is_denied_takes_nothing_from_the_others(serve: Serve) -> None:
    """A client that claims to be another tenant's Envoy does not use up that Envoy's streams."""
    _, port = await serve(limits=Limits(max_node_streams=1))
    async with client(port, ENVOY_A, "tenant-b") as stranger:
        await stranger.subscribe(CLUSTER)
        assert (await stranger.status())[0] == grpc.StatusCode.PERMISSION_DENIED
        assert await served(port, envoy_of(CA, "tenant-b"), "tenant-b") == ["of-tenant-b"]


STRANGERS = {
    "none": None,
    "of another authority": envoy_of(OTHER_CA, "tenant-a"),
    "expired": envoy_of(CA, "tenant-a", end=datetime(2026, 2, 1, tzinfo=UTC)),
    "not yet valid": envoy_of(
        CA, "tenant-a", start=datetime(2126, 1, 1, tzinfo=UTC), end=datetime(2127, 1, 1, tzinfo=UTC)
    ),
    "self-signed": pki.ca("self", is_ca=False),
    "a server's": CA.issue(
        "a-server", extensions=[(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)]
    ),
}


@pytest.mark.parametrize("envoy", STRANGERS.values(), ids=STRANGERS)
async def test_a_stranger_does_not_get_in(serve: Serve, envoy: Identity | None) -> None:
    """Without a certificate that an authority vouches for, as a client's and now, no stream begins."""
    observer = RecordingObserver()
    _, port = await serve(observer)
    assert (await refused(port, envoy))[0] == grpc.StatusCode.UNAVAILABLE
    assert observer.heard == []


def hello(port: int, context: ssl.SSLContext) -> str:
    """Shake hands, and return the version."""
    with (
        socket.create_connection(("127.0.0.1", port), timeout=BOUND) as raw,
        context.wrap_socket(raw, server_hostname="localhost") as spoken,
    ):
        return str(spoken.version())


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1:DeprecationWarning")
@pytest.mark.parametrize(
    ("version", "taken"),
    [
        (ssl.TLSVersion.TLSv1, False),
        (ssl.TLSVersion.TLSv1_1, False),
        (ssl.TLSVersion.TLSv1_2, True),
        (ssl.TLSVersion.TLSv1_3, True),
    ],
)
async def test_versions_of_tls(serve: Serve, tmp_path: Path, version: ssl.TLSVersion, taken: bool) -> None:
    """TLS 1.2 and 1.3 are spoken, nothing older."""
    _, port = await serve()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=CA.pem.decode())
    context.load_cert_chain(*ENVOY_A.write(tmp_path / "client"))
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.set_alpn_protocols(["h2"])
    context.minimum_version = context.maximum_version = version
    if taken:
        assert await asyncio.to_thread(hello, port, context) == version.name.replace("_", ".")
        return
    with pytest.raises(ssl.SSLError):
        await asyncio.to_thread(hello, port, context)


async def test_plaintext_gets_nothing(serve: Serve) -> None:
    """A client that speaks plaintext to the TLS port is hung up on, and no stream begins."""
    observer = RecordingObserver()
    _, port = await serve(observer)
    async with XdsClient(port, delta=True) as stream:
        assert (await stream.status())[0] == grpc.StatusCode.UNAVAILABLE
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes.fromhex("000000040000000000"))
    async with asyncio.timeout(BOUND):
        with contextlib.suppress(ConnectionResetError):
            assert b"h2" not in await reader.read()
    writer.close()
    assert observer.heard == []


async def test_a_thousand_handshakes_begun_and_left(serve: Serve) -> None:
    """Whoever begins a handshake and leaves it keeps nobody out, and is hung up on after the handshake's time."""
    _, port = await serve(handshake_timeout=2)
    began = time.monotonic()
    idle = [await asyncio.open_connection("127.0.0.1", port) for _ in range(1000)]
    try:
        for number, (_, writer) in enumerate(idle):
            if number % 2:  # the beginning of a ClientHello that never comes to its end
                writer.write(bytes.fromhex("1603010200010001fc0303"))
        assert await served(port, ENVOY_A) == ["of-tenant-a"]
        async with asyncio.timeout(30):
            for reader, _ in idle:
                with contextlib.suppress(ConnectionResetError):
                    await reader.read()
        assert time.monotonic() - began >= 1.9
        assert await served(port, ENVOY_A) == ["of-tenant-a"]
    finally:
        for _, writer in idle:
            writer.close()


async def test_renewed_certificates_end_no_stream(serve: Serve, volume: Volume, cache: SnapshotCache) -> None:
    """A stream from before a rotation goes on; the next client gets the new certificate of a new authority, at once."""
    _, port = await serve()
    new_ca = pki.ca("new root")
    async with client(port, ENVOY_A) as stream:
        await stream.subscribe(CLUSTER)
        await stream.ack(await stream.receive())
        volume.write(server_of(new_ca), new_ca, CA)
        async with XdsClient(
            port, delta=True, credentials=credentials(new_ca, envoy_of(new_ca, "tenant-a"))
        ) as other:
            await other.subscribe(CLUSTER)
            assert names_of(await other.receive()) == ["of-tenant-a"]
        assert (await refused(port, ENVOY_A))[
            0
        ] == grpc.StatusCode.UNAVAILABLE  # it does not trust the server
        cache.update("tenant-a", [cluster("later")])
        assert names_of(await stream.receive()) == ["later"]


async def test_a_wrong_pair_keeps_the_last_good_one(serve: Serve, volume: Volume) -> None:
    """While the files do not fit together, clients are served with what was right before."""
    _, port = await serve()
    volume.key.resolve().write_bytes(server_of(CA, seed="another").key_pem)
    assert await served(port, ENVOY_A) == ["of-tenant-a"]


async def test_a_withdrawn_authority_ends_with_the_connection(
    serve: Serve, volume: Volume, cache: SnapshotCache
) -> None:
    """When an authority is withdrawn its clients' streams end at the connection's age, and none begins any more."""
    _, port = await serve(connection_age=1, connection_age_grace=0.2)
    async with client(port, ENVOY_A) as stream:
        await stream.subscribe(CLUSTER)
        await stream.ack(await stream.receive())
        volume.write(server_of(CA), OTHER_CA)
        cache.update("tenant-a", [cluster("later")])
        assert names_of(await stream.receive()) == ["later"]  # open ones stay meanwhile
        began = time.monotonic()
        assert (await stream.status())[0] == grpc.StatusCode.UNAVAILABLE
        assert time.monotonic() - began < 2
    assert (await refused(port, ENVOY_A))[0] == grpc.StatusCode.UNAVAILABLE
    node = {"id": "envoy-1", "cluster": "tenant-a"}
    of_the_other = credentials(CA, envoy_of(OTHER_CA, "tenant-a"))
    async with XdsClient(port, delta=True, node=node, credentials=of_the_other) as stream:
        await stream.subscribe(CLUSTER)
        assert len(names_of(await stream.receive())) == 2


async def test_a_certificate_that_expires_ends_with_the_connection(serve: Serve) -> None:
    """A stream may outlive its certificate until the connection's age; a resumed session does not revive it."""
    observer = RecordingObserver()
    _, port = await serve(observer, connection_age=3, connection_age_grace=0.2)
    now = datetime.now(UTC)
    brief = envoy_of(CA, "tenant-a", end=now.replace(microsecond=0) + timedelta(seconds=2))
    sessions = remembering_sessions()
    async with client(port, brief, options=sessions) as stream:
        await stream.subscribe(CLUSTER)
        await stream.ack(await stream.receive())
        assert (await stream.status())[0] == grpc.StatusCode.UNAVAILABLE
    assert datetime.now(UTC) >= brief.certificate.not_valid_after_utc
    # A full handshake fails, before there is a stream; a resumed one is not verified anew, so that the stream is refused.
    assert (await refused(port, brief))[0] == grpc.StatusCode.UNAVAILABLE
    status, text = await refused(port, brief, options=sessions)
    assert status == grpc.StatusCode.UNAUTHENTICATED
    assert text.startswith("the client's certificate expired at ")


async def test_a_session_does_not_outlive_its_authority(serve: Serve, volume: Volume) -> None:
    """Who has a session ticket of an authority that is withdrawn cannot resume it."""
    _, port = await serve()
    sessions = remembering_sessions()
    async with client(port, ENVOY_A, options=sessions) as stream:
        await stream.subscribe(CLUSTER)
        assert await stream.receive()
    volume.write(server_of(CA), OTHER_CA)
    assert (await refused(port, ENVOY_A, options=sessions))[0] == grpc.StatusCode.UNAVAILABLE


async def test_a_hook_decides_instead(cache: SnapshotCache, volume: Volume) -> None:
    """A library user's `admit` takes the certificate's place, and may refuse with a text of its own."""
    asked: list[str] = []

    def admit(context: Any, tenant: str) -> None:
        asked.append(tenant)
        if b"envoy" not in context.auth_context()["x509_common_name"] or tenant != "edge":
            raise RefusedError("PERMISSION_DENIED", "not you")

    cache.update("edge", [Cluster(name="edge")])
    server = XdsServer(
        cache, observer=RecordingObserver(), credentials=volume.files().credentials(), admit=admit
    )
    port = await server.start("127.0.0.1:0")
    assert await served(port, envoy_of(CA), "edge") == ["edge"]
    assert await refused(port, envoy_of(CA), "other") == (grpc.StatusCode.PERMISSION_DENIED, "not you")
    assert asked == ["edge", "other"]
    await server.stop()
