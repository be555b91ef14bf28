from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from kube.client import ApiError, KubeApi
from kube.client.refusals import refusal
from tests.kube.client.servers import PATH, WITHIN, chunked, document, fetch, serving, speaking, status, write

if TYPE_CHECKING:
    import asyncio
    from pathlib import Path

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def body(**fields: Any) -> bytes:
    """Return a Status."""
    return json.dumps({"kind": "Status", "apiVersion": "v1", **fields}).encode()


async def test_a_status_is_passed_on(tmp_path: Path) -> None:
    """A refusal carries what the Status says, whether a request or a watch met it."""

    async def handle(_: web.BaseRequest) -> web.Response:
        return status(410, "Expired", "too old resource version: 1 (2)")

    async with serving(handle) as server, KubeApi(write(tmp_path / "config", document(server.url))) as api:
        for attempt in (api.get(PATH), api.watch(PATH, {}, WITHIN).__aenter__()):
            with pytest.raises(ApiError) as caught:
                await attempt
            error = caught.value
            assert (error.status, error.reason, error.retry_after) == (410, "Expired", None)
            assert error.message == "too old resource version: 1 (2)"
            assert str(error) == "410 Expired: too old resource version: 1 (2)"


@pytest.mark.parametrize(
    ("content", "reason", "message"),
    [
        (body(reason="Forbidden", message="no\naccess"), "Forbidden", "no access"),
        (body(), "", "Forbidden"),
        (body(message=None, reason=None, details=None), "", "Forbidden"),
        (body(message="x" * 2000), "", "x" * 999 + "…"),
        (b"", "", "Forbidden"),
        (b"not\r\n  now\x1b[31m", "", "not now�[31m"),
        (b"\xff\xfe", "", "��"),
        (b"y" * 100_000, "", "y" * 199 + "…"),
        (b'{"kind": "Status", "message": 1}', "", '{"kind": "Status", "message": 1}'),
        (b'{"error": "a proxy\'s"}', "", '{"error": "a proxy\'s"}'),
        (b"[" * 100_000, "", "[" * 199 + "…"),
    ],
)
def test_every_body_gives_a_short_message(content: bytes, reason: str, message: str) -> None:
    """A body gives one line of bounded length, be it a Status or not."""
    error = refusal(403, {}, content)
    assert (error.status, error.reason, error.message) == (403, reason, message)


@pytest.mark.parametrize(
    ("header", "details", "expected"),
    [
        ("7", None, 7),
        (" 7 ", 3, 7),
        ("", 3, 3),
        ("soon", 3, 3),
        ("", 0, None),
        ("-1", None, None),
        ("Mon, 23 Nov 2026 12:01:30 GMT", None, 90),
        ("Mon, 23 Nov 2026 12:01:30 -0000", None, 90),
        ("Mon, 23 Nov 2026 11:00:00 GMT", None, 0),
        ("Mon, 99 Nov 2026 11:00:00 GMT", None, None),
        ("9" * 400, None, 600),
        ("", 1e9, 600),
    ],
)
def test_how_long_to_wait(header: str, details: float | None, expected: float | None) -> None:
    """Retry-After is read in seconds and as a date, before the Status' own number, and never more than ten minutes."""
    content = body(details={"retryAfterSeconds": details}) if details is not None else b""
    assert refusal(429, {"Retry-After": header}, content, now=NOW).retry_after == expected


@pytest.mark.parametrize("code", [204, 206, 404, 429, 500, 503, 599])
async def test_a_watch_wants_200(code: int, tmp_path: Path) -> None:
    """No other status opens a watch, and its headers count."""

    async def handle(_: web.BaseRequest) -> web.Response:
        return web.Response(status=code, headers={"Retry-After": "5"})

    async with serving(handle) as server, KubeApi(write(tmp_path / "config", document(server.url))) as api:
        with pytest.raises(ApiError) as caught:
            async with api.watch(PATH, {}, WITHIN):
                pass
        assert (caught.value.status, caught.value.retry_after) == (code, 5)


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
async def test_redirects_are_not_followed(code: int, tmp_path: Path) -> None:
    """A redirect is a refusal that says where it leads, and no second request."""

    async def handle(_: web.BaseRequest) -> web.Response:
        return web.Response(status=code, headers={"Location": "https://u:SECRET@login.test/a?token=SECRET"})

    async with serving(handle) as server:
        with pytest.raises(ApiError) as caught:
            await fetch(write(tmp_path / "config", document(server.url, {"token": "t"})))
    assert caught.value.status == code
    assert caught.value.message.startswith("redirected to login.test/a, which is not followed")
    assert len(server.requests) == 1


async def test_a_refusal_that_breaks_off_is_one(tmp_path: Path) -> None:
    """A refusal whose body does not come whole keeps its status and its headers."""

    async def speak(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answer = chunked(b'{"kind": "Sta', end=False)
        writer.write(answer.replace(b"200 OK\r\n", b"429 Too Many Requests\r\nRetry-After: 9\r\n"))

    async with speaking(speak) as url:
        with pytest.raises(ApiError) as caught:
            await fetch(write(tmp_path / "config", document(url)))
    assert (caught.value.status, caught.value.retry_after) == (429, 9)


async def test_a_refusal_without_end_is_cut(tmp_path: Path) -> None:
    """A refusal that goes on for ever is read no further than 64 KiB."""

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(chunked(end=False).replace(b"200 OK", b"500 Oh"))
        while not reader.at_eof():
            writer.write(b"1000\r\n" + b"x" * 4096 + b"\r\n")
            await writer.drain()

    async with speaking(speak) as url:
        with pytest.raises(ApiError, match="500: xxx"):
            await fetch(write(tmp_path / "config", document(url)))
