"""gRPC's own xDS client is a client like Envoy: it reaches a service through this server, and follows it."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from tests.support import pki
from tests.support.command import environment
from tests.support.mtls import Volume, envoy_of, server_of
from xds import CLUSTER, ENDPOINT, LISTENER, ROUTE, SnapshotCache, XdsServer
from xds.messages import Cluster, ClusterLoadAssignment, Listener, RouteConfiguration, message_class, pack

WITHIN = 20.0
HttpConnectionManager = message_class(
    "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
)
Router = message_class("envoy.extensions.filters.http.router.v3.Router")
ROUTES = [{"match": {"prefix": ""}, "route": {"cluster": "backend"}}]
HOSTS = [{"name": "all", "domains": ["*"], "routes": ROUTES}]
ADS: dict[str, Any] = {"ads": {}}


@asynccontextmanager
async def service(answer: str) -> AsyncIterator[int]:
    """Run a gRPC service that answers every call with one text; yields its port."""

    async def who_are_you(_: bytes, __: Any) -> bytes:
        return answer.encode()

    handler = grpc.unary_unary_rpc_method_handler(who_are_you)
    server = grpc.aio.server()
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("test.Service", {"WhoAreYou": handler}),)
    )
    port: int = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield port
    finally:
        await server.stop(None)


class Client:
    """The other process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def ask(self) -> str:
        """Let it call the service once, and return the answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(b"\n")
        async with asyncio.timeout(WITHIN):
            return (await self._process.stdout.readline()).decode().strip()

    async def ask_until(self, answer: str) -> None:
        """Let it call the service until that answers so."""
        async with asyncio.timeout(WITHIN):
            while await self.ask() != answer:
                pass


@asynccontextmanager
async def grpc_client(xds_port: int, files: Mapping[str, str] | None = None) -> AsyncIterator[Client]:
    """Run a gRPC client that has its configuration from this port, over TLS with these files of its own."""
    credentials = {"type": "tls", "config": dict(files)} if files else {"type": "insecure"}
    bootstrap = {
        "xds_servers": [
            {
                "server_uri": f"127.0.0.1:{xds_port}",
                "channel_creds": [credentials],
                "server_features": ["xds_v3"],
            }
        ],
        "node": {"id": "a-grpc-client", "cluster": "clients"},
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.xds.library.grpc_client", "xds:///service"),
        env=environment(GRPC_XDS_BOOTSTRAP_CONFIG=json.dumps(bootstrap)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield Client(process)
    finally:
        process.kill()
        await process.communicate()


def listener(**manager: Any) -> Any:
    """Return a proxyless listener: it has no address, and says what becomes of a call."""
    filters = [{"name": "router", "typed_config": pack(Router())}]
    api_listener = pack(HttpConnectionManager(http_filters=filters, **manager))
    return Listener(name="service", api_listener={"api_listener": api_listener})


def endpoints(*ports: int) -> Any:
    """Return the endpoints of the cluster "backend"; gRPC skips a locality without a weight."""
    hosts = [
        {"endpoint": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": port}}}}
        for port in ports
    ]
    locality = {"locality": {"zone": "here"}, "load_balancing_weight": {"value": 1}, "lb_endpoints": hosts}
    return ClusterLoadAssignment(cluster_name="backend", endpoints=[locality])


CLUSTER_OF_ENDPOINTS = Cluster(name="backend", type="EDS", eds_cluster_config={"eds_config": ADS})
ROUTE_OF_ITS_OWN = RouteConfiguration(name="routes", virtual_hosts=HOSTS)


@pytest.mark.parametrize(
    "resources",
    [
        [listener(rds={"route_config_name": "routes", "config_source": ADS}), ROUTE_OF_ITS_OWN],
        [listener(route_config=ROUTE_OF_ITS_OWN)],
    ],
    ids=["RDS", "inline route"],
)
async def test_it_reaches_a_service_and_follows_its_endpoints(
    port: int, cache: SnapshotCache, server: XdsServer, resources: list[Any]
) -> None:
    """Calls reach the service by listener, route, cluster and endpoints, and go elsewhere when the endpoints move."""
    async with AsyncExitStack() as stack:
        first, second = [await stack.enter_async_context(service(name)) for name in ("first", "second")]
        cache.set("clients", [*resources, CLUSTER_OF_ENDPOINTS, endpoints(first)])
        client = await stack.enter_async_context(grpc_client(port))
        assert await client.ask() == "first"

        cache.update("clients", [endpoints(second)])
        report = await server.delivered("clients", [(ENDPOINT, "backend")], envoys=1, timeout=WITHIN)
        assert report, str(report)
        await client.ask_until("second")

        (grpc_itself,) = server.delivery.envoys("clients")
        assert grpc_itself.node == "a-grpc-client"
        types = [LISTENER, CLUSTER, ENDPOINT] + [ROUTE] * (len(resources) - 1)
        assert sorted(grpc_itself.types) == sorted(types)
        assert grpc_itself.refusals == ()


async def test_it_follows_a_route_to_another_cluster(
    port: int, cache: SnapshotCache, server: XdsServer
) -> None:
    """A new cluster and a route that leads there arrive in an order in which every call has somewhere to go."""
    async with AsyncExitStack() as stack:
        first, second = [await stack.enter_async_context(service(name)) for name in ("first", "second")]
        rds = {"route_config_name": "routes", "config_source": ADS}
        cache.set("clients", [listener(rds=rds), ROUTE_OF_ITS_OWN, CLUSTER_OF_ENDPOINTS, endpoints(first)])
        client = await stack.enter_async_context(grpc_client(port))
        assert await client.ask() == "first"

        elsewhere = [{"match": {"prefix": ""}, "route": {"cluster": "other"}}]
        moved = RouteConfiguration(
            name="routes", virtual_hosts=[{"name": "all", "domains": ["*"], "routes": elsewhere}]
        )
        assignment = endpoints(second)
        assignment.cluster_name = "other"
        cluster = Cluster(name="other", type="EDS", eds_cluster_config={"eds_config": ADS})
        cache.update("clients", [moved, cluster, assignment], [(CLUSTER, "backend"), (ENDPOINT, "backend")])
        await client.ask_until("second")
        assert await server.delivered("clients", timeout=WITHIN)


async def test_it_comes_with_a_certificate(tmp_path: Path, cache: SnapshotCache) -> None:
    """Over mutual TLS it is served what its certificate names, and its calls reach the service."""
    ca = pki.ca("root")
    tls = Volume(tmp_path / "server", server_of(ca), ca).files()
    own = Volume(tmp_path / "client", envoy_of(ca, "clients"), ca)
    files = {
        "certificate_file": str(own.certificate),
        "private_key_file": str(own.key),
        "ca_certificate_file": str(own.client_ca),
    }
    server = XdsServer(cache, credentials=tls.credentials())
    port = await server.start("127.0.0.1:0")
    async with service("here") as there:
        cache.set(
            "clients", [listener(route_config=ROUTE_OF_ITS_OWN), CLUSTER_OF_ENDPOINTS, endpoints(there)]
        )
        async with grpc_client(port, files) as client:
            assert await client.ask() == "here"
    await server.stop()
