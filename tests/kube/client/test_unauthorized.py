from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from kube.client import Access, ApiError, KubeApi
from tests.kube.client.servers import (
    PATH,
    WITHIN,
    data,
    document,
    server_context,
    serving,
    unauthorized,
    write,
)
from tests.support.pki import ca

if TYPE_CHECKING:
    from pathlib import Path

    from kube.client.transport import Transport

pytestmark = pytest.mark.usefixtures("no_connection_left")


class Gate:
    """A handler that takes one token."""

    def __init__(self) -> None:
        self.token = "old"

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer, or refuse; keep a watch open."""
        if request.headers["Authorization"] != f"Bearer {self.token}":
            return unauthorized()
        if "watch" not in request.query:
            return web.json_response({})
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"line\n")
            await asyncio.sleep(0.01)


async def test_a_refusal_is_repeated_once_with_new_credentials(tmp_path: Path) -> None:
    """A 401 has the kubeconfig read again and the request repeated, unseen by the caller."""
    gate = Gate()
    async with serving(gate) as server:
        access = write(tmp_path / "config", document(server.url, {"token": "old"}))
        async with KubeApi(access) as api:
            await api.get(PATH)
            gate.token = "new"
            write(tmp_path / "config", document(server.url, {"token": "new"}))
            await api.get(PATH)
            async with api.watch(PATH, {"watch": "1"}, WITHIN) as lines:
                assert await anext(lines) == b"line"
            assert api.requests == 4
    assert server.tokens == ["Bearer old", "Bearer old", "Bearer new", "Bearer new"]


async def test_a_watch_that_is_refused_is_repeated_too(tmp_path: Path) -> None:
    """Opening a watch takes new credentials as a request does."""
    gate = Gate()
    async with (
        serving(gate) as server,
        KubeApi(write(tmp_path / "config", document(server.url, {"token": "stale"}))) as api,
    ):
        write(tmp_path / "config", document(server.url, {"token": "old"}))
        async with api.watch(PATH, {"watch": "1"}, WITHIN) as lines:
            assert await anext(lines) == b"line"


async def test_a_second_refusal_is_raised(tmp_path: Path) -> None:
    """Credentials that stay wrong cost two requests at first, then one each: they are not loaded at every turn."""
    async with (
        serving(Gate()) as server,
        KubeApi(write(tmp_path / "config", document(server.url, {"token": "wrong"}))) as api,
    ):
        for expected in (2, 3, 4):
            with pytest.raises(ApiError) as caught:
                await api.get(PATH)
            assert (caught.value.status, caught.value.reason) == (401, "Unauthorized")
            assert api.requests == expected


async def test_refusals_at_once_share_one_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fifty requests that are refused together load the credentials once."""
    gate = Gate()
    loads: list[int] = []
    async with serving(gate) as server:
        access = write(tmp_path / "config", document(server.url, {"token": "old"}))
        load = Access.transport

        async def counted(self: Access) -> Transport:
            loads.append(1)
            return await load(self)

        monkeypatch.setattr(Access, "transport", counted)
        async with KubeApi(access) as api:
            gate.token = "new"
            write(tmp_path / "config", document(server.url, {"token": "new"}))
            async with asyncio.timeout(WITHIN):
                await asyncio.gather(*(api.get(PATH) for _ in range(50)))
            assert (len(loads), api.requests) == (2, 100)


async def test_running_watches_outlive_a_load(tmp_path: Path) -> None:
    """A watch that runs goes on with the old credentials; its connection goes when it ends."""
    gate = Gate()
    async with (
        serving(gate) as server,
        KubeApi(write(tmp_path / "config", document(server.url, {"token": "old"}))) as api,
    ):
        async with api.watch(PATH, {"watch": "1"}, WITHIN) as lines:
            await anext(lines)
            gate.token = "new"
            write(tmp_path / "config", document(server.url, {"token": "new"}))
            await api.get(PATH)
            for _ in range(3):
                assert await anext(lines) == b"line"
            (old,) = api._retired
            assert not old.closed
        assert old.closed


async def test_credentials_that_cannot_be_loaded_leave_the_refusal(tmp_path: Path) -> None:
    """When the kubeconfig is gone the refusal is raised, with why nothing newer was there; later it is read again."""
    gate = Gate()
    async with serving(gate) as server:
        access = write(tmp_path / "config", document(server.url, {"token": "stale"}))
        async with KubeApi(access) as api:
            assert access.kubeconfig
            access.kubeconfig.unlink()
            with pytest.raises(
                ApiError, match=r"401 Unauthorized: .*cannot be loaded anew: .*config: no such file"
            ):
                await api.get(PATH)
            write(tmp_path / "config", document(server.url, {"token": "old"}))
            api._no_load_before = 0
            await api.get(PATH)


async def test_other_refusals_load_nothing(tmp_path: Path) -> None:
    """A 403 is raised at once."""

    async def handle(_: web.BaseRequest) -> web.Response:
        return web.json_response({}, status=403)

    async with (
        serving(handle) as server,
        KubeApi(write(tmp_path / "config", document(server.url))) as api,
    ):
        with pytest.raises(ApiError):
            await api.get(PATH)
        assert api.requests == 1


async def test_a_rotated_client_certificate_is_taken_up(tmp_path: Path) -> None:
    """A server that takes the old certificate no longer gets the new one, over a new connection."""
    root = ca("root")
    context = server_context(root.issue("api", ips=["127.0.0.1"]), tmp_path / "server", clients=root)

    async def handle(request: web.BaseRequest) -> web.Response:
        assert request.transport is not None
        subject = dict(part[0] for part in request.transport.get_extra_info("peercert")["subject"])
        return web.json_response({}) if subject["commonName"] == "new" else unauthorized()

    def user(name: str) -> dict[str, str]:
        identity = root.issue(name)
        return {"client-certificate-data": data(identity.pem), "client-key-data": data(identity.key_pem)}

    async with serving(handle, tls=context) as server:
        cluster = {"certificate-authority-data": data(root.pem)}
        async with KubeApi(write(tmp_path / "config", document(server.url, user("old"), cluster))) as api:
            write(tmp_path / "config", document(server.url, user("new"), cluster))
            assert await api.get(PATH) == b"{}"
