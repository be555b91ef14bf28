import socket

import aiohttp
import pytest
from prometheus_client import CollectorRegistry

from xds.admin.ops import OpsServer
from xds.server import AddressError


async def status(url: str) -> int:
    """Return the status of a page."""
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return response.status


async def test_a_port_in_use_is_told(ops: OpsServer) -> None:
    """A port that is taken is an AddressError with the address and the system's reason, and leaves nothing open."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(AddressError, match=f"^cannot listen on {address}: Address already in use$"):
            await ops.start(address)


async def test_a_host_that_is_not_here_is_told(ops: OpsServer) -> None:
    """An address of another machine is an AddressError with the system's reason."""
    with pytest.raises(
        AddressError, match=r"^cannot listen on 192\.0\.2\.1:0: Cannot assign requested address$"
    ):
        await ops.start("192.0.2.1:0")


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
async def test_all_addresses_are_ipv4_and_ipv6(ops: OpsServer, host: str) -> None:
    """On [::] both kinds of address reach it, as with the xDS listener: kubelet takes the pod's first one."""
    port = await ops.start("[::]:0")
    assert await status(f"http://{host}:{port}/healthz") == 200


async def test_the_port_is_free_after_the_stop(ops: OpsServer, registry: CollectorRegistry) -> None:
    """Another listener may take the port at once."""
    port = await ops.start("127.0.0.1:0")
    assert await status(f"http://127.0.0.1:{port}/healthz") == 200
    await ops.stop()
    other = OpsServer(registry=registry, unready=dict)
    assert await other.start(f"127.0.0.1:{port}") == port
    await other.stop()


async def test_one_that_never_started_can_be_stopped(ops: OpsServer) -> None:
    """Stopping what does not listen does nothing."""
    await ops.stop()
