"""A real Envoy that fetches its configuration over mutual TLS: who is served, and what a renewal costs."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import yaml

from tests.e2e.sources import Files
from tests.e2e.world import LOOPBACK, World, loadbalancer
from tests.support import pki
from tests.support.mtls import Volume, envoy_of, server_of
from tests.support.pki import Identity
from tests.support.workbench import RunEnvoy, run_envoy, running_envoy
from xds.app.address import HostPort
from xds.app.bootstrap import BOOTSTRAP_FILE, Api, Bootstrap, ClientTls
from xds.app.demo.backends import Backend
from xds.app.demo.client import Conversation, Traffic
from xds.app.demo.envoy import Envoy
from xds.app.demo.waiting import poll

__all__ = ["run_envoy"]

pytestmark = pytest.mark.envoy
CA = pki.ca("root")
OTHER_CA = pki.ca("other")
TENANT = "tenant-primary"
OWN = envoy_of(CA, TENANT)


@asynccontextmanager
async def control_plane(tmp_path: Path, port: int, server: Volume, **settings: Any) -> AsyncIterator[World]:
    """Run a control plane with mutual TLS over an empty folder; its `envoy` is the test's to set."""
    built = World(
        Files(tmp_path),
        port,
        tls_cert=server.certificate,
        tls_key=server.key,
        tls_client_ca=server.client_ca,
        **settings,
    )
    await built.start_control_plane()
    try:
        yield built
    finally:
        await built.stop_control_plane()


@pytest.fixture
def server(tmp_path: Path) -> Volume:
    """Return the control plane's files."""
    return Volume(tmp_path / "server-tls", server_of(CA), CA)


def started_with(
    tmp_path: Path,
    port: int,
    volume: Volume,
    *,
    api: Api = "delta",
    tenant: str = TENANT,
    server_name: str = "",
) -> str:
    """Write what `kubelb-xds bootstrap --output` writes for an Envoy with these files, and return the bootstrap."""
    config = tmp_path / "config"
    config.mkdir()
    made = Bootstrap(
        tenant=tenant,
        xds_address=HostPort(LOOPBACK, port),
        node_id="envoy-under-test",
        api=api,
        tls=ClientTls(
            tls_dir=PurePosixPath(volume.path), config_dir=PurePosixPath(config), server_name=server_name
        ),
    ).files()
    for name, text in made.items():
        (config / name).write_text(text, encoding="utf-8")
    return made[BOOTSTRAP_FILE]


async def test_the_right_certificate_is_served(
    tmp_path: Path, free_port: Callable[..., int], server: Volume, api: Api
) -> None:
    """An Envoy with its tenant's certificate has its listeners, in both variants, and nothing of it is in the clear."""
    port, listener = free_port(), free_port()
    async with AsyncExitStack() as stack:
        backend = await stack.enter_async_context(Backend("web"))
        built = await stack.enter_async_context(control_plane(tmp_path, port, server))
        since = await built.put("web", loadbalancer("web", listener, backend.port))
        volume = Volume(tmp_path / "envoy-tls", OWN, CA)
        text = started_with(tmp_path, port, volume, api=api)
        built.envoy = await stack.enter_async_context(running_envoy(text, tmp_path))
        await built.served(built.resource_name("web", backend.port), since=since)
        async with Traffic(listener) as traffic:
            await traffic.since(0, count=5)
        assert traffic.lost == []
        versions = await built.envoy.admin.stats("cluster.xds_cluster.ssl.versions")
        assert versions == {"cluster.xds_cluster.ssl.versions.TLSv1.3": 1}


async def test_a_certificate_of_two_tenants_is_served(
    tmp_path: Path, free_port: Callable[..., int], server: Volume
) -> None:
    """A certificate that names another tenant as well gets the one that node.cluster names."""
    port, listener = free_port(), free_port()
    async with control_plane(tmp_path, port, server) as built:
        since = await built.put("web", loadbalancer("web", listener, 1))
        volume = Volume(tmp_path / "envoy-tls", envoy_of(CA, "another", TENANT), CA)
        async with running_envoy(started_with(tmp_path, port, volume), tmp_path):
            await built.served(built.resource_name("web", 1), since=since)


async def log_says(envoy: Envoy, text: str) -> None:
    """Wait until Envoy logs it."""

    async def lines() -> str:
        return envoy.log.read_text(encoding="utf-8", errors="replace")

    await poll(lines, lambda found: text in found, within=15, what=f"{text!r} in Envoy's log")


async def test_another_tenants_certificate_is_denied(
    tmp_path: Path, free_port: Callable[..., int], server: Volume, run_envoy: RunEnvoy
) -> None:
    """With another tenant's certificate Envoy gets nothing and is not ready; its own log has the reason, with both names."""
    port = free_port()
    async with control_plane(tmp_path, port, server) as built:
        await built.put("web", loadbalancer("web", free_port(), 1))
        volume = Volume(tmp_path / "envoy-tls", envoy_of(CA, "another"), CA)
        envoy = await run_envoy(started_with(tmp_path, port, volume), ready=False)
        await log_says(envoy, f"tenant '{TENANT}' is asked for, and the client's certificate names 'another'")
        assert built.control_plane.server.ended["PERMISSION_DENIED"] >= 1
        assert len(built.updates.streams) == 0
        assert not await envoy.admin.is_ready()
        assert await envoy.admin.listeners() == {}


