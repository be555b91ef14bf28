"""`kubelb-xds watch`: one line for each thing that happens."""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.command import MAIN, WITHIN, environment
from tests.support.inspected import Inspected, inspected
from tests.support.xds_client import XdsClient
from tests.xds.app.manifests import loadbalancer, write
from xds.app.demo.waiting import poll
from xds.app.inspect.events import event_line
from xds.messages import debug_pb2 as pb
from xds.snapshot.types import CLUSTER

pytestmark = pytest.mark.process


@pytest.fixture
async def serving(tmp_path: Path) -> AsyncIterator[Inspected]:
    """Run a control plane with one LoadBalancer."""
    write(tmp_path, "web.yaml", loadbalancer("web"))
    async with inspected(tmp_path) as running:
        yield running


async def watching(serving: Inspected, *words: str) -> asyncio.subprocess.Process:
    """Start the command, and wait until it watches."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", MAIN, "watch", "--admin-address", serving.address, *words),
        env=environment(),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )

    async def watchers() -> int:
        return len(serving.control_plane.watching._watchers)

    await poll(watchers, bool, within=WITHIN, what="a watcher")
    return process


async def lines(process: asyncio.subprocess.Process, number: int) -> list[str]:
    """Return the next lines that it prints."""
    assert process.stdout is not None
    async with asyncio.timeout(WITHIN):
        return [(await process.stdout.readline()).decode().rstrip("\n") for _ in range(number)]


async def test_events_are_lines_and_ctrl_c_is_0(serving: Inspected) -> None:
    """Opened, pushed, ACKed, closed: each is printed at once, and the end of it all is the user's."""
    process = await watching(serving)
    async with XdsClient(serving.xds, delta=True) as client:
        await client.subscribe(CLUSTER)
        await client.ack(await client.receive())
        shown = await lines(process, 3)
    (closed,) = await lines(process, 1)
    assert "tenant-a test-envoy opened stream 1" in shown[0]
    assert "push   CDS" in shown[1]
    assert shown[1].endswith(": tenant-a-web-ep-0-port-8443-TCP")
    assert "ACK    CDS" in shown[2]
    assert "closed stream 1" in closed
    process.send_signal(signal.SIGINT)
    _, stderr = await process.communicate()
    assert (process.returncode, stderr) == (0, b"")


async def test_json_is_one_object_a_line(serving: Inspected) -> None:
    """A script reads a line at a time."""
    process = await watching(serving, "-o", "json", "--type", "CDS")
    async with XdsClient(serving.xds, delta=True) as client:
        await client.subscribe(CLUSTER)
        await client.receive()
        opened, push = map(json.loads, await lines(process, 2))
    assert opened["opened"] == {"delta": True, "known": True}
    assert push["push"]["changed"] == ["tenant-a-web-ep-0-port-8443-TCP"]
    process.kill()
    await process.wait()


async def test_a_control_plane_that_stops_is_2(serving: Inspected) -> None:
    """The end of the control plane is said, with its address."""
    process = await watching(serving)
    serving.control_plane.watching.close()
    _, stderr = await process.communicate()
    assert process.returncode == 2
    assert serving.address.encode() in stderr


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (
            pb.Event(nack=pb.Event.Nack(version="v", text="no\nsuch  thing", held=["a"])),
            "NACK   v, held back a: no such thing",
        ),
        (pb.Event(missed=pb.Event.Missed(events=7)), "missed 7 events, since they were not read fast enough"),
        (pb.Event(push=pb.Event.Push(version="v", removed=["a"])), "push   v: nothing new without a"),
        (
            pb.Event(opened=pb.Event.Opened(), stream=3, peer="p"),
            "opened stream 3 from p, sotw: its tenant has nothing, see node.cluster in its bootstrap",
        ),
    ],
    ids=["nack", "missed", "push", "opened"],
)
def test_a_line_says_what_happened(event: pb.Event, text: str) -> None:
    """Each kind of event reads as a sentence on one line."""
    assert event_line(event).plain.endswith(text)
