"""gRPC health and reflection on the admin listener, as their own clients see them."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from tests.support import pki
from tests.support.mtls import Volume, credentials, server_of
from xds.admin import grpc_admin
from xds.admin.grpc_admin import ADS, AdminServer
from xds.server import AddressError

BOUND = 5.0
NAMES = health_pb2.HealthCheckResponse.ServingStatus.Name


@pytest.fixture
def missing() -> dict[str, str]:
    """Return what the control plane lacks; a test may change it."""
    return {"Secret": "not listed yet"}


@pytest.fixture
async def port(missing: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[int]:
    """Run the listener, which looks often."""
    monkeypatch.setattr(grpc_admin, "_LOOK_EVERY", 0.01)
    admin = AdminServer(unready=lambda: missing)
    yield await admin.start("127.0.0.1:0")
    await admin.stop()


async def health(channel: Any, service: str = "") -> str:
    """Return what a health check says."""
    answer = await health_pb2_grpc.HealthStub(channel).Check(
        health_pb2.HealthCheckRequest(service=service), timeout=BOUND
    )
    return str(NAMES(answer.status))


async def test_health_is_readiness(port: int, missing: dict[str, str]) -> None:
    """It is NOT_SERVING as long as something is missing, and whoever watches hears of the change; an unknown service is NOT_FOUND."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        assert await health(channel) == await health(channel, ADS) == "NOT_SERVING"
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(), timeout=BOUND)
        assert NAMES((await watch.read()).status) == "NOT_SERVING"
        missing.clear()
        assert NAMES((await watch.read()).status) == "SERVING"
        assert await health(channel, ADS) == "SERVING"
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await health(channel, "nobody")
        assert raised.value.code() == grpc.StatusCode.NOT_FOUND
        watch.cancel()


async def test_reflection_names_the_services(port: int) -> None:
    """A client without any .proto file finds the services and their methods, and no discovery service."""

    def reflected() -> tuple[set[str], Any]:
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            database = ProtoReflectionDescriptorDatabase(channel)
            return set(database.get_services()), database.FindFileContainingSymbol("grpc.health.v1.Health")

    services, file = await asyncio.to_thread(reflected)
    assert services == {"grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection"}
    assert [method.name for method in file.service[0].method][:1] == ["Check"]


async def test_a_port_in_use_is_an_address_error(port: int) -> None:
    """An address that is taken is an AddressError with the address."""
    with pytest.raises(AddressError, match=f"^cannot listen on 127.0.0.1:{port}: Address already in use"):
        await AdminServer(unready=dict).start(f"127.0.0.1:{port}")


async def test_a_tenants_certificate_is_not_let_in(tmp_path: Path) -> None:
    """Over mutual TLS the admin authority's clients are answered, and those of the tenants' authority are not."""
    admins, tenants = pki.ca("admins"), pki.ca("tenants")
    tls = Volume(tmp_path / "tls", server_of(tenants), admins).files()
    admin = AdminServer(unready=dict, credentials=tls.credentials())
    port = await admin.start("127.0.0.1:0")
    for issuer, let_in in ((admins, True), (tenants, False)):
        shown = credentials(tenants, issuer.issue("somebody"))
        async with grpc.aio.secure_channel(f"127.0.0.1:{port}", shown) as channel:
            if let_in:
                assert await health(channel) == "SERVING"
                continue
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await health(channel)
            assert raised.value.code() == grpc.StatusCode.UNAVAILABLE
    await admin.stop()
