from __future__ import annotations

from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from aiohttp import web
from kubernetes.aio.config import incluster_config
from structlog.testing import capture_logs

from kube.client import Access, AccessError, KubeApi
from tests.kube.client.servers import PATH, fetch, server_context, serving, unauthorized
from tests.support.pki import ca

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.kube.client.servers import Server


class Pod:
    """What a pod sees of the API server, and the tokens that the server takes."""

    def __init__(self, folder: Path, server: Server) -> None:
        self.token = folder / "token"
        self.ca = folder / "ca.crt"
        self.server = server
        self.accepted = {"Bearer one", "Bearer two"}


@pytest.fixture
async def pod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Pod]:
    """Make this process believe that it runs in a pod."""
    root = ca("root")

    async def handle(request: web.BaseRequest) -> web.Response:
        accepted = request.headers["Authorization"].capitalize() in made.accepted
        return web.json_response({}) if accepted else unauthorized()

    context = server_context(root.issue("api", ips=["127.0.0.1"]), tmp_path / "server")
    async with serving(handle, tls=context) as server:
        made = Pod(tmp_path, server)
        made.token.write_text("one")
        made.ca.write_bytes(root.pem)
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
        monkeypatch.setenv("KUBERNETES_SERVICE_PORT", server.url.rpartition(":")[2])
        monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(made.token))
        monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(made.ca))
        yield made


def a_minute_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the clock that the library looks at forward."""
    later = datetime.now() + timedelta(seconds=61)  # noqa: DTZ005  # as the library does
    clock = SimpleNamespace(now=lambda: later)
    monkeypatch.setattr(incluster_config, "datetime", SimpleNamespace(datetime=clock, timedelta=timedelta))


async def test_a_pods_token_is_used(pod: Pod) -> None:
    """In a pod the ServiceAccount's token is sent, its newline left out, and the server is checked."""
    pod.token.write_text("one\n")
    await fetch(Access())
    assert pod.server.tokens == ["bearer one"]


async def test_a_kubeconfig_that_is_given_comes_first(pod: Pod, tmp_path: Path) -> None:
    """A kubeconfig or a context that is asked for is taken in a pod, too."""
    for access in (Access(tmp_path / "config"), Access(context="a")):
        with pytest.raises(AccessError, match="config: no such file"):
            await fetch(access)
    assert not pod.server.requests


async def test_a_rotated_token_is_read_after_a_minute(pod: Pod, monkeypatch: pytest.MonkeyPatch) -> None:
    """The token file is read again each minute, without any refusal."""
    async with KubeApi(Access()) as api:
        await api.get(PATH)
        pod.token.write_text("two")
        await api.get(PATH)
        a_minute_passes(monkeypatch)
        await api.get(PATH)
    assert pod.server.tokens == ["bearer one", "bearer one", "bearer two"]


async def test_a_refusal_reads_the_token_at_once(pod: Pod) -> None:
    """A token that is refused is read again at once."""
    async with KubeApi(Access()) as api:
        await api.get(PATH)
        pod.token.write_text("two")
        pod.accepted.remove("Bearer one")
        await api.get(PATH)
    assert pod.server.tokens == ["bearer one", "bearer one", "bearer two"]


async def test_the_old_token_serves_while_the_file_is_away(pod: Pod, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token file that cannot be read for a while costs one line in the log and no request."""
    async with KubeApi(Access()) as api:
        pod.token.unlink()
        a_minute_passes(monkeypatch)
        with capture_logs() as logs:
            await api.get(PATH)
            await api.get(PATH)
        pod.token.write_text("two")
        await api.get(PATH)
    assert pod.server.tokens == ["bearer one", "bearer one", "bearer two"]
    assert [line["event"] for line in logs] == ["token not read again: the old one serves on"]


async def test_a_rotated_authority_is_read_again(pod: Pod) -> None:
    """A server that no longer verifies is checked by the authorities as they stand now."""
    right = pod.ca.read_bytes()
    pod.ca.write_bytes(ca("old").pem)
    async with KubeApi(Access()) as api:
        pod.ca.write_bytes(right)
        await api.get(PATH)
    assert len(pod.server.requests) == 1


@pytest.mark.parametrize("name", ["token", "ca.crt"])
@pytest.mark.parametrize("content", [None, b"", b"\xff"], ids=["missing", "empty", "no text"])
async def test_what_is_missing_in_a_pod_is_said(
    name: str, content: bytes | None, pod: Pod, tmp_path: Path
) -> None:
    """A pod without its token or authority is told which, and how to get it."""
    path = tmp_path / name
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(AccessError) as caught:
        await fetch(Access())
    assert str(path) in str(caught.value)
    assert "automountServiceAccountToken: true" in str(caught.value)
    assert not pod.server.requests
