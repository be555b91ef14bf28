from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from kube.client import Unreachable
from tests.kube.client.servers import data, document, fetch, server_context, serving, write
from tests.support.pki import START, ca

if TYPE_CHECKING:
    from pathlib import Path

ROOT = ca("root")
SERVER = ROOT.issue("api", ips=["127.0.0.1"])
CLIENT = ROOT.issue("client")
TRUST = {"certificate-authority-data": data(ROOT.pem)}


async def fine(_: web.BaseRequest) -> web.Response:
    """Answer anybody."""
    return web.json_response({})


async def test_a_client_certificate_proves_who_we_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A certificate and its key, as data or as files, are presented; no copy of the key stays on the disk."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    chain, key = CLIENT.write(tmp_path / "client")
    (tmp_path / "root.crt").write_bytes(ROOT.pem)
    users = (
        {"client-certificate-data": data(chain.read_bytes()), "client-key-data": data(key.read_bytes())},
        {"client-certificate": "client/tls.crt", "client-key": str(key)},
    )
    async with serving(fine, tls=server_context(SERVER, tmp_path / "server", clients=ROOT)) as server:
        for user, trust in zip(users, (TRUST, {"certificate-authority": "root.crt"}), strict=True):
            assert await fetch(write(tmp_path / "config", document(server.url, user, trust))) == {}
    assert len(server.requests) == 2
    assert list(temporary.iterdir()) == []


async def test_a_missing_client_certificate_is_said(tmp_path: Path) -> None:
    """A server that wants a certificate and gets none closes the connection; the text says what it may want."""
    async with serving(fine, tls=server_context(SERVER, tmp_path / "server", clients=ROOT)) as server:
        access = write(tmp_path / "config", document(server.url, {}, TRUST))
        with pytest.raises(
            Unreachable,
            match=r"closed the connection without an answer: does it want another client certificate",
        ):
            await fetch(access)


async def test_an_unknown_authority_is_said(tmp_path: Path) -> None:
    """A server whose authority we do not have is not believed, and the field that would give it is named."""
    async with serving(fine, tls=server_context(SERVER, tmp_path / "server")) as server:
        for cluster in ({}, {"certificate-authority-data": data(ca("other").pem)}):
            access = write(tmp_path / "config", document(server.url, {}, cluster))
            with pytest.raises(Unreachable) as caught:
                await fetch(access)
            assert str(caught.value).startswith(f"the certificate of {server.url} failed to verify: ")
            assert f"give certificate-authority(-data) of clusters[a] in {access.kubeconfig}" in str(
                caught.value
            )
    assert server.requests == []


async def test_a_certificate_of_another_name(tmp_path: Path) -> None:
    """A certificate without the server's name is refused with the remedy, which helps."""
    named = server_context(ROOT.issue("api", dns=["api.test"]), tmp_path / "server")
    async with serving(fine, tls=named) as server:
        with pytest.raises(Unreachable, match="give tls-server-name of the cluster"):
            await fetch(write(tmp_path / "config", document(server.url, {}, TRUST)))
        cluster = TRUST | {"tls-server-name": "api.test"}
        assert await fetch(write(tmp_path / "config", document(server.url, {}, cluster))) == {}


async def test_an_expired_certificate(tmp_path: Path) -> None:
    """An expired certificate is said to be expired; another authority is not what is asked for."""
    expired = ROOT.issue("api", ips=["127.0.0.1"], end=START.replace(day=2))
    async with serving(fine, tls=server_context(expired, tmp_path / "server")) as server:
        with pytest.raises(Unreachable, match=r"failed to verify: certificate has expired$"):
            await fetch(write(tmp_path / "config", document(server.url, {}, TRUST)))


async def test_verification_can_be_switched_off(tmp_path: Path) -> None:
    """insecure-skip-tls-verify is kept to."""
    async with serving(fine, tls=server_context(SERVER, tmp_path / "server")) as server:
        cluster = {"insecure-skip-tls-verify": True}
        assert await fetch(write(tmp_path / "config", document(server.url, {}, cluster))) == {}


async def test_https_to_a_server_without_tls(tmp_path: Path) -> None:
    """A server that does not speak TLS is said to be none."""
    async with serving(fine) as server:
        url = server.url.replace("http:", "https:")
        with pytest.raises(Unreachable) as caught:
            await fetch(write(tmp_path / "config", document(url)))
    assert str(caught.value) == (
        f"what answers at {url} does not speak TLS: is it an http:// server, or another port?"
    )
