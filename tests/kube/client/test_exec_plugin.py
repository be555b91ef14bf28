from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from select import select
from typing import Any

import pytest
from aiohttp import web

from kube.client import AccessError, KubeApi
from tests.kube.client.servers import PATH, WITHIN, data, document, fetch, server_context, serving, write
from tests.support.pki import ca

V1 = "client.authentication.k8s.io/v1"


def plugin(folder: Path, script: str, **more: Any) -> dict[str, Any]:
    """Write a plugin, and return the user that names it."""
    path = folder / "plugin"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o700)
    return {"exec": {"apiVersion": V1, "command": "./plugin", **more}}


def printing(answer: object) -> str:
    """Return a script that prints JSON."""
    return f"cat <<'END'\n{json.dumps(answer)}\nEND"


def credential(**fields: str) -> dict[str, Any]:
    """Return what a plugin prints."""
    return {"apiVersion": V1, "kind": "ExecCredential", "status": fields}


def is_over(pid: int) -> bool:
    """Return whether a process has ended, once it has had the time to."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    with os.fdopen(process):
        return bool(select([process], [], [], WITHIN)[0])


async def fine(_: web.BaseRequest) -> web.Response:
    """Answer anybody."""
    return web.json_response({})


async def test_its_token_is_used(tmp_path: Path) -> None:
    """A plugin's token is sent; its command goes by the kubeconfig's folder, with arguments and environment."""
    script = (
        f'printf \'{{"apiVersion":"{V1}","kind":"ExecCredential","status":{{"token":"%s-%s"}}}}\' "$1" "$WHO"'
    )
    user = plugin(tmp_path, script, args=["a"], env=[{"name": "WHO", "value": "b"}])
    async with serving(fine) as server:
        await fetch(write(tmp_path / "config", document(server.url, user)))
    assert server.tokens == ["Bearer a-b"]


async def test_it_is_told_what_it_is_for(tmp_path: Path) -> None:
    """A plugin learns the protocol's version, that nobody can be asked, and, if it wants to, the cluster."""
    script = f'printf %s "$KUBERNETES_EXEC_INFO" > {tmp_path}/info\n{printing(credential(token="x"))}'
    async with serving(fine) as server:
        await fetch(write(tmp_path / "config", document(server.url, plugin(tmp_path, script))))
        plain = json.loads((tmp_path / "info").read_text())
        user = plugin(tmp_path, script, provideClusterInfo=True)
        await fetch(write(tmp_path / "config", document(server.url, user)))
        told = json.loads((tmp_path / "info").read_text())
    assert plain == {"apiVersion": V1, "kind": "ExecCredential", "spec": {"interactive": False}}
    assert told["spec"] == {"interactive": False, "cluster": {"server": server.url}}


async def test_its_certificate_is_used(tmp_path: Path) -> None:
    """A plugin's client certificate is presented."""
    root = ca("root")
    client = root.issue("client")
    context = server_context(root.issue("api", ips=["127.0.0.1"]), tmp_path / "server", clients=root)
    fields = {"clientCertificateData": client.pem.decode(), "clientKeyData": client.key_pem.decode()}
    user = plugin(tmp_path, printing(credential(**fields)))
    async with serving(fine, tls=context) as server:
        cluster = {"certificate-authority-data": data(root.pem)}
        assert await fetch(write(tmp_path / "config", document(server.url, user, cluster))) == {}


async def test_much_said_to_stderr_blocks_nothing(tmp_path: Path) -> None:
    """A plugin that writes a megabyte to stderr still gives its token."""
    script = f"head -c 1000000 /dev/zero >&2\n{printing(credential(token='x'))}"
    async with serving(fine) as server:
        await fetch(write(tmp_path / "config", document(server.url, plugin(tmp_path, script))))
    assert server.tokens == ["Bearer x"]


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("echo first >&2; echo 'log in first' >&2; exit 3", "ended with 3: log in first"),
        ("exit 1", "ended with 1: run it by hand to see why"),
        ("echo SECRET", "did not print an ExecCredential in JSON: run it by hand"),
        (printing(["SECRET"]), "did not print an ExecCredential in JSON: run it by hand"),
        (
            printing(credential(token="SECRET") | {"apiVersion": "v9"}),
            f"speaks v9, not {V1}: correct apiVersion",
        ),
        (printing(credential()), "gave neither a token nor a client certificate"),
        (printing(credential(clientCertificateData="SECRET")), "gave a certificate without a key or"),
    ],
)
async def test_one_that_fails_is_an_error(script: str, expected: str, tmp_path: Path) -> None:
    """A plugin that gives no credentials is named with what it said; nobody goes on without credentials."""
    access = write(tmp_path / "config", document("http://127.0.0.1:1", plugin(tmp_path, script)))
    with pytest.raises(AccessError) as caught:
        await fetch(access)
    assert f"{access.kubeconfig}: users[a].exec: the plugin {tmp_path}/plugin {expected}" in str(caught.value)
    assert "SECRET" not in str(caught.value)


async def test_one_that_is_not_there(tmp_path: Path) -> None:
    """A plugin that cannot be run is named, with its own hint at how to get it."""
    user = {"exec": {"apiVersion": V1, "command": "no-such-plugin", "installHint": "apt install it"}}
    with pytest.raises(
        AccessError, match="no-such-plugin cannot be run: No such file or directory: apt install it"
    ):
        await fetch(write(tmp_path / "config", document("http://127.0.0.1:1", user)))


@pytest.mark.parametrize("last", ["sleep 600", "exit 0"], ids=["itself", "what it started"])
async def test_one_that_hangs_is_killed(last: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plugin that takes too long is killed with all that it started, and is an error."""
    monkeypatch.setattr("kube.client.exec_plugin.TIMEOUT", 0.3)
    user = plugin(tmp_path, f"sleep 600 & echo $! > {tmp_path}/pid\n{last}")
    with pytest.raises(AccessError, match=r"gave no credentials within"):
        await fetch(write(tmp_path / "config", document("http://127.0.0.1:1", user)))
    assert is_over(int((tmp_path / "pid").read_text()))


async def test_cancelling_kills_it(tmp_path: Path) -> None:
    """A plugin does not outlive whoever waits for it."""
    os.mkfifo(tmp_path / "started")
    user = plugin(tmp_path, f"echo $$ > {tmp_path}/started; sleep 600")
    access = write(tmp_path / "config", document("http://127.0.0.1:1", user))
    waiting = asyncio.create_task(access.transport())
    pid = int(await asyncio.to_thread((tmp_path / "started").read_text))
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert is_over(pid)


async def test_it_runs_again_when_its_token_is_refused(tmp_path: Path) -> None:
    """A token that has expired is replaced by running the plugin again."""
    tokens = tmp_path / "tokens"
    tokens.write_text("1")
    script = (
        f"n=$(cat {tokens}); echo $((n + 1)) > {tokens}\n"
        f'printf \'{{"apiVersion":"{V1}","kind":"ExecCredential","status":{{"token":"%s"}}}}\' "$n"'
    )

    async def handle(request: web.BaseRequest) -> web.Response:
        return web.json_response({}, status=200 if request.headers["Authorization"] == "Bearer 2" else 401)

    async with (
        serving(handle) as server,
        KubeApi(write(tmp_path / "config", document(server.url, plugin(tmp_path, script)))) as api,
    ):
        await api.get(PATH)
        await api.get(PATH)
        assert api.requests == 3
    assert server.tokens == ["Bearer 1", "Bearer 2", "Bearer 2"]
