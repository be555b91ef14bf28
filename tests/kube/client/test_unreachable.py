from __future__ import annotations

import asyncio
import errno
import socket
from typing import TYPE_CHECKING

import aiohttp
import pytest
from aiohttp import web

from kube.client import Unreachable
from kube.client.failures import unreachable
from tests.kube.client.servers import document, fetch, serving, speaking, write

if TYPE_CHECKING:
    from pathlib import Path


async def failure(url: str, tmp_path: Path, *, timeout: float = 10) -> str:  # noqa: ASYNC109  # the client's own
    """Return why a request gets no answer."""
    with pytest.raises(Unreachable) as caught:
        await fetch(write(tmp_path / "config", document(url, {"token": "SECRET"})), timeout=timeout)
    text = str(caught.value)
    assert "SECRET" not in text
    assert "\n" not in text
    return text


async def test_refused(tmp_path: Path) -> None:
    """A port that nobody listens on refuses, by address and by name."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        for host in ("127.0.0.1", "localhost"):
            url = f"http://{host}:{port}"
            assert await failure(url, tmp_path) == f"connection refused by {url}"


async def test_a_host_that_is_not_known(tmp_path: Path) -> None:
    """A name that nothing resolves is said to be unknown."""
    url = "https://no-such-host.invalid:6443"
    assert (await failure(url, tmp_path)).startswith(f"the host of {url} is not known: ")


@pytest.mark.parametrize(
    "part", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"], ids=["silence", "half a body"]
)
async def test_no_answer_in_time(part: bytes, tmp_path: Path) -> None:
    """A server that does not answer whole is given up after the client's time."""

    async def speak(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(part)
        await asyncio.Event().wait()

    async with speaking(speak) as url:
        assert await failure(url, tmp_path, timeout=0.1) == f"no answer from {url} within 0.1 s"


async def test_no_connection_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that takes a connection and speaks no TLS is given up after the time for connecting."""
    monkeypatch.setattr("kube.client.transport.CONNECT_TIMEOUT", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://127.0.0.1:{silent.getsockname()[1]}"
        assert await failure(url, tmp_path) == f"no connection to {url} within 10 s"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf",
            "the connection to URL broke in the middle of the answer",
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhalf",
            "the connection to URL broke in the middle",
        ),
        (b"", "URL closed the connection without an answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Le", "URL closed the connection without an answer"),
        (b"SSH-2.0-OpenSSH_9\r\n", "what answers at URL does not speak HTTP: "),
        (
            b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: 6\r\n\r\n<html>",
            "what answers at URL is no Kubernetes API server: it sent a web page",
        ),
    ],
)
async def test_what_is_no_whole_answer(answer: bytes, expected: str, tmp_path: Path) -> None:
    """Half an answer, none, and one that is no API server's are told apart."""

    async def speak(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)

    async with speaking(speak) as url:
        assert (await failure(url, tmp_path)).startswith(expected.replace("URL", url))


async def test_a_proxy_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy that does not answer is named as such."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        proxy = f"127.0.0.1:{unused.getsockname()[1]}"
        monkeypatch.setenv("HTTPS_PROXY", f"http://{proxy}")
        url = "https://api.test:6443"
        expected = f"the proxy {proxy} on the way to {url} does not answer: Connection refused"
        assert await failure(url, tmp_path) == expected


async def test_a_proxy_that_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy that refuses to connect is told from a server that refuses."""

    async def handle(_: web.BaseRequest) -> web.Response:
        return web.Response(status=403)

    async with serving(handle) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        expected = "the proxy refused the way to https://api.test: 403: exempt it by NO_PROXY"
        assert (await failure("https://api.test", tmp_path)).startswith(expected)
    assert proxy.tokens == [""]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (aiohttp.ClientOSError(errno.ECONNRESET, "x"), "the connection to S broke: Connection reset by peer"),
        (OSError(errno.EHOSTUNREACH, "x"), "the connection to S broke: No route to host"),
        (OSError("strange\nthing"), "the connection to S broke: strange thing"),
        (aiohttp.ClientError("strange"), "the request to S failed: ClientError"),
    ],
)
def test_what_a_socket_says(error: Exception, expected: str) -> None:
    """Every other failure gives a text too."""
    assert str(unreachable(error, "S", "")) == expected
