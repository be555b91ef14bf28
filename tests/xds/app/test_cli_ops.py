"""The pages for kubelet and Prometheus, as `kubelb-xds serve` shows them."""

import signal
import socket

import aiohttp

from tests.support.command import ROOT, Serving, run, serving

EXAMPLES = ("--manifests", str(ROOT / "examples" / "manifests"))

# A server that drains until it gets SIGUSR1; the rest is as it is.
DRAINING = """
import asyncio, signal, sys
import structlog
from xds.app.cli import main
from xds.server import XdsServer

real = XdsServer.stop

async def stop(self):
    drained = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, drained.set)
    structlog.get_logger().info("draining")
    await drained.wait()
    await real(self)

XdsServer.stop = stop
sys.exit(main())
"""


async def page(server: Serving, path: str) -> tuple[int, str]:
    """Return the status and the text of a page of a server that has said where its pages are."""
    (address,) = [line["address"] for line in server.lines if line["event"] == "serving ops"]
    timeout = aiohttp.ClientTimeout(total=10)
    async with (
        aiohttp.ClientSession(timeout=timeout) as session,
        session.get(f"http://{address}{path}") as response,
    ):
        return response.status, await response.text()


async def test_folders_that_are_read_are_ready() -> None:
    """With folders it is alive, ready and measured once they are read."""
    async with serving(EXAMPLES) as server:
        line = await server.logged("serving ops")
        assert line["paths"] == "/healthz /readyz /metrics"
        await server.logged("synced")
        assert await page(server, "/healthz") == (200, "alive\n")
        assert await page(server, "/readyz") == (200, "ready\n")
        status, metrics = await page(server, "/metrics")
    assert status == 200
    assert "kubelb_xds_build_info{version=" in metrics
    assert "process_resident_memory_bytes" in metrics


async def test_sigterm_makes_it_unready_until_it_ends() -> None:
    """From SIGTERM to its end it is alive and not ready: a Service sends new Envoys elsewhere while streams drain."""
    async with serving(EXAMPLES, DRAINING) as server:
        await server.logged("serving ops")
        server.send(signal.SIGTERM)
        await server.logged("draining")
        status, text = await page(server, "/readyz")
        assert (status, text.partition(":")[0]) == (503, "stopping")
        assert (await page(server, "/healthz"))[0] == 200
        server.send(signal.SIGUSR1)
        assert await server.ended() == (0, "")


async def test_off_is_nowhere() -> None:
    """`--ops-address off` serves without these pages."""
    async with serving([*EXAMPLES, "--ops-address", "off"]) as server:
        await server.logged("synced")
        server.send(signal.SIGTERM)
        assert await server.ended() == (0, "")
    assert "serving ops" not in [line["event"] for line in server.lines]


def test_a_port_in_use_is_one_line() -> None:
    """A port that is taken ends the start with exit code 2 and one line with the address, the reason and the option."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = run("serve", *EXAMPLES, "--xds-address", "127.0.0.1:0", "--ops-address", address)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"kubelb-xds: cannot listen on {address}: Address already in use: give --ops-address another one, or off\n"
    )
