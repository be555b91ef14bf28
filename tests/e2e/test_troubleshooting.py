"""Each line of the reference's Troubleshooting, provoked with a real Envoy: what its clients see, and which command finds the cause."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.support import pki
from tests.support.inspected import Inspected, inspected
from tests.support.workbench import running_envoy
from tests.xds.app.manifests import Document, loadbalancer, secret, verify, write
from xds.app.address import HostPort
from xds.app.bootstrap import Bootstrap
from xds.app.cli import main
from xds.app.demo.backends import Backend
from xds.app.demo.certificates import Identity
from xds.app.demo.client import Outcome, ask
from xds.app.demo.waiting import poll

ROOT, OTHER = pki.ca("root"), pki.ca("other")
ISSUING = ROOT.intermediate("issuing")
WITHIN = 20.0


def identity_of(leaf: pki.Identity) -> Identity:
    """Return what a backend presents that sends its own certificate alone."""
    key: Any = leaf.key
    return Identity("backend", (leaf.certificate,), key)


BY_ROOT = identity_of(ROOT.issue("backend"))
BY_ISSUING = identity_of(ISSUING.issue("backend"))


def holding(*authorities: pki.Identity) -> Document:
    """Return the CA Secret with these authorities in it."""
    return secret("ca", ca_crt=b"".join(each.pem for each in authorities).decode())


@dataclass(frozen=True)
class Line:
    """One line: the backend, the LoadBalancer's TLS, the objects beside it, what clients see, and who finds what."""

    backend: Identity | None
    tls: Document
    beside: tuple[Document, ...]
    passes: bool
    command: str
    finds: str


LINES = {
    "caSecretRef is required for Verify policy": Line(
        None, {"policy": "Verify"}, (), True, "explain", "set spec.upstreamTLS.caSecretRef.name to the Secret"
    ),
    "failed to get CA secret": Line(
        BY_ROOT, verify("ca"), (), False, "explain", "create it there with the CA's PEM under 'ca.crt'"
    ),
    "missing 'ca.crt' key": Line(
        BY_ROOT,
        verify("ca"),
        (secret("ca", tls_crt=ROOT.pem.decode()),),
        False,
        "explain",
        "kubectl create secret generic ca --from-file=ca.crt=<path>",
    ),
    "certificate verify failed, another CA": Line(
        BY_ROOT, verify("ca"), (holding(OTHER),), False, "probe", "put the certificate of CN=root"
    ),
    "certificate verify failed, the chain is incomplete": Line(
        BY_ISSUING, verify("ca"), (holding(ROOT),), False, "probe", "put the certificate of CN=issuing"
    ),
    "a plain backend": Line(
        None, {"policy": "Insecure"}, (), False, "probe", "remove the backend-tls annotations, or switch"
    ),
}


@dataclass
class Scene:
    """A control plane over a folder, an Envoy, and the port on which that listens for the one LoadBalancer."""

    folder: Path
    running: Inspected
    port: int

    def put(self, backend: Backend, tls: Document, *beside: Document) -> None:
        """Write the LoadBalancer and what is beside it."""
        group = {"addresses": [{"ip": "127.0.0.1"}], "ports": [{"port": backend.port}]}
        lb = loadbalancer("web", port=self.port, tls=tls, endpoints=[group])
        write(self.folder, "all.yaml", lb, *beside)

    async def seen(self, outcome: Callable[[Any], bool], what: str) -> None:
        """Wait until a client of Envoy sees this."""
        await poll(partial(ask, self.port), outcome, within=WITHIN, what=what)

    async def command(self, name: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
        """Run a command about the LoadBalancer, and return its exit code and what it printed."""
        capsys.readouterr()
        code = await asyncio.to_thread(main, [name, "tenant-a/web", "--admin-address", self.running.address])
        return code, capsys.readouterr().out


@pytest.fixture
async def scene(
    tmp_path: Path,
    free_port: Callable[..., int],
    envoy_binary: Path,  # noqa: ARG001 — fail early
) -> AsyncIterator[Scene]:
    """Run a control plane over an empty folder, and an Envoy of the tenant."""
    folder = tmp_path / "manifests"
    folder.mkdir()
    async with inspected(folder) as running:
        bootstrap = Bootstrap(
            tenant="tenant-a", xds_address=HostPort("127.0.0.1", running.xds), node_id="envoy-1"
        )
        async with running_envoy(bootstrap.yaml(), tmp_path, ready=False):
            yield Scene(folder, running, free_port())


@pytest.mark.parametrize("line", LINES.values(), ids=LINES)
async def test_each_line_is_found_with_its_remedy(
    line: Line, scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    """What clients see comes about, and the command names cause and remedy, with exit code 1."""
    async with Backend("backend", identity=line.backend) as backend:
        scene.put(backend, line.tls, *line.beside)
        if line.passes:
            await scene.seen(lambda attempt: attempt.outcome is Outcome.REPLY, "a reply")
        else:
            await scene.seen(lambda attempt: attempt.cut, "a connection that is cut")
        code, out = await scene.command(line.command, capsys)
    assert code == 1, out
    assert line.finds in out


async def test_a_changed_secret_is_seen_to_be_picked_up(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    """The last line, which is history: a CA that changes reaches Envoy at once, and explain shows that it has."""
    async with Backend("backend", identity=BY_ROOT) as backend:
        scene.put(backend, verify("ca"), holding(OTHER))
        await scene.seen(lambda attempt: attempt.cut, "a connection that is cut")
        _, before = await scene.command("explain", capsys)
        scene.put(backend, verify("ca"), holding(ROOT))
        await scene.seen(lambda attempt: attempt.outcome is Outcome.REPLY, "a reply")

        async def explained() -> str:
            return (await scene.command("explain", capsys))[1]

        after = await poll(
            explained, lambda out: "envoy-1 SYNCED" in out, within=WITHIN, what="everything ACKed"
        )
        assert (await scene.command("probe", capsys))[0] == 0
    assert "CN=other" in before
    assert "CN=root" in after
    assert "CN=other" not in after
