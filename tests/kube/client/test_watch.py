from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from kube.client import KubeApi, Unreachable
from tests.kube.client.servers import PATH, WITHIN, chunked, document, serving, speaking, write

if TYPE_CHECKING:
    from pathlib import Path


async def lines_of(url: str, tmp_path: Path, *, silence: float = WITHIN) -> tuple[list[bytes], str]:
    """Return the lines that a watch gives, and how it ended: nothing for well."""
    got: list[bytes] = []
    async with KubeApi(write(tmp_path / "config", document(url))) as api:
        try:
            async with api.watch(PATH, {"watch": "true"}, silence) as lines:
                async for line in lines:
                    got.append(line)  # noqa: PERF401  # it may break in the middle
        except Unreachable as error:
            return got, str(error)
    return got, ""


@pytest.mark.parametrize(
    "parts",
    [
        [b"one\ntwo\n"],
        [b"one\n", b"two\n"],
        [b"o", b"ne", b"\ntw", b"o", b"\n"],
        [b"one\ntwo\nhal"],
    ],
    ids=["at once", "one by one", "cut", "half a line at the end"],
)
async def test_whole_lines_come_and_a_clean_end_ends(parts: list[bytes], tmp_path: Path) -> None:
    """Complete lines come out however they were cut; half a line at the end is dropped."""

    async def speak(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(chunked(*parts))

    async with speaking(speak) as url:
        assert await lines_of(url, tmp_path) == ([b"one", b"two"], "")


async def test_characters_cut_between_chunks_are_whole(tmp_path: Path) -> None:
    """A character of several bytes that is cut in the middle comes out whole."""
    text = "äöü €😀"

    async def speak(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(chunked(*(bytes([byte]) for byte in text.encode()), b"\n"))

    async with speaking(speak) as url:
        assert await lines_of(url, tmp_path) == ([text.encode()], "")


async def test_a_long_line_comes_whole(tmp_path: Path) -> None:
    """A line of 20 MB comes as one, although no buffer holds it."""

    async def speak(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(chunked(*[b"x" * 8192] * 2500, b"\nnext\n"))
        await writer.drain()

    async with speaking(speak) as url:
        lines, end = await lines_of(url, tmp_path)
    assert ([len(line) for line in lines], end) == ([8192 * 2500, 4], "")


async def test_a_line_over_the_limit_ends_the_watch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that sends no newline at all is left before memory is."""
    monkeypatch.setattr("kube.client.lines.LineSplitter.__init__.__defaults__", (1000,))

    async def speak(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(chunked(b"one\n", b"x" * 1001))
        await writer.drain()
        await asyncio.Event().wait()

    async with speaking(speak) as url:
        lines, end = await lines_of(url, tmp_path)
    assert lines == []
    assert "sent a line of more than" in end


async def test_a_broken_connection_is_told_from_an_end(tmp_path: Path) -> None:
    """A connection that closes before the answer is whole raises, after the lines that came."""

    async def speak(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(chunked(b"one\n", b"tw", end=False))
        await writer.drain()

    async with speaking(speak) as url:
        lines, end = await lines_of(url, tmp_path)
    assert lines == [b"one"]
    assert end == f"the connection to {url} broke in the middle of the answer"


async def test_a_reset_connection_is_told_from_an_end(tmp_path: Path) -> None:
    """A connection that is reset raises."""

    async def speak(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(chunked(b"one\n", end=False))
        await writer.drain()
        writer.transport.abort()

    async with speaking(speak) as url:
        _, end = await lines_of(url, tmp_path)
    assert f"the connection to {url} broke" in end


async def test_silence_ends_a_watch(tmp_path: Path) -> None:
    """A server that goes silent is left after the time that was asked for."""

    async def speak(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(chunked(b"one\n", end=False))
        await asyncio.Event().wait()

    async with speaking(speak) as url:
        assert await lines_of(url, tmp_path, silence=0.1) == ([b"one"], f"nothing came from {url} for 0.1 s")


async def test_a_slow_reader_loses_nothing(tmp_path: Path) -> None:
    """Silence counts while we wait for the server, not while the server waits for us."""
    may_end = asyncio.Event()

    async def speak(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(chunked(b"one\n", b"two\n"))
        await writer.drain()
        may_end.set()

    over = asyncio.Event()
    async with (
        speaking(speak) as url,
        KubeApi(write(tmp_path / "config", document(url))) as api,
        api.watch(PATH, {}, 0.05) as lines,
        asyncio.timeout(WITHIN),
    ):
        assert await anext(lines) == b"one"
        asyncio.get_running_loop().call_later(0.1, over.set)
        await over.wait()
        await may_end.wait()
        assert [line async for line in lines] == [b"two"]


async def test_the_time_of_a_request_does_not_bound_a_watch(tmp_path: Path) -> None:
    """A watch goes on after the time that a whole answer would have."""
    go_on = asyncio.Event()

    async def speak(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(chunked(b"one\n", end=False))
        await go_on.wait()
        writer.write(b"4\r\ntwo\n\r\n0\r\n\r\n")

    async with (
        speaking(speak) as url,
        KubeApi(write(tmp_path / "config", document(url)), timeout=0.2) as api,
        api.watch(PATH, {}, WITHIN) as lines,
    ):
        assert await anext(lines) == b"one"
        asyncio.get_running_loop().call_later(0.4, go_on.set)
        assert [line async for line in lines] == [b"two"]


async def test_watches_do_not_hold_each_other_up(tmp_path: Path) -> None:
    """Three hundred watches are open at once, and a request gets through beside them."""

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        if "watch" not in request.query:
            return web.json_response({})
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"one\n")
        await asyncio.Event().wait()
        return response

    async with serving(handle) as server, KubeApi(write(tmp_path / "config", document(server.url))) as api:

        async def follow(ready: asyncio.Semaphore) -> None:
            async with api.watch(PATH, {"watch": "1"}, WITHIN) as lines:
                assert await anext(lines) == b"one"
                ready.release()
                await asyncio.Event().wait()

        ready = asyncio.Semaphore(0)
        tasks = [asyncio.create_task(follow(ready)) for _ in range(300)]
        async with asyncio.timeout(WITHIN):
            for _ in tasks:
                await ready.acquire()
            assert await api.get(PATH) == b"{}"
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
