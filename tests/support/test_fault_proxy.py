"""The fault proxy passes everything on but what it is told to break, and breaks that as it is told to."""

import asyncio
import json
import time
from collections.abc import AsyncIterator

import aiohttp
import pytest

from tests.support.fault_proxy import FaultProxy
from tests.support.faults import everything, lists, watches
from tests.support.kube_api import ApiServer
from tests.support.kube_client import ApiClient, Object, RefusedError

pytestmark = pytest.mark.kubernetes

WITHIN = 10.0
"""Seconds for anything that is waited for."""
HELD = 0.2
"""Seconds without an answer that show that none comes."""


def config(name: str, namespace: str) -> Object:
    """Return a ConfigMap."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace}}


@pytest.fixture
async def client(api_server: ApiServer, fault_proxy: FaultProxy) -> AsyncIterator[ApiClient]:
    """Act as the administrator through the proxy."""
    async with api_server.client(server=fault_proxy.url) as through:
        yield through


async def held(task: asyncio.Task[Object]) -> bool:
    """Return whether the task is still waiting after a moment."""
    return not (await asyncio.wait({task}, timeout=HELD))[0]


def answered(coroutine: object) -> asyncio.Task[Object]:
    """Start a request whose answer is waited for later, and bounded."""
    return asyncio.ensure_future(asyncio.wait_for(coroutine, WITHIN))  # type: ignore[arg-type]


async def test_passes_requests_on(
    client: ApiClient, admin: ApiClient, fault_proxy: FaultProxy, namespace: str
) -> None:
    """Requests and answers pass with their bodies, statuses and tokens, and are recorded."""
    created = await client.create(config("a", namespace))
    assert created == await admin.get(created)
    with pytest.raises(RefusedError, match="404"):
        await client.get(config("b", namespace))
    post, get = fault_proxy.requests
    assert (post.method, post.status, get.method, get.status) == ("POST", 201, "GET", 404)
    assert post.path == f"/api/v1/namespaces/{namespace}/configmaps"
    assert post.headers["Authorization"].startswith("Bearer ")
    await client.list("v1", "ConfigMap", namespace, limit="5", labelSelector="a=b,c!=d")
    assert fault_proxy.requests[-1].query == {"limit": "5", "labelSelector": "a=b,c!=d"}


async def test_passes_a_watch_on(
    client: ApiClient, admin: ApiClient, fault_proxy: FaultProxy, namespace: str
) -> None:
    """The events of a watch pass one by one as they come, and the client's end ends the API server's."""
    async with client.watch("v1", "ConfigMap", namespace) as events:
        for name in "ab":
            await admin.create(config(name, namespace))
            event = await asyncio.wait_for(anext(events), WITHIN)
            assert event["object"]["metadata"]["name"] == name
    request = await fault_proxy.saw(lambda request: request.is_watch and request.over)
    assert request.lines == 2


async def test_answer(client: ApiClient, fault_proxy: FaultProxy) -> None:
    """An answer takes the API server's place as often as it is meant to, with a Status as the API server's."""
    rule = fault_proxy.answer(429, headers={"Retry-After": "3"}, when=lists("secrets"), times=2)
    for _ in range(2):
        with pytest.raises(RefusedError, match="429 Too Many Requests") as refused:
            await client.list("v1", "Secret")
        assert refused.value.body["reason"] == "TooManyRequests"
        await client.list("v1", "ConfigMap")
    await client.list("v1", "Secret")
    assert rule.hits == 2
    fault_proxy.answer(200, b"{half a", when=everything)
    with pytest.raises(json.JSONDecodeError):
        await client.list("v1", "Secret")
    fault_proxy.heal()
    await client.list("v1", "Secret")


async def test_the_first_rule_wins(client: ApiClient, fault_proxy: FaultProxy) -> None:
    """Of several rules that match, each has its turn in the order in which they were added."""
    for status in (500, 503):
        fault_proxy.answer(status, when=lists("secrets"), times=1)
    for status in (500, 503):
        with pytest.raises(RefusedError) as refused:
            await client.list("v1", "Secret")
        assert refused.value.status == status
    await client.list("v1", "Secret")


@pytest.mark.parametrize("reset", [False, True])
async def test_cut_body(client: ApiClient, fault_proxy: FaultProxy, *, reset: bool) -> None:
    """A cut breaks the connection after so many bytes of the body, with a FIN or with a RST."""
    fault_proxy.cut(lists("secrets"), after_bytes=20, times=1, reset=reset)
    with pytest.raises(aiohttp.ClientPayloadError) as broken:
        await client.list("v1", "Secret")
    assert ("Connection reset by peer" in str(broken.value)) == reset
    assert fault_proxy.requests[-1].passed == 20
    await client.list("v1", "Secret")


async def test_cut_mid_line(
    client: ApiClient, admin: ApiClient, fault_proxy: FaultProxy, namespace: str
) -> None:
    """A watch is cut after so many events, in the middle of the one that follows."""
    fault_proxy.cut(watches("configmaps"), after_lines=1, mid_line=True, times=1)
    async with client.watch("v1", "ConfigMap", namespace) as events:
        await admin.create(config("a", namespace))
        assert await asyncio.wait_for(anext(events), WITHIN)
        await admin.create(config("b", namespace))
        with pytest.raises((aiohttp.ClientPayloadError, json.JSONDecodeError)):
            await asyncio.wait_for(anext(events), WITHIN)
    request = await fault_proxy.saw(lambda request: request.over)
    assert request.lines == 1


async def read_on(events: AsyncIterator[Object]) -> None:
    """Read to the end."""
    async for _ in events:
        pass


async def test_cut_after_lines(
    client: ApiClient, admin: ApiClient, fault_proxy: FaultProxy, namespace: str
) -> None:
    """A watch is cut right after an event, without waiting for another."""
    fault_proxy.cut(watches("configmaps"), after_lines=1)
    async with client.watch("v1", "ConfigMap", namespace) as events:
        await admin.create(config("a", namespace))
        # The event itself may be lost on a client that sees the break first.
        with pytest.raises(aiohttp.ClientPayloadError):
            await asyncio.wait_for(read_on(events), WITHIN)
    (request,) = [request for request in fault_proxy.requests if watches("configmaps")(request)]
    assert request.lines == 1


async def test_hang(client: ApiClient, fault_proxy: FaultProxy) -> None:
    """A request that hangs is answered once that is healed, others at once."""
    rule = fault_proxy.hang(lists("secrets"))
    asked = answered(client.list("v1", "Secret"))
    await fault_proxy.saw(lists("secrets"))
    await client.list("v1", "ConfigMap")
    assert await held(asked)
    rule.heal()
    assert (await asked)["kind"] == "SecretList"


async def test_silence(client: ApiClient, admin: ApiClient, fault_proxy: FaultProxy, namespace: str) -> None:
    """A silenced watch, opened before or not, stays open and gives nothing; once healed it gives what was held back."""
    async with client.watch("v1", "ConfigMap", namespace) as events:
        await admin.create(config("a", namespace))
        await asyncio.wait_for(anext(events), WITHIN)
        rule = fault_proxy.silence(watches("configmaps"))
        await admin.create(config("b", namespace))
        asked = answered(anext(events))
        assert await held(asked)
        assert len((await client.list("v1", "ConfigMap", namespace))["items"]) == 2
        rule.heal()
        assert (await asked)["object"]["metadata"]["name"] == "b"


async def test_garbage(client: ApiClient, admin: ApiClient, fault_proxy: FaultProxy, namespace: str) -> None:
    """Garbage takes a list's place, and in a watch comes before the events."""
    fault_proxy.garbage(everything, b"}{\n", times=2)
    with pytest.raises(json.JSONDecodeError):
        await client.list("v1", "ConfigMap", namespace)
    async with client.watch("v1", "ConfigMap", namespace) as events:
        await admin.create(config("a", namespace))
        with pytest.raises(json.JSONDecodeError):
            await asyncio.wait_for(anext(events), WITHIN)
    await client.list("v1", "ConfigMap", namespace)


