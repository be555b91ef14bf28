"""Envoy's client status discovery service: each resource's status through connect, push, NACK, heal and disconnect."""

import asyncio
from typing import Any

import grpc
import pytest

from tests.support.admin_client import Admin
from tests.support.recording import Heard, RecordingObserver
from tests.support.resources import cluster, endpoints, listener
from tests.support.xds_client import BOUND, XdsClient
from xds.admin import csds
from xds.messages import Cluster, message_class
from xds.snapshot import Resource
from xds.snapshot.types import CLUSTER, ENDPOINT, LISTENER

Request: Any = message_class("envoy.service.status.v3.ClientStatusRequest")
REFUSAL = "Error adding/updating cluster(s) a: no such thing"

ZONE_A = {"path": [{"key": "zone"}], "value": {"string_match": {"exact": "a"}}}


def plain(name: str, content: int = 1) -> Resource:
    """Return a cluster that waits for no endpoints."""
    return cluster(name, content, eds=False)


async def configs(admin: Admin, *headers: tuple[str, str], **fields: Any) -> list[Any]:
    """Return what is told of each Envoy."""
    response = await admin.csds.fetch_client_status(Request(**fields), metadata=headers, timeout=BOUND)
    return list(response.config)


async def entries(admin: Admin, *headers: tuple[str, str], **fields: Any) -> dict[str, Any]:
    """Return what is told of each resource of the one Envoy, by name."""
    (config,) = await configs(admin, *headers, **fields)
    return {entry.name: entry for entry in config.generic_xds_configs}


async def acks(observer: RecordingObserver, number: int) -> None:
    """Wait until the server has heard so many ACKs."""

    def enough(_: Heard) -> bool:
        answers = [heard.detail[1] for heard in observer.heard if heard.what == "answered"]
        return bool(sum(outcome.kind == "ack" for outcome in answers) >= number)

    await observer.wait_for(enough)


async def statuses(admin: Admin) -> dict[str, str]:
    """Return the status of each resource of the one Envoy."""
    return {name: status(entry) for name, entry in (await entries(admin)).items()}


def status(entry: Any) -> str:
    """Return a resource's status by its name."""
    kind = entry.DESCRIPTOR.fields_by_name["config_status"].enum_type
    return str(kind.values_by_number[entry.config_status].name)


async def test_a_resource_goes_from_not_sent_to_stale_to_synced(
    admin: Admin, observer: RecordingObserver, delta: bool
) -> None:
    """Before it is asked for it is NOT_SENT, sent it is STALE, ACKed SYNCED; changed it is STALE until that is ACKed too."""
    admin.cache.set("tenant-a", [plain("a"), listener("l")])
    async with XdsClient(admin.xds, delta=delta) as client:
        await client.subscribe(CLUSTER)
        response = await client.receive()
        assert await statuses(admin) == {"a": "STALE", "l": "NOT_SENT"}
        await client.ack(response)
        await acks(observer, 1)
        assert await statuses(admin) == {"a": "SYNCED", "l": "NOT_SENT"}
        await client.subscribe(LISTENER)
        await client.ack(await client.receive())
        await acks(observer, 2)
        admin.cache.update("tenant-a", [plain("a", 2)])
        response = await client.receive()
        found = await entries(admin)
        assert status(found["a"]) == "STALE"
        assert found["a"].version_info == plain("a").version, "what it has is the old one"
        assert found["a"].xds_config.value == plain("a", 2).message(Cluster).SerializeToString()
        assert status(found["l"]) == "SYNCED"


async def test_a_refused_resource_is_an_error_until_it_heals(
    admin: Admin, observer: RecordingObserver, delta: bool
) -> None:
    """A NACK stands with its text, version and time at the resource that it names; an ACK of better content ends it."""
    admin.cache.set("tenant-a", [plain("a"), plain("b")])
    async with XdsClient(admin.xds, delta=delta) as client:
        await client.subscribe(CLUSTER)
        await client.nack(await client.receive(), REFUSAL)
        await client.ack(await client.receive())
        await acks(observer, 1)
        found = await entries(admin)
        assert {name: status(entry) for name, entry in found.items()} == {"a": "ERROR", "b": "SYNCED"}
        error = found["a"].error_state
        assert (error.details, error.version_info) == (REFUSAL, plain("a").version)
        assert error.HasField("last_update_attempt")
        assert not found["b"].HasField("error_state")
        assert found["b"].HasField("last_updated")
        admin.cache.update("tenant-a", [plain("a", 2)])
        await client.ack(await client.receive())
        await acks(observer, 2)
        found = await entries(admin)
        assert status(found["a"]) == "SYNCED"
        assert not found["a"].HasField("error_state")


async def test_an_envoy_that_left_is_told_of_no_more(
    admin: Admin, observer: RecordingObserver, delta: bool
) -> None:
    """Only who is connected is in the answer."""
    admin.cache.set("tenant-a", [plain("a")])
    assert await configs(admin) == []
    async with XdsClient(admin.xds, delta=delta) as client:
        await client.subscribe(CLUSTER)
        await client.receive()
        assert len(await configs(admin)) == 1
    await observer.wait_for(lambda heard: heard.what == "closed")
    assert await configs(admin) == []


async def test_a_name_that_does_not_exist_is_said_to(admin: Admin, observer: RecordingObserver) -> None:
    """What an Envoy asks for by name and nobody has is SYNCED and DOES_NOT_EXIST once it knows."""
    admin.cache.set("tenant-a", [endpoints("there")])
    async with XdsClient(admin.xds, delta=True) as client:
        await client.subscribe(ENDPOINT, ["there", "missing"])
        await client.ack(await client.receive())
        await acks(observer, 1)
        found = await entries(admin)
        assert {name: status(entry) for name, entry in found.items()} == {
            "there": "SYNCED",
            "missing": "SYNCED",
        }
        kinds = found["missing"].DESCRIPTOR.fields_by_name["client_status"].enum_type.values_by_name
        assert found["missing"].client_status == kinds["DOES_NOT_EXIST"].number
        assert found["there"].client_status == kinds["ACKED"].number


