"""`kubelb-xds status`: what each Envoy has, for people and for scripts."""

import asyncio
import fcntl
import json
import os
import pty
import signal
import sys
import termios
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import pki
from tests.support.command import MAIN, WITHIN, environment
from tests.support.inspected import Inspected, inspected
from tests.support.mtls import Volume, server_of
from tests.support.pki import Identity
from tests.support.xds_client import XdsClient
from tests.xds.app.manifests import loadbalancer, write
from xds.admin.debug import Debug
from xds.admin.grpc_admin import AdminServer
from xds.admin.watching import Watching
from xds.app.cli import main
from xds.app.demo.waiting import poll
from xds.protocol import Delivery
from xds.snapshot import SnapshotCache
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


@pytest.fixture
async def over_tls(tmp_path: Path) -> AsyncIterator[tuple[int, Identity]]:
    """Run an admin listener with mutual TLS; yield its port and the authority that vouches for either side."""
    authority = pki.ca("admins")
    server = server_of(authority)
    files = Volume(tmp_path / "server", server, authority).files()
    cache = SnapshotCache()
    services = (Debug(cache, Delivery(), Watching()),)
    admin = AdminServer(unready=dict, services=services, credentials=files.credentials())
    yield await admin.start("127.0.0.1:0"), authority
    await admin.stop()


def tls_dir(folder: Path, authority: Identity, person: Identity) -> Path:
    """Write what a person asks with."""
    folder.mkdir()
    for name, content in {
        "ca.crt": authority.pem,
        "tls.crt": person.chain_pem,
        "tls.key": person.key_pem,
    }.items():
        (folder / name).write_bytes(content)
    return folder


async def test_a_listener_with_mutual_tls_is_asked_with_a_folder(
    over_tls: tuple[int, Identity], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With --admin-tls-dir it answers; without, or with somebody else's certificate, the error names the option."""
    port, authority = over_tls
    good = tls_dir(tmp_path / "good", authority, authority.issue("somebody"))
    bad = tls_dir(tmp_path / "bad", authority, pki.ca("others").issue("somebody"))
    words = ["status", "--admin-address", f"127.0.0.1:{port}"]
    assert await asyncio.to_thread(main, [*words, "--admin-tls-dir", str(good)]) == 1
    assert "No Envoy is connected" in capsys.readouterr().out
    for others in (["--admin-tls-dir", str(bad)], []):
        assert await asyncio.to_thread(main, [*words, *others]) == 2
        assert "wants --admin-tls-dir" in capsys.readouterr().err


async def test_a_folder_without_the_files_is_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that is missing is named, with those that are wanted."""
    assert await asyncio.to_thread(main, ["status", "--admin-tls-dir", str(tmp_path)]) == 2
    err = capsys.readouterr().err
    assert f"cannot read {tmp_path / 'ca.crt'}" in err
    assert "ca.crt, tls.crt and tls.key" in err


@pytest.mark.process
async def test_watch_prints_again_what_changed(serving: Inspected) -> None:
    """With --watch a script is given the first state, and another line when it is another one; Ctrl-C is 0."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", MAIN, "status", "--watch", "-o", "json"),
        *("--admin-address", serving.address),
        env=environment(),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    async with asyncio.timeout(WITHIN):
        assert json.loads(await process.stdout.readline()) == {"envoys": []}
        async with XdsClient(serving.xds, delta=True) as client:
            await client.subscribe(CLUSTER)
            await client.receive()
            (envoy,) = json.loads(await process.stdout.readline())["envoys"]
            assert envoy["node"] == "test-envoy"
        process.send_signal(signal.SIGINT)
        _, stderr = await process.communicate()
    assert (process.returncode, stderr) == (0, b"")


class Terminal:
    """A terminal of 160 columns, on which a command runs."""

    def __init__(self, process: asyncio.subprocess.Process, end: int) -> None:
        self.process = process
        self.text = ""
        self._end = end
        self._changed = asyncio.Event()
        asyncio.get_running_loop().add_reader(end, self._read)

    def _read(self) -> None:
        try:
            self.text += os.read(self._end, 65536).decode(errors="replace")
        except OSError:  # how a terminal ends
            self.close()
        self._changed.set()

    def close(self) -> None:
        """Read no more."""
        asyncio.get_running_loop().remove_reader(self._end)

    def type(self, keys: bytes) -> None:
        """Press keys."""
        os.write(self._end, keys)

    async def shows(self, *words: str) -> None:
        """Wait until all of these words came, in this order, and forget them."""
        async with asyncio.timeout(WITHIN):
            for word in words:
                while word not in self.text:
                    self._changed.clear()
                    await self._changed.wait()
                self.text = self.text.partition(word)[2]


@pytest.fixture
async def terminal(serving: Inspected) -> AsyncIterator[Terminal]:
    """Run `status --watch` on a terminal."""
    ours, theirs = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", MAIN, "status", "--watch", "--admin-address", serving.address),
        env=environment(TERM="xterm", COLUMNS="160"),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        # Ctrl-C is for whoever the terminal belongs to.
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(theirs, termios.TIOCSCTTY, 0),
    )
    os.close(theirs)
    screen = Terminal(process, ours)
    yield screen
    screen.close()
    if process.returncode is None:
        process.kill()
        await process.wait()
    os.close(ours)


@pytest.mark.process
async def test_watch_keeps_a_terminal_true(serving: Inspected, terminal: Terminal) -> None:
    """On a terminal an Envoy is seen to come, to be STALE, to refuse, to heal and to go, as it happens; Ctrl-C is 0."""
    await terminal.shows("No Envoy is connected")
    async with XdsClient(serving.xds, delta=True) as client:
        await client.subscribe(CLUSTER)
        response = await client.receive()
        await terminal.shows("test-envoy", "STALE 0/1")
        await client.nack(response, REFUSAL)
        await terminal.shows("NACK 0/1", "no such thing")
        folder = serving.control_plane.source.described["manifests"]
        assert isinstance(folder, list)
        write(Path(folder[0]), "web.yaml", loadbalancer("web", tls={"policy": "Insecure"}))
        await client.ack(await client.receive())
        await terminal.shows("SYNCED 1/1")
    await terminal.shows("No Envoy is connected")
    terminal.type(b"\x03")
    async with asyncio.timeout(WITHIN):
        assert await terminal.process.wait() == 0
    assert "Traceback" not in terminal.text


@pytest.mark.process
@pytest.mark.parametrize("output", ["json", "table"])
async def test_watch_ends_when_nobody_reads(serving: Inspected, output: str) -> None:
    """A pipe that is closed, as by `head`, ends it with 1 and without a word, as soon as there is something to write."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", MAIN, "status", "--watch", "-o", output, "--admin-address", serving.address),
        env=environment(),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    async with asyncio.timeout(WITHIN):
        assert await process.stdout.readline()
        process._transport.get_pipe_transport(1).close()  # type: ignore[attr-defined]
        async with XdsClient(serving.xds, delta=True) as client:
            await client.subscribe(CLUSTER)
            await client.receive()
            assert await process.stderr.read() == b""
            assert await process.wait() == 1