async def test_rewrite(client: ApiClient, admin: ApiClient, fault_proxy: FaultProxy, namespace: str) -> None:
    """A rewrite alters a list as a whole, and each event of a watch."""
    fault_proxy.rewrite(everything, lambda text: text.replace(b'"configured"', b'"rewritten"'))
    async with client.watch("v1", "ConfigMap", namespace) as events:
        await admin.create(config("a", namespace) | {"data": {"key": "configured"}})
        event = await asyncio.wait_for(anext(events), WITHIN)
        listed = await client.list("v1", "ConfigMap", namespace)
    assert [event["object"]["data"], listed["items"][0]["data"]] == [{"key": "rewritten"}] * 2


async def test_delay(client: ApiClient, fault_proxy: FaultProxy) -> None:
    """A delayed request is passed on later, and another rule still applies."""
    fault_proxy.delay(lists("secrets"), HELD, times=1)
    fault_proxy.answer(500, when=lists("secrets"), times=1)
    began = time.monotonic()
    with pytest.raises(RefusedError, match="500"):
        await client.list("v1", "Secret")
    assert time.monotonic() - began >= HELD


async def test_cut_all(client: ApiClient, fault_proxy: FaultProxy, namespace: str) -> None:
    """All connections can be broken at once; new ones are taken."""
    async with client.watch("v1", "ConfigMap", namespace) as events:
        fault_proxy.cut_all()
        with pytest.raises(aiohttp.ClientPayloadError):
            await asyncio.wait_for(anext(events), WITHIN)
    assert (await client.list("v1", "ConfigMap", namespace))["items"] == []


async def test_refuse(client: ApiClient, fault_proxy: FaultProxy) -> None:
    """Connections are refused, and then taken again on the same port."""
    await client.list("v1", "Secret")
    fault_proxy.refuse()
    fault_proxy.cut_all()
    with pytest.raises(aiohttp.ClientConnectorError):
        await client.list("v1", "Secret")
    await fault_proxy.accept()
    await client.list("v1", "Secret")


async def test_the_api_servers_own_end(own_api_server: ApiServer) -> None:
    """What befalls the API server's connections befalls the client's: broken when it is killed, refused while it is away."""
    async with (
        FaultProxy(own_api_server.url, own_api_server.authority) as proxy,
        own_api_server.client(server=proxy.url) as client,
    ):
        async with client.watch("v1", "ConfigMap", "default") as events:
            await own_api_server.kill()
            with pytest.raises(aiohttp.ClientPayloadError):
                await asyncio.wait_for(anext(events), WITHIN)
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await client.list("v1", "Secret")
        await own_api_server.start_again()
        await client.list("v1", "Secret")
