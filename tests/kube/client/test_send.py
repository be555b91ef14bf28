from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import pytest
from aiohttp import web

from kube.client import APPLY, JSON, MERGE_PATCH, Access, ApiError, KubeApi, Unreachable
from tests.kube.client.servers import PATH, WITHIN, document, serving, status, unauthorized, write

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.fault_proxy import FaultProxy
    from tests.support.kube_api import ApiServer
    from tests.support.kube_client import ApiClient

METHODS: tuple[Literal["POST", "PUT", "PATCH", "DELETE"], ...] = ("POST", "PUT", "PATCH", "DELETE")

pytestmark = pytest.mark.usefixtures("no_connection_left")


class Spec(msgspec.Struct, rename="camel", omit_defaults=True):
    """Something to encode."""

    first_name: str
    left_out: int = 0


@pytest.mark.parametrize(
    ("method", "given", "sent"),
    [
        ("POST", None, JSON),
        ("PUT", None, JSON),
        ("PATCH", None, MERGE_PATCH),
        ("PATCH", APPLY, APPLY),
        ("DELETE", None, JSON),
    ],
)
async def test_a_body_arrives_as_json(
    method: Literal["POST", "PUT", "PATCH", "DELETE"], given: str | None, sent: str, tmp_path: Path
) -> None:
    """Structs and plain data become JSON under the media type that the method wants, or the one that is asked for."""
    bodies: list[bytes] = []

    async def handle(request: web.BaseRequest) -> web.Response:
        bodies.append(await request.read())
        return web.Response(body=b'{"as": "sent"}', status=201, content_type="application/json")

    body = {"spec": Spec("é"), "list": [1, 2.5, True, None]}
    async with serving(handle) as server, KubeApi(write(tmp_path / "config", document(server.url))) as api:
        answer = await api.send(
            method, f"{PATH}/a b", body, params={"fieldManager": "a b"}, content_type=given
        )
        assert answer == b'{"as": "sent"}'
    [request] = server.requests
    assert (request.method, request.path, dict(request.query)) == (
        method,
        f"{PATH}/a b",
        {"fieldManager": "a b"},
    )
    assert request.headers["Content-Type"] == sent
    assert json.loads(bodies[0]) == {"spec": {"firstName": "é"}, "list": [1, 2.5, True, None]}


async def test_no_body_is_no_body(tmp_path: Path) -> None:
    """Without a body nothing is sent as one."""
    bodies: list[bytes] = []

    async def handle(request: web.BaseRequest) -> web.Response:
        bodies.append(await request.read())
        return web.json_response({})

    async with serving(handle) as server, KubeApi(write(tmp_path / "config", document(server.url))) as api:
        await api.send("DELETE", PATH)
    assert bodies == [b""]


@pytest.mark.parametrize("method", METHODS)
async def test_a_refused_write_is_repeated_once_with_new_credentials(
    method: Literal["POST", "PUT", "PATCH", "DELETE"], tmp_path: Path
) -> None:
    """A 401 has the credentials read again and the same body sent again."""
    bodies: list[bytes] = []

    async def handle(request: web.BaseRequest) -> web.Response:
        if request.headers["Authorization"] != "Bearer new":
            return unauthorized()
        bodies.append(await request.read())
        return web.json_response({})

    async with (
        serving(handle) as server,
        KubeApi(write(tmp_path / "config", document(server.url, {"token": "old"}))) as api,
    ):
        write(tmp_path / "config", document(server.url, {"token": "new"}))
        await api.send(method, PATH, {"a": 1})
        assert api.requests == 2
    assert bodies == [b'{"a": 1}']
    assert server.tokens == ["Bearer old", "Bearer new"]


@pytest.mark.parametrize("method", METHODS)
async def test_a_broken_connection_repeats_nothing(
    method: Literal["POST", "PUT", "PATCH", "DELETE"], tmp_path: Path
) -> None:
    """A write on a connection that was used before and then breaks goes out once: the server may have done it."""
    writes = 0

    async def handle(request: web.BaseRequest) -> web.Response:
        nonlocal writes
        if request.method != "GET":
            writes += 1
            assert request.transport
            request.transport.close()
        return web.json_response({})

    async with serving(handle) as server, KubeApi(write(tmp_path / "config", document(server.url))) as api:
        await api.get(PATH)
        with pytest.raises(Unreachable, match="closed the connection without an answer"):
            await api.send(method, PATH, {"a": 1})
        assert writes == 1
        await api.get(PATH)


