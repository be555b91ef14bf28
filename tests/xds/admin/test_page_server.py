"""The status page's listener: who is answered, with which headers, and who is told of changes."""

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping

import aiohttp
import pytest
from structlog.testing import capture_logs

from xds.admin import http, page_server
from xds.admin.changes import Changes
from xds.admin.page_server import CONTENT_SECURITY_POLICY, Page, PageServer, is_host

BOUND = 5.0


class Site:
    """Two pages."""

    def __init__(self) -> None:
        self.changes = Changes()

    async def page(self, path: str, query: Mapping[str, str]) -> Page:
        """Return what was asked for, or fail."""
        if path == "/fault":
            raise RuntimeError("out of order")
        return Page(200, "text/html; charset=utf-8", f"{path} {dict(query)}".encode())


@pytest.fixture
def site() -> Site:
    """Return a site."""
    return Site()


@pytest.fixture
async def looked(site: Site) -> AsyncIterator[list[int]]:
    """Serve the site, and yield the port, behind which stands what is looked at."""
    found = [0]
    server = PageServer(site, look=lambda: len(found) if len(found) < 3 else object())
    found[0] = await server.start("127.0.0.1:0")
    yield found
    await server.stop()


@pytest.fixture
async def client(looked: list[int]) -> AsyncIterator[aiohttp.ClientSession]:
    """Yield a client."""
    timeout = aiohttp.ClientTimeout(total=10)
    async with aiohttp.ClientSession(f"http://127.0.0.1:{looked[0]}", timeout=timeout) as session:
        yield session


@pytest.mark.parametrize(("path", "status"), [("/a?b=c", 200), ("/fault", 500)])
async def test_every_answer_has_the_headers(client: aiohttp.ClientSession, path: str, status: int) -> None:
    """A page may load its own scripts and styles and nothing else, be framed and read by nobody, and is kept nowhere."""
    with capture_logs():
        async with client.get(path) as response:
            assert response.status == status
            assert response.headers["Cache-Control"] == "no-store"
            assert response.headers["Server"] == "kubelb-xds"
            if status == 200:
                assert await response.text() == "/a {'b': 'c'}"
            assert response.headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY
            assert response.headers["X-Content-Type-Options"] == "nosniff"
            assert response.headers["Referrer-Policy"] == "no-referrer"
            assert response.headers["X-Frame-Options"] == "DENY"
            assert response.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "unsafe" not in CONTENT_SECURITY_POLICY
    assert CONTENT_SECURITY_POLICY.startswith("default-src 'none'; ")


async def test_head_is_get_without_a_body(client: aiohttp.ClientSession) -> None:
    """HEAD has status and length of GET; of the events it has the headers."""
    async with client.head("/a") as response:
        assert (response.status, response.headers["Content-Length"]) == (200, "5")
    async with client.head("/changes") as response:
        assert response.headers["Content-Type"] == "text/event-stream"
        assert await response.read() == b""


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
@pytest.mark.parametrize("path", ["/", "/changes"])
async def test_nothing_can_be_changed(client: aiohttp.ClientSession, method: str, path: str) -> None:
    """Every other method is 405, with the headers of all."""
    async with client.request(method, path) as response:
        assert (response.status, response.headers["Allow"]) == (405, "GET, HEAD")
        assert response.headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY


@pytest.mark.parametrize("path", ["/", "/changes"])
async def test_a_strange_host_is_refused(client: aiohttp.ClientSession, path: str) -> None:
    """A name that somebody else's DNS leads here is 421 and sees nothing: its pages could read the answer."""
    async with client.get(path, headers={"Host": "evil.example:18003"}) as response:
        assert response.status == 421
        assert "write the address that it listens on" in await response.text()


@pytest.mark.parametrize(
    ("host", "listening", "fits"),
    [
        ("127.0.0.1:18003", "127.0.0.1", True),
        ("127.0.0.1", "127.0.0.1", True),
        ("localhost:9", "127.0.0.1", True),
        ("LOCALHOST:9", "127.0.0.1", True),
        ("[::1]:18003", "127.0.0.1", True),
        ("admin.example:1", "admin.example", True),
        ("10.0.0.7:1", "10.0.0.7", True),
        ("10.0.0.7:1", "0.0.0.0", True),
        ("[2001:db8::7]:1", "::", True),
        ("10.0.0.7:1", "127.0.0.1", False),
        ("evil.example", "0.0.0.0", False),
        ("evil.example:18003", "127.0.0.1", False),
        ("localhost.evil.example", "127.0.0.1", False),
        ("127.0.0.1.evil.example", "127.0.0.1", False),
        ("evil.example@127.0.0.1", "127.0.0.1", True),  # the host is what stands behind the @
        ("127.0.0.1@evil.example", "127.0.0.1", False),
        ("", "127.0.0.1", False),
        ("[", "127.0.0.1", False),
    ],
)
def test_which_hosts_are_ours(host: str, listening: str, fits: bool) -> None:
    """Loopback and the host that is listened on, whatever the port; where that is every address, addresses and no names."""
    assert is_host([host], listening) is fits


