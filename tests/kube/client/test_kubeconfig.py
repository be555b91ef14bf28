from __future__ import annotations

import os
from base64 import b64encode
from typing import TYPE_CHECKING

import pytest
import yaml
from aiohttp import web

from kube.client import Access, KubeApi
from tests.kube.client.servers import data, document, fetch, server_context, serving, write
from tests.support.pki import ca

if TYPE_CHECKING:
    from pathlib import Path


async def fine(_: web.BaseRequest) -> web.Response:
    """Answer anybody."""
    return web.json_response({})


@pytest.mark.parametrize(
    ("user", "proof"),
    [
        ({}, ""),
        ({"token": "abc"}, "Bearer abc"),
        ({"token": " abc\n"}, "Bearer abc"),
        ({"tokenFile": "token"}, "Bearer from-file"),
        ({"tokenFile": "token", "token": "abc"}, "Bearer from-file"),
        ({"username": "u", "password": "p:w"}, f"Basic {b64encode(b'u:p:w').decode()}"),
    ],
    ids=["anonymous", "token", "token with spaces", "file", "file and token", "basic"],
)
async def test_each_way_to_prove_oneself(user: dict[str, str], proof: str, tmp_path: Path) -> None:
    """Each kind of user is sent as kubectl sends it; a file's path goes by its kubeconfig's folder."""
    (tmp_path / "token").write_text("from-file\n")
    async with serving(fine) as server:
        await fetch(write(tmp_path / "config", document(server.url, user)))
    assert server.tokens == [proof]


async def test_a_context_without_a_user_is_anonymous(tmp_path: Path) -> None:
    """A context that names no user sends no credentials, over TLS too."""
    root = ca("root")
    context = server_context(root.issue("api", ips=["127.0.0.1"]), tmp_path / "server")
    async with serving(fine, tls=context) as server:
        content = document(server.url, cluster={"certificate-authority-data": data(root.pem)})
        del content["contexts"][0]["context"]["user"]
        await fetch(write(tmp_path / "config", content))
    assert server.tokens == [""]


async def test_another_context_than_the_current(tmp_path: Path) -> None:
    """A context that is asked for is taken instead of the current one."""
    async with serving(fine) as server:
        content = document(server.url, {"token": "current"})
        other = document(server.url, {"token": "other"}, name="b")
        for kind in ("contexts", "clusters", "users"):
            content[kind] += other[kind]
        access = write(tmp_path / "config", content)
        await fetch(access)
        await fetch(Access(access.kubeconfig, "b"))
    assert server.tokens == ["Bearer current", "Bearer other"]


async def test_several_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the files in $KUBECONFIG the first to say a thing is right; each one's paths go by its own folder."""
    async with serving(fine) as server:
        first, second = tmp_path / "one" / "config", tmp_path / "two" / "config"
        for file in (first, second):
            file.parent.mkdir()
        whole = document(server.url, {"tokenFile": "token"})
        users = {"users": whole.pop("users"), "current-context": "elsewhere"}
        write(first, whole)
        write(second, users | {"clusters": document("http://wrong.test")["clusters"]})
        (second.parent / "token").write_text("abc")
        paths = ["", str(first), str(tmp_path / "missing"), str(second)]
        monkeypatch.setenv("KUBECONFIG", os.pathsep.join(paths))
        await fetch(Access())
    assert server.tokens == ["Bearer abc"]


async def test_the_home_folders_kubeconfig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With nothing said at all it is ~/.kube/config."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".kube").mkdir()
    async with serving(fine) as server:
        write(tmp_path / ".kube" / "config", document(server.url, {"token": "home"}))
        await fetch(Access())
    assert server.tokens == ["Bearer home"]


async def test_json_is_yaml_too(tmp_path: Path) -> None:
    """A kubeconfig in JSON is read, and one with fields we do not know."""
    async with serving(fine) as server:
        path = tmp_path / "config"
        path.write_text(
            yaml.safe_dump(document(server.url) | {"extensions": [{"name": "x"}]}, default_flow_style=True)
        )
        await fetch(Access(path))


async def test_no_token_stands_in_what_is_printed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Neither the client nor what it logs shows a token."""
    async with serving(fine) as server:
        access = write(tmp_path / "config", document(server.url, {"token": "SECRET"}))
        async with KubeApi(access) as api:
            await api.get("/")
            assert "SECRET" not in f"{api!r} {api._transport!r} {access!r} {caplog.text}"