@pytest.mark.parametrize("code", [403, 404, 409, 422, 429, 500])
async def test_refusals_are_raised_and_not_repeated(code: int, tmp_path: Path) -> None:
    """What the server refuses is an ApiError after one request."""

    async def handle(_: web.BaseRequest) -> web.Response:
        return status(code, "Why", "because", details={"retryAfterSeconds": 3})

    async with serving(handle) as server, KubeApi(write(tmp_path / "config", document(server.url))) as api:
        with pytest.raises(ApiError) as caught:
            await api.send("PATCH", PATH, {})
        assert api.requests == 1
    error = caught.value
    assert (error.status, error.reason, error.message, error.retry_after) == (code, "Why", "because", 3.0)


async def test_one_request_may_have_its_own_bound(tmp_path: Path) -> None:
    """A request that asks for less time than the client has gets that; the error says how long it was."""

    async def handle(_: web.BaseRequest) -> web.Response:
        await asyncio.Event().wait()
        raise AssertionError

    async with serving(handle) as server, KubeApi(write(tmp_path / "config", document(server.url))) as api:
        async with asyncio.timeout(WITHIN):
            with pytest.raises(Unreachable, match=r"no answer from .* within 0.05 s"):
                await api.send("PATCH", PATH, {}, within=0.05)
            with pytest.raises(Unreachable, match=r"no answer from .* within 0.05 s"):
                await api.get(PATH, within=0.05)


async def test_every_write_on_a_real_api_server(
    api_server: ApiServer, admin: ApiClient, namespace: str, tmp_path: Path
) -> None:
    """A ConfigMap is created, patched, replaced, applied and deleted; a stale version is a conflict, a wrong one invalid."""
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    thing = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": namespace}}

    async def data() -> Any:
        return (await admin.get(thing))["data"]

    async with KubeApi(Access(kubeconfig=api_server.kubeconfig(tmp_path))) as api:
        created = json.loads(await api.send("POST", path, {**thing, "data": {"a": "1", "b": "2"}}))
        version = {"resourceVersion": created["metadata"]["resourceVersion"]}
        assert await _refused(api, "POST", path, thing) == (409, "AlreadyExists")
        await api.send("PATCH", f"{path}/a", {"metadata": version, "data": {"a": None, "c": "3"}})
        assert await data() == {"b": "2", "c": "3"}
        assert await _refused(api, "PATCH", f"{path}/a", {"metadata": version}) == (409, "Conflict")
        replaced = {**thing, "metadata": {**thing["metadata"], **version}}  # type: ignore[dict-item]
        assert await _refused(api, "PUT", f"{path}/a", replaced) == (409, "Conflict")
        await api.send("PUT", f"{path}/a", {**thing, "data": {"d": "4"}})
        assert await data() == {"d": "4"}
        applied = {**thing, "data": {"e": "5"}}
        await api.send("PATCH", f"{path}/a", applied, params={"fieldManager": "me"}, content_type=APPLY)
        assert await data() == {"d": "4", "e": "5"}
        assert await _refused(api, "PATCH", f"{path}/a", {"data": {"not/valid": "6"}}) == (422, "Invalid")
        await api.send("DELETE", f"{path}/a", {"preconditions": {"uid": created["metadata"]["uid"]}})
        assert await _refused(api, "DELETE", f"{path}/a", None) == (404, "NotFound")


async def test_an_answer_that_is_lost_is_no_success(
    api_server: ApiServer, admin: ApiClient, namespace: str, tmp_path: Path, fault_proxy: FaultProxy
) -> None:
    """A write whose answer breaks off is Unreachable although it was done, and is not done again."""
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    thing = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": namespace}}
    kubeconfig = api_server.kubeconfig(tmp_path, api_server.admin_identity, server=fault_proxy.url)
    async with KubeApi(Access(kubeconfig=kubeconfig)) as api:
        fault_proxy.cut(lambda request: request.method == "POST")
        with pytest.raises(Unreachable):
            await api.send("POST", path, thing)
    assert (await admin.get(thing))["metadata"]["name"] == "a"
    assert [request.method for request in fault_proxy.requests] == ["POST"]


async def _refused(
    api: KubeApi, method: Literal["POST", "PUT", "PATCH", "DELETE"], path: str, body: object
) -> tuple[int, str]:
    with pytest.raises(ApiError) as caught:
        await api.send(method, path, body)
    return caught.value.status, caught.value.reason
