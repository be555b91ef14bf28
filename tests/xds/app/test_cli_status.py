"""`kubelb-xds status`: what each Envoy has, for people and for scripts."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.inspected import Inspected, inspected
from tests.support.xds_client import XdsClient
from tests.xds.app.manifests import loadbalancer, write
from xds.app.cli import main
from xds.app.demo.waiting import poll
from xds.snapshot.types import CLUSTER, ENDPOINT, LISTENER

NAME = "tenant-a-web-ep-0-port-8443-TCP"
REFUSAL = f"Error adding/updating cluster(s) {NAME}: no such thing"


@pytest.fixture
async def serving(tmp_path: Path) -> AsyncIterator[Inspected]:
    """Run a control plane with one LoadBalancer."""
    write(tmp_path, "web.yaml", loadbalancer("web"))
    async with inspected(tmp_path) as running:
        yield running


async def command(serving: Inspected, *words: str) -> int:
    """Run the command line against the control plane, beside it, and return the exit code."""
    return await asyncio.to_thread(main, [*words, "--admin-address", serving.address])


async def synced(client: XdsClient) -> None:
    """Ask for all that there is, and ACK it."""
    for type_url, names in ((CLUSTER, ()), (ENDPOINT, (NAME,)), (LISTENER, ())):
        await client.subscribe(type_url, names)
        await client.ack(await client.receive())


async def test_no_envoy_is_said_and_1(serving: Inspected, capsys: pytest.CaptureFixture[str]) -> None:
    """Where nobody is connected nothing is synced."""
    assert await command(serving, "status") == 1
    assert "No Envoy is connected" in capsys.readouterr().out


async def test_everything_synced_is_0(serving: Inspected, capsys: pytest.CaptureFixture[str]) -> None:
    """An Envoy that has ACKed all is SYNCED in each column, with how long ago."""
    async with XdsClient(serving.xds, delta=True) as client:
        await synced(client)

        async def code() -> int:
            return await command(serving, "status")

        # The last ACK is on its way.
        await poll(code, lambda code: code == 0, within=5, what="exit code 0")
        out = capsys.readouterr().out
        assert out.count("SYNCED 1/1") >= 3
        assert "test-envoy" in out
        assert " ago" in out


async def test_a_nack_is_shown_with_its_words_and_1(
    serving: Inspected, capsys: pytest.CaptureFixture[str]
) -> None:
    """What an Envoy refused is in the table, and below it in full: whose, which resource, why, how long ago."""
    async with XdsClient(serving.xds, delta=True) as client:
        await client.subscribe(CLUSTER)
        await client.nack(await client.receive(), REFUSAL)

        async def shown() -> str:
            assert await command(serving, "status") == 1
            return capsys.readouterr().out

        out = await poll(shown, lambda out: "NACK 0/1" in out, within=5, what="the NACK")
        (line,) = (line for line in out.splitlines() if line.startswith("NACK tenant-a test-envoy CDS"))
        assert NAME in line
        assert line.endswith(REFUSAL)
        assert "it has none" in line


async def test_what_was_sent_and_not_answered_is_stale(
    serving: Inspected, capsys: pytest.CaptureFixture[str]
) -> None:
    """An Envoy that warms is STALE, and what it has not asked for NOT SENT."""
    async with XdsClient(serving.xds, delta=True) as client:
        await client.subscribe(CLUSTER)
        await client.receive()
        assert await command(serving, "status") == 1
        out = capsys.readouterr().out
        assert "STALE 0/1" in out
        assert "NOT SENT tenant-a test-envoy LDS: the Envoy has not asked for it" in out


async def test_json_is_the_messages_of_the_debug_service(
    serving: Inspected, capsys: pytest.CaptureFixture[str]
) -> None:
    """With -o json stdout is one document, with every field there, empty ones as well."""
    async with XdsClient(serving.xds, delta=True) as client:
        await client.subscribe(CLUSTER)
        await client.receive()
        assert await command(serving, "status", "-o", "json", "--tenant", "tenant-a") == 1
        (envoy,) = json.loads(capsys.readouterr().out)["envoys"]
        assert (envoy["node"], envoy["streams"], envoy["build"]) == ("test-envoy", 1, "")
        clusters: dict[str, Any] = {each["typeUrl"]: each for each in envoy["types"]}[CLUSTER]
        assert (clusters["status"], clusters["open"][0]["name"]) == ("STATUS_STALE", NAME)
        assert await command(serving, "status", "-o", "json", "--tenant", "tenant-b") == 1
        assert json.loads(capsys.readouterr().out) == {"envoys": []}


async def test_nobody_there_is_2_and_names_address_and_remedy(
    unused_tcp_port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """A control plane that does not answer is one line that says where it was looked for and what to do."""
    address = f"127.0.0.1:{unused_tcp_port}"
    assert await asyncio.to_thread(main, ["status", "--admin-address", address]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert f"no admin listener answers on {address}" in captured.err
    assert "--admin-address" in captured.err
    assert captured.err.count("\n") == 1


async def test_another_listener_is_2_and_said(serving: Inspected, capsys: pytest.CaptureFixture[str]) -> None:
    """Asking the xDS listener is told apart from asking nobody."""
    code = await asyncio.to_thread(main, ["status", "--admin-address", f"127.0.0.1:{serving.xds}"])
    assert code == 2
    assert "is no admin listener of this version" in capsys.readouterr().err