async def test_a_stream_answers_each_request(admin: Admin) -> None:
    """StreamClientStatus answers as often as it is asked."""
    admin.cache.set("tenant-a", [plain("a")])
    call = admin.csds.stream_client_status(timeout=BOUND)
    await call.write(Request())
    assert len((await call.read()).config) == 0
    async with XdsClient(admin.xds, delta=True) as client:
        await client.subscribe(CLUSTER)
        await client.receive()
        await call.write(Request())
        assert len((await call.read()).config) == 1
    await call.done_writing()
    assert await call.read() is grpc.aio.EOF


@pytest.mark.parametrize(
    ("matcher", "found"),
    [
        ({"node_id": {"exact": "envoy-1"}}, {"envoy-1"}),
        ({"node_id": {"prefix": "envoy-"}}, {"envoy-1", "envoy-2"}),
        ({"node_id": {"suffix": "-2"}}, {"envoy-2"}),
        ({"node_id": {"contains": "NVOY", "ignore_case": True}}, {"envoy-1", "envoy-2"}),
        ({"node_metadatas": [ZONE_A]}, {"envoy-1"}),
        ({"node_id": {"exact": "envoy-2"}, "node_metadatas": [ZONE_A]}, set()),
        (
            {"node_metadatas": [{"path": [{"key": "nothing"}], "value": {"present_match": True}}]},
            set(),
        ),
    ],
)
async def test_matchers_choose_envoys(admin: Admin, matcher: dict[str, Any], found: set[str]) -> None:
    """A node matcher takes an Envoy by its id and its metadata, both where it has both."""
    nodes = [
        {"id": f"envoy-{number}", "cluster": "tenant-a", "metadata": {"zone": zone}}
        for number, zone in ((1, "a"), (2, "b"))
    ]
    admin.cache.set("tenant-a", [plain("a")])
    async with (
        XdsClient(admin.xds, delta=True, node=nodes[0]) as one,
        XdsClient(admin.xds, delta=True, node=nodes[1]) as two,
    ):
        for client in (one, two):
            await client.subscribe(CLUSTER)
            await client.receive()
        chosen = await configs(admin, node_matchers=[matcher])
        assert {config.node.id for config in chosen} == found


async def test_a_regular_expression_is_refused(admin: Admin) -> None:
    """It would run where every Envoy is served: the error says what to use instead."""
    async with XdsClient(admin.xds, delta=True) as client:
        await client.subscribe(CLUSTER)
        admin.cache.set("tenant-a", [plain("a")])
        await client.receive()
        with pytest.raises(grpc.aio.AioRpcError, match="use exact, prefix, suffix or contains") as error:
            await configs(admin, node_matchers=[{"node_id": {"safe_regex": {"regex": "(a+)+"}}}])
        assert error.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_headers_choose_types_and_tenants(admin: Admin) -> None:
    """What the request has no field for is asked by a header; one that names no type is an error."""
    admin.cache.set("tenant-a", [plain("a"), listener("l")])
    async with XdsClient(admin.xds, delta=True) as client:
        await client.subscribe(CLUSTER)
        await client.receive()
        assert set(await entries(admin, (csds.TYPE, "lds"))) == {"l"}
        assert set(await entries(admin, (csds.TYPE, CLUSTER), (csds.TENANT, "tenant-a"))) == {"a"}
        assert await configs(admin, (csds.TENANT, "tenant-b")) == []
        with pytest.raises(grpc.aio.AioRpcError, match="'XYZ' is no type"):
            await configs(admin, (csds.TYPE, "XYZ"))


async def test_contents_can_be_left_out(admin: Admin) -> None:
    """With exclude_resource_contents a resource has its status and no content."""
    admin.cache.set("tenant-a", [plain("a")])
    async with XdsClient(admin.xds, delta=True) as client:
        await client.subscribe(CLUSTER)
        await client.receive()
        assert (await entries(admin))["a"].HasField("xds_config")
        assert not (await entries(admin, exclude_resource_contents=True))["a"].HasField("xds_config")


async def test_an_answer_has_a_bound(admin: Admin, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that no client would take is refused, and the error says how to ask for less."""
    monkeypatch.setattr(csds, "MOST_BYTES", 20_000)
    admin.cache.set("tenant-a", [plain(f"c-{number}") for number in range(200)])
    async with XdsClient(admin.xds, delta=True) as client:
        await client.subscribe(CLUSTER)
        await client.receive()
        with pytest.raises(
            grpc.aio.AioRpcError, match=r"exclude_resource_contents, or .*node_matchers"
        ) as error:
            await configs(admin)
        assert error.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_streams_get_their_turn_while_an_answer_is_made(
    admin: Admin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer about many resources is made a slice at a time: what happens meanwhile is sent at once."""
    monkeypatch.setattr(csds, "MOST_BYTES", 1 << 30)
    admin.cache.set("tenant-a", [plain(f"c-{number}") for number in range(2000)])
    async with XdsClient(admin.xds, delta=True) as client:
        await client.subscribe(CLUSTER)
        await client.ack(await client.receive())
        turns = 0
        asking = asyncio.create_task(entries(admin))
        while not asking.done():
            turns += 1
            await asyncio.sleep(0)
        assert len(await asking) == 2000
        assert turns > 2000 / 200
