"""`kubelb-xds probe`: offline on folders, and online through a control plane."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.support import pki
from tests.support.inspected import inspected
from tests.xds.app.manifests import Document, loadbalancer, secret, verify, write
from xds.app.cli import main
from xds.app.demo.backends import Backend
from xds.app.demo.certificates import Identity

ROOT, OTHER = pki.ca("root"), pki.ca("other")
LEAF = ROOT.issue("backend")


def identity() -> Identity:
    """Return what the backend presents."""
    key: Any = LEAF.key
    return Identity("backend", (LEAF.certificate,), key)


def to(backend: Backend, tls: Document | None) -> Document:
    """Return a LoadBalancer whose backend is this one."""
    group = {"addresses": [{"ip": "127.0.0.1"}], "ports": [{"port": backend.port}]}
    return loadbalancer("web", tls=tls, endpoints=[group])


async def probed(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    """Run the command, and return its exit code and all that it printed."""
    capsys.readouterr()
    code = await asyncio.to_thread(main, ["probe", "tenant-a/web", *words])
    captured = capsys.readouterr()
    return code, captured.out + captured.err


@pytest.mark.parametrize("online", [False, True], ids=["offline", "online"])
async def test_a_backend_that_passes_is_0(
    tmp_path: Path, online: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """What chains to ca.crt is ok, with the TLS version and what it presents; folders and control plane agree."""
    async with Backend("backend", identity=identity()) as backend:
        write(tmp_path, "web.yaml", to(backend, verify("ca")), secret("ca", ca_crt=ROOT.pem.decode()))
        async with inspected(tmp_path) as running:
            source = ("--admin-address", running.address) if online else ("--manifests", str(tmp_path))
            code, out = await probed(capsys, *source)
    assert code == 0, out
    assert f"ok   127.0.0.1:{backend.port} TLSv1.3, its certificate chains to ca.crt" in out
    assert "presents CN=backend, issued by CN=root, expires in" in out


@pytest.mark.parametrize("online", [False, True], ids=["offline", "online"])
async def test_a_wrong_ca_is_1_with_the_remedy(
    tmp_path: Path, online: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """The cause and what to put into ca.crt stand in one place; for programs as well."""
    async with Backend("backend", identity=identity()) as backend:
        write(tmp_path, "web.yaml", to(backend, verify("ca")), secret("ca", ca_crt=OTHER.pem.decode()))
        async with inspected(tmp_path) as running:
            source = ("--admin-address", running.address) if online else ("--manifests", str(tmp_path))
            code, out = await probed(capsys, *source)
            assert code == 1
            assert f"FAIL 127.0.0.1:{backend.port} unable to get local issuer certificate" in out
            assert "and ca.crt has CN=other: put the certificate of CN=root" in out
            code, out = await probed(capsys, "-o", "json", *source)
    data = json.loads(out)
    assert (code, data["ok"]) == (1, False)
    (endpoint,) = data["endpoints"]
    assert (endpoint["code"], endpoint["policy"]) == ("issuer", "verify")


async def test_a_backend_without_tls_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The reference's "plain" backend: what to do about it is its own words."""
    async with Backend("backend") as backend:
        write(tmp_path, "web.yaml", to(backend, {"policy": "Insecure"}))
        code, out = await probed(capsys, "--manifests", str(tmp_path))
    assert code == 1
    assert "the backend speaks no TLS on this port: remove the backend-tls annotations" in out


async def test_what_fails_closed_has_nothing_to_dial(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where the Secret is missing Envoy has no endpoints: the next command says why."""
    write(tmp_path, "web.yaml", loadbalancer("web", tls=verify("missing")))
    code, out = await probed(capsys, "--manifests", str(tmp_path))
    assert code == 1
    assert "no endpoints: see `kubelb-xds explain` for why" in out


async def test_a_name_that_nothing_has_is_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A LoadBalancer that is not there is told as by explain."""
    write(tmp_path, "web.yaml", loadbalancer("other"))
    code, out = await probed(capsys, "--manifests", str(tmp_path))
    assert code == 2
    assert "has no LoadBalancer 'web': it has other" in out
