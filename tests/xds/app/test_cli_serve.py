import signal
import socket
from pathlib import Path

import pytest

from tests.support.command import ROOT, run, serving

EXAMPLES = str(ROOT / "examples" / "manifests")

SIGNAL_WHILE_IMPORTING = """
import os, signal, sys
from xds.app.cli import main

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "xds.app.serve":
            os.kill(os.getpid(), signal.SIGTERM)

sys.meta_path.insert(0, Finder())
main()
sys.exit("the signal went unheard")
"""

# A server that does not come to its end when it is told to stop, or that breaks; the rest is as it is.
STUBBED = """
import asyncio, sys
import structlog
import xds.app.serve
from xds.app.cli import main

class ControlPlane:
    registry = None
    admin_services = ()
    def __init__(self, settings): pass
    def unready(self): return {{}}
    async def start(self): structlog.get_logger().info("started")
    async def run(self, stop):
        if {breaks}: raise RuntimeError("out of order")
        await stop.wait()
    async def stop(self):
        structlog.get_logger().info("stopping")
        if not {breaks}: await asyncio.Event().wait()

xds.app.serve.ControlPlane = ControlPlane
sys.exit(main([*sys.argv[1:], "--status-page-address", "off"]))
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
async def test_a_signal_drains_and_exits_0(number: signal.Signals) -> None:
    """SIGTERM and SIGINT end the server in good order; everything it said is on stderr."""
    async with serving(["--manifests", EXAMPLES]) as server:
        line = await server.logged("serving xDS")
        server.send(number)
        assert await server.ended() == (0, "")
    assert line["manifests"] == [EXAMPLES]
    assert [each["event"] for each in server.lines[-2:]] == ["stopping: draining streams", "stopped"]


async def test_it_listens_where_it_says() -> None:
    """The line about serving names the port, which takes connections."""
    async with serving(["--manifests", EXAMPLES]) as server:
        host, _, port = (await server.logged("serving xDS"))["address"].rpartition(":")
        socket.create_connection((host, int(port)), timeout=5).close()


async def test_settings_come_from_the_environment(tmp_path: Path) -> None:
    """Options may be given as environment variables, several folders with colons between them."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    folders = [str(tmp_path / "a"), str(tmp_path / "b")]
    async with serving(KUBELB_XDS_MANIFESTS=":".join(folders)) as server:
        assert (await server.logged("serving xDS"))["manifests"] == folders


async def test_plaintext_off_loopback_is_warned_about() -> None:
    """An address that others may reach is served in plaintext when that is allowed, with a warning that names it."""
    options = ["--xds-address", "0.0.0.0:0", "--insecure-plaintext"]
    async with serving(["--manifests", EXAMPLES, *options]) as server:
        line = await server.logged("xDS is plaintext")
    assert (line["level"], line["address"]) == ("warning", "0.0.0.0:0")


async def test_loopback_is_not_warned_about() -> None:
    """On an address that only this machine reaches nothing is said about plaintext."""
    async with serving(["--manifests", EXAMPLES]) as server:
        await server.logged("serving xDS")
        server.send(signal.SIGTERM)
        await server.ended()
    assert not [line for line in server.lines if "plaintext" in line["event"]]


async def test_a_second_signal_kills_at_once() -> None:
    """A server that does not come to its end is killed by the second signal."""
    async with serving(["--manifests", EXAMPLES], STUBBED.format(breaks=False)) as server:
        await server.logged("started")
        server.send(signal.SIGTERM)
        await server.logged("stopping")
        server.send(signal.SIGTERM)
        assert await server.ended() == (-signal.SIGTERM, "")


async def test_a_signal_while_it_starts_exits_0() -> None:
    """SIGTERM that comes while Python still imports ends the process, too, with exit code 0."""
    async with serving(["--manifests", EXAMPLES], SIGNAL_WHILE_IMPORTING) as server:
        assert await server.ended() == (0, "")


async def test_a_fault_of_the_program_is_logged() -> None:
    """What the program got wrong is a line of log with a traceback, and exit code 1."""
    async with serving(["--manifests", EXAMPLES], STUBBED.format(breaks=True)) as server:
        assert await server.ended() == (1, "")
    assert server.lines[-1]["event"] == "stopped by a fault of the program"
    assert "RuntimeError: out of order" in server.lines[-1]["exception"]


def test_a_port_in_use_is_one_line() -> None:
    """A port that is taken ends the start with exit code 2 and one line that names the address and the reason."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = run("serve", "--manifests", EXAMPLES, "--xds-address", address)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"kubelb-xds: cannot listen on {address}: Address already in use\n"


def test_a_folder_that_is_none_is_one_line(tmp_path: Path) -> None:
    """A folder that is not there, or is a file, ends the start with exit code 2 and one line that names it."""
    file = tmp_path / "lb.yaml"
    file.touch()
    for folder, reason in ((tmp_path / "none", "does not exist"), (file, "is no folder")):
        done = run("serve", "--manifests", str(folder), "--xds-address", "127.0.0.1:0")
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith("kubelb-xds: ")
        assert f"{folder} {reason}" in done.stderr
        assert done.stderr.count("\n") == 1


def test_logs_are_for_people_when_they_are_to_be() -> None:
    """`--log-format human` writes no JSON although nobody sits at a terminal."""
    code = STUBBED.format(breaks=True)
    done = run("serve", "--manifests", EXAMPLES, "--log-format", "human", code=code)
    assert "[info     ] started" in done.stderr.splitlines()[0]
