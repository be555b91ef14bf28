"""The real grpcurl lists, describes and calls all that the admin listener serves, with nothing but reflection to learn from."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.grpcurl.program import grpcurl
from tests.support.inspected import Inspected, inspected
from tests.support.xds_client import XdsClient
from tests.xds.app.manifests import loadbalancer, write
from xds.admin import csds
from xds.snapshot.types import CLUSTER, LISTENER

CSDS = "envoy.service.status.v3.ClientStatusDiscoveryService"
DEBUG = "kubelb.xds.debug.v1.DebugService"
HEALTH = "grpc.health.v1.Health"
LOADBALANCERS = "kubelb.xds.debug.v1.LoadBalancerService"
NAME = "tenant-a-web-ep-0-port-8443-TCP"
WITHIN = 60.0

pytestmark = pytest.mark.process


@pytest.fixture(scope="session")
def program() -> Path:
    """Return grpcurl, which is built at first."""
    return grpcurl()


@pytest.fixture
async def serving(tmp_path: Path) -> AsyncIterator[Inspected]:
    """Run a control plane with one LoadBalancer."""
    write(tmp_path, "web.yaml", loadbalancer("web"))
    async with inspected(tmp_path) as running:
        yield running


class Grpcurl:
    """Runs the program against one address."""

    def __init__(self, program: Path, address: str) -> None:
        self._program = program
        self._address = address

    async def __call__(self, *words: str, data: Any = None, headers: tuple[str, ...] = ()) -> str:
        """Run it to its end, and return what it prints."""
        options = ["-plaintext", *(word for header in headers for word in ("-H", header))]
        if data is not None:
            options += ["-d", json.dumps(data)]
        process = await asyncio.create_subprocess_exec(
            self._program,
            *options,
            self._address,
            *words,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(WITHIN):
            stdout, stderr = await process.communicate()
        assert process.returncode == 0, stderr.decode()
        return stdout.decode()

    async def call(self, method: str, data: Any = None, headers: tuple[str, ...] = ()) -> list[Any]:
        """Call a method, and return the messages that it answers."""
        text, messages = await self(method, data=data or {}, headers=headers), []
        while text := text.lstrip():
            message, end = json.JSONDecoder().raw_decode(text)
            messages.append(message)
            text = text[end:]
        return messages


@pytest.fixture
def ask(program: Path, serving: Inspected) -> Grpcurl:
    """Return what asks the control plane."""
    return Grpcurl(program, serving.address)


async def test_it_lists_every_service_and_method(ask: Grpcurl) -> None:
    """Each service is found by reflection, and each of its methods."""
    assert {CSDS, DEBUG, LOADBALANCERS, HEALTH} <= set((await ask("list")).split())
    assert (await ask("list", CSDS)).split() == [f"{CSDS}.FetchClientStatus", f"{CSDS}.StreamClientStatus"]
    methods = ("DumpSnapshot", "ListEnvoys", "ListTenants", "Watch")
    assert (await ask("list", DEBUG)).split() == [f"{DEBUG}.{method}" for method in methods]
    assert (await ask("list", LOADBALANCERS)).split() == [f"{LOADBALANCERS}.Explain"]


async def test_it_describes_services_and_messages(ask: Grpcurl) -> None:
    """A service's methods are told with their messages, ours and Envoy's alike."""
    assert "rpc Watch ( .kubelb.xds.debug.v1.WatchRequest )" in await ask("describe", DEBUG)
    assert "rpc FetchClientStatus" in await ask("describe", CSDS)
    assert "repeated .envoy.type.matcher.v3.NodeMatcher node_matchers" in await ask(
        "describe", "envoy.service.status.v3.ClientStatusRequest"
    )
    assert "message Cluster {" in await ask("describe", "envoy.config.cluster.v3.Cluster")


async def test_it_calls_csds(ask: Grpcurl, serving: Inspected) -> None:
    """Of an Envoy that is connected each resource is told, its content in words; a stream answers each request."""
    async with XdsClient(serving.xds, delta=True) as client:
        await client.subscribe(CLUSTER)
        await client.ack(await client.receive())
        for method in ("FetchClientStatus", "StreamClientStatus"):
            (answer,) = await ask.call(f"{CSDS}/{method}", headers=(f"{csds.TYPE}: CDS",))
            (config,) = answer["config"]
            (entry,) = config["genericXdsConfigs"]
            assert (config["node"]["id"], entry["name"]) == ("test-envoy", NAME)
            assert entry["configStatus"] in ("SYNCED", "STALE")
            assert entry["xdsConfig"]["connectTimeout"] == "5s"


async def test_it_calls_the_debug_service(ask: Grpcurl, serving: Inspected) -> None:
    """Tenants, Envoys and a tenant's resources are told, resources in words."""
    (tenant,) = await ask.call(f"{DEBUG}/ListTenants")
    assert (tenant["name"], len(tenant["types"])) == ("tenant-a", 3)
    async with XdsClient(serving.xds, delta=True) as client:
        await client.subscribe(LISTENER)
        await client.receive()
        (envoy,) = await ask.call(f"{DEBUG}/ListEnvoys", {"tenant": "tenant-a"})
        assert (envoy["node"], envoy["types"][0]["status"]) == ("test-envoy", "STATUS_STALE")
    (served,) = await ask.call(f"{DEBUG}/DumpSnapshot", {"tenant": "tenant-a", "types": ["LDS"]})
    assert served["resource"]["address"]["socketAddress"]["portValue"] == 20001


async def test_it_asks_for_health(ask: Grpcurl) -> None:
    """The listener's health is told by gRPC's own service."""
    assert await ask.call(f"{HEALTH}/Check") == [{"status": "SERVING"}]


async def test_it_explains_a_load_balancer(ask: Grpcurl) -> None:
    """What became of a LoadBalancer is told by the service that knows them."""
    (answer,) = await ask.call(f"{LOADBALANCERS}/Explain", {"namespace": "tenant-a", "name": "web"})
    assert answer["ports"][0]["resource"] == NAME


async def test_it_watches(ask: Grpcurl, serving: Inspected) -> None:
    """Events are printed as they happen, until the control plane stops."""
    process = await asyncio.create_subprocess_exec(
        ask._program,
        *("-plaintext", "-d", '{"tenant": "tenant-a"}', serving.address, f"{DEBUG}/Watch"),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(WITHIN):
            watchers = serving.control_plane.watching._watchers
            while not watchers:  # noqa: ASYNC110 — grpcurl says nothing as it begins
                await asyncio.sleep(0.02)
            async with XdsClient(serving.xds, delta=True) as client:
                await client.subscribe(CLUSTER)
                await client.receive()
                text = ""
                while '"push"' not in text:
                    text += (await process.stdout.readline()).decode()
        assert '"opened"' in text
    finally:
        process.kill()
        await process.wait()
