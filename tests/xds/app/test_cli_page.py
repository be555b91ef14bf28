"""The status page, as `kubelb-xds serve` shows it."""

import signal
import socket

import aiohttp

from tests.support.command import ROOT, run, serving

EXAMPLES = ("--manifests", str(ROOT / "examples" / "manifests"))


async def test_it_is_where_the_log_says() -> None:
    """The log has the page's URL, and there is the overview of what is served; SIGTERM ends it although a browser looks at it."""
    async with serving(EXAMPLES) as server:
        url = (await server.logged("serving the status page"))["url"]
        await server.logged("synced")
        async with aiohttp.ClientSession() as session:
            async with session.get(url) as response:
                assert (response.status, response.content_type) == (200, "text/html")
                assert "LoadBalancers" in await response.text()
            async with session.get(f"{url}changes") as response:
                assert await response.content.readline() == b"retry: 1000\n"
                server.send(signal.SIGTERM)
                assert await server.ended() == (0, "")


async def test_off_is_nowhere_and_costs_nothing() -> None:
    """`--status-page-address off` serves without it, and loads nothing for it."""
    code = (
        "import atexit, sys; from xds.app.cli import main;"
        " atexit.register(lambda: print(sorted({'jinja2', 'xds.app.page'} & {*sys.modules}))); sys.exit(main())"
    )
    async with serving([*EXAMPLES, "--status-page-address", "off"], code) as server:
        await server.logged("synced")
        server.send(signal.SIGTERM)
        assert await server.ended() == (0, "[]\n")
    assert "serving the status page" not in [line["event"] for line in server.lines]


def test_a_port_in_use_is_one_line() -> None:
    """A port that is taken ends the start with exit code 2 and one line with the address, the reason and the option."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = run("serve", *EXAMPLES, "--xds-address", "127.0.0.1:0", "--status-page-address", address)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"kubelb-xds: cannot listen on {address}: Address already in use: give --status-page-address another one, or off\n"
    )