STRANGERS = {
    "none": None,
    "expired": envoy_of(CA, TENANT, end=datetime(2026, 2, 1, tzinfo=UTC)),
    "of another authority": envoy_of(OTHER_CA, TENANT),
}


@pytest.mark.parametrize("identity", STRANGERS.values(), ids=STRANGERS)
async def test_a_stranger_gets_nothing(
    tmp_path: Path,
    free_port: Callable[..., int],
    server: Volume,
    run_envoy: RunEnvoy,
    identity: Identity | None,
) -> None:
    """Without a certificate that is vouched for and valid Envoy connects again and again, gets no stream and is not ready.

    In TLS 1.3 the client has finished when the server refuses its certificate: for Envoy each handshake succeeds, and the connection ends.
    """
    port = free_port()
    async with control_plane(tmp_path, port, server) as built:
        volume = Volume(tmp_path / "envoy-tls", identity or OWN, CA)
        text = started_with(tmp_path, port, volume)
        if identity is None:
            document = yaml.safe_load(text)
            (cluster,) = document["static_resources"]["clusters"]
            tls = cluster["transport_socket"]["typed_config"]["common_tls_context"]
            del tls["tls_certificate_sds_secret_configs"]
            text = yaml.safe_dump(document)
        envoy = await run_envoy(text, ready=False)
        await envoy.admin.wait_for_counter(
            "cluster.xds_cluster.upstream_cx_destroy_remote", lambda count: count >= 3, within=15
        )
        assert not await envoy.admin.is_ready()
        assert len(built.updates.streams) == 0
        assert built.control_plane.server.ended.total() == 0


async def test_envoy_refuses_another_server(
    tmp_path: Path, free_port: Callable[..., int], server: Volume, run_envoy: RunEnvoy
) -> None:
    """A server whose certificate has another name is not spoken to, although the right authority vouches for it."""
    port = free_port()
    async with control_plane(tmp_path, port, server) as built:
        volume = Volume(tmp_path / "envoy-tls", OWN, CA)
        envoy = await run_envoy(started_with(tmp_path, port, volume, server_name="xds.test"), ready=False)
        await envoy.admin.wait_for_counter(
            "cluster.xds_cluster.ssl.fail_verify_san", lambda count: count > 0, within=15
        )
        assert built.control_plane.server.ended.total() == 0


async def test_a_renewal_of_everything_loses_nothing(
    tmp_path: Path, free_port: Callable[..., int], server: Volume
) -> None:
    """While authority, server's and client's certificates are renewed no connection through Envoy is lost, and no stream refused.

    The authority before is trusted by nobody at the end, so that the stream which carries the last change is one of the new certificates.
    """
    port, listener = free_port(), free_port()
    new_ca = pki.ca("new root")
    client = Volume(tmp_path / "envoy-tls", OWN, CA)
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(Backend("first"))
        built = await stack.enter_async_context(
            control_plane(tmp_path, port, server, connection_age=1, connection_age_grace=0.2)
        )
        since = await built.put("web", loadbalancer("web", listener, first.port))
        text = started_with(tmp_path, port, client)
        built.envoy = await stack.enter_async_context(running_envoy(text, tmp_path))
        await built.served(built.resource_name("web", first.port), since=since)
        traffic = await stack.enter_async_context(Traffic(listener))
        long_lived = await stack.enter_async_context(Conversation(listener))

        async def another_stream() -> None:
            """Wait for a stream that begins after now, and see a change arrive on it."""
            moment = time.monotonic()
            await built.updates.streams.first(lambda opened: opened >= moment, within=15, what="a new stream")
            since = await built.put(
                "web", loadbalancer("web", listener, first.port, annotations={"at": str(moment)})
            )
            assert since

        server.write(server_of(CA), CA, new_ca)  # trust first …
        client.write(OWN, CA, new_ca)
        await another_stream()
        client.write(envoy_of(new_ca, TENANT), CA, new_ca)  # … then show
        server.write(server_of(new_ca), CA, new_ca)
        await another_stream()
        server.write(server_of(new_ca), new_ca)  # … then trust no more
        client.write(envoy_of(new_ca, TENANT), new_ca)
        await another_stream()
        await another_stream()

        second = await stack.enter_async_context(Backend("second"))
        since = await built.put("web", loadbalancer("web", listener, second.port))
        await built.served(built.resource_name("web", second.port), since=since)
        assert len(await traffic.since(time.monotonic(), count=10)) >= 10
        assert traffic.lost == []
        assert await long_lived.goes_on()
        assert set(built.control_plane.server.ended) <= {"OK", "CANCELLED"}
        assert built.updates.refused == []
        failures = await built.envoy.admin.stats("xds_cluster.ssl.(connection_error|fail_verify_.*)")
        assert not any(failures.values()), failures