def test_no_host_and_two_hosts_are_none() -> None:
    """A request has to name one."""
    assert not is_host([], "127.0.0.1")
    assert not is_host(["localhost", "localhost"], "127.0.0.1")


async def events(response: aiohttp.ClientResponse, number: int) -> list[int]:
    """Return the revisions of the next events."""
    found: list[int] = []
    async with asyncio.timeout(BOUND):
        while len(found) < number:
            line = await response.content.readline()
            assert line, "the stream has ended"
            if line.startswith(b"data: "):
                found.append(int(line[6:]))
    return found


async def test_many_changes_are_one_event(
    client: aiohttp.ClientSession, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A change is told at once, and what follows within a second together, with the newest number."""
    monkeypatch.setattr(page_server, "EVERY", 0.3)
    async with client.get("/changes", params={"after": site.changes.revision}) as response:
        site.changes.tell()
        (first,) = await events(response, 1)
        assert first == site.changes.revision
        for _ in range(1000):
            site.changes.tell()
            await asyncio.sleep(0)
        assert await events(response, 1) == [site.changes.revision]


async def test_a_page_that_is_old_already_is_told_at_once(client: aiohttp.ClientSession, site: Site) -> None:
    """What changed between a page and its first question is told, as is what a browser missed that connects anew."""
    old = site.changes.revision
    site.changes.tell()
    for how in (
        {"params": {"after": old}},
        {"headers": {"Last-Event-ID": str(old)}},
        {"params": {"after": "x"}},
    ):
        async with client.get("/changes", **how) as response:
            assert await events(response, 1) == [site.changes.revision]


async def test_what_changes_without_a_word_is_seen(
    client: aiohttp.ClientSession, site: Site, looked: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """While somebody looks, the source's state is looked at as well, and another one is a change; silence is a comment."""
    monkeypatch.setattr(page_server, "EVERY", 0.01)
    monkeypatch.setattr(page_server, "SILENCE", 0.01)
    async with client.get("/changes", params={"after": site.changes.revision}) as response:
        assert await response.content.readuntil(b":\n\n") == b"retry: 1000\n\n:\n\n"
        looked.append(7)
        assert await events(response, 1) == [site.changes.revision]


async def test_who_does_not_read_costs_nobody_anything(
    site: Site, client: aiohttp.ClientSession, looked: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever opens the events and never reads is cut off once nothing more fits, with next to nothing kept; others are told."""
    monkeypatch.setattr(page_server, "EVERY", 0.0)
    monkeypatch.setattr(page_server, "PATIENCE", 0.2)
    looked += [0, 0]  # from here on there is always something new
    site.changes.revision = 10**4000
    loop = asyncio.get_running_loop()
    deaf = socket.socket()
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    deaf.setblocking(False)
    await loop.sock_connect(deaf, ("127.0.0.1", looked[0]))
    ended: asyncio.Future[None] = loop.create_future()
    real = page_server.PageServer._tell

    async def tell(self: PageServer, request: aiohttp.web.BaseRequest) -> aiohttp.web.StreamResponse:
        if request.transport is not None:
            # What the kernel keeps for the server is small, too.
            request.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
            request.transport.set_write_buffer_limits(high=1024)
        try:
            return await real(self, request)
        finally:
            ended.set_result(None)

    monkeypatch.setattr(page_server.PageServer, "_tell", tell)
    await loop.sock_sendall(deaf, b"GET /changes HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await asyncio.wait_for(ended, 20)
    monkeypatch.setattr(page_server.PageServer, "_tell", real)
    async with client.get("/changes") as response:
        assert len(await events(response, 3)) == 3
    deaf.close()


async def test_events_outlive_the_time_of_other_answers(
    client: aiohttp.ClientSession, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection that is told of changes stays, where one with a single answer would have ended."""
    monkeypatch.setattr(http, "LIFETIME", 0.1)
    monkeypatch.setattr(page_server, "EVERY", 0.05)
    async with client.get("/changes", params={"after": site.changes.revision}) as response:
        for _ in range(6):
            site.changes.tell()
            await events(response, 1)


async def test_stopping_waits_for_no_reader(site: Site) -> None:
    """Whoever is told of changes is hung up on when the listener stops."""
    server = PageServer(site)
    port = await server.start("127.0.0.1:0")
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{port}/changes") as response,
    ):
        await events(response, 1)
        async with asyncio.timeout(BOUND):
            await server.stop()
        with pytest.raises(aiohttp.ClientError):
            await response.content.read()
