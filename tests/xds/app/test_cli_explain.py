"""`kubelb-xds explain`: one LoadBalancer, from its spec to what each Envoy made of it."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support import pki
from tests.support.inspected import Inspected, inspected
from tests.support.xds_client import XdsClient
from tests.xds.app.manifests import Document, loadbalancer, secret, verify, write
from xds.app.cli import main
from xds.app.demo.waiting import poll
from xds.app.settings import ServeSettings
from xds.snapshot.types import CLUSTER

AUTHORITY = pki.ca("explained")
PEM = AUTHORITY.pem.decode()
DEFAULT_LISTENER_ADDRESS = ServeSettings().listener_address
NAME = "tenant-a-web-ep-0-port-8443-TCP"


async def explained(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    """Run the command, and return its exit code and all that it printed."""
    capsys.readouterr()
    code = await asyncio.to_thread(main, ["explain", *words])
    captured = capsys.readouterr()
    return code, captured.out + captured.err


@pytest.fixture
async def serving(tmp_path: Path) -> AsyncIterator[Inspected]:
    """Run a control plane with a LoadBalancer that verifies."""
    write(tmp_path, "web.yaml", loadbalancer("web", tls=verify("ca")), secret("ca", ca_crt=PEM))
    async with inspected(tmp_path, listener_address=DEFAULT_LISTENER_ADDRESS) as running:
        yield running


async def test_spec_ca_cluster_and_envoys_are_shown(
    serving: Inspected, capsys: pytest.CaptureFixture[str]
) -> None:
    """From the policy through the CA's subject, expiry and SHA-256 to the version that an Envoy has ACKed."""
    async with XdsClient(serving.xds, delta=True) as client:
        await client.subscribe(CLUSTER)
        await client.ack(await client.receive())

        async def shown() -> str:
            _, out = await explained(capsys, "tenant-a/web", "--admin-address", serving.address)
            return out

        out = await poll(shown, lambda out: "CDS SYNCED" in out, within=5, what="the ACK")
    (cluster,) = serving.control_plane.cache.get("tenant-a").get(CLUSTER)  # type: ignore[union-attr,misc]
    for part in (
        "policy Verify, caSecretRef ca",
        "endpoints[0]  10.0.0.1",
        "CN=explained",
        "expires ",
        "SHA-256 ",
        f"{NAME}\n    listener 20001 TCP → 1 endpoint at port 8443, by EDS",
        "TLS verify: Secret ca: 1 certificate",
        f"CDS SYNCED has {cluster.version}, ACKed ",
        "EDS NOT SENT has nothing",
        "Accepted=True",
    ):
        assert part in out
    assert "BEGIN CERTIFICATE" not in out, "a person is shown what a certificate says"


async def test_a_nack_is_why(serving: Inspected, capsys: pytest.CaptureFixture[str]) -> None:
    """What an Envoy refused is shown with its words, what to do, and exit code 1."""
    async with XdsClient(serving.xds, delta=True) as client:
        await client.subscribe(CLUSTER)
        await client.nack(await client.receive(), f"Error adding/updating cluster(s) {NAME}: bad thing")

        async def shown() -> tuple[int, str]:
            return await explained(capsys, "tenant-a/web", "--admin-address", serving.address)

        _, out = await poll(shown, lambda found: found[0] == 1, within=5, what="the NACK")
    assert "CDS NACK has nothing" in out
    assert f"Error adding/updating cluster(s) {NAME}: bad thing" in out
    assert f"error: Envoy test-envoy refuses CDS {NAME}, and keeps what it had" in out


async def test_no_envoy_is_said(serving: Inspected, capsys: pytest.CaptureFixture[str]) -> None:
    """A LoadBalancer that is right, and that no Envoy asks for, is told apart from one that is wrong."""
    code, out = await explained(capsys, "tenant-a/web", "--admin-address", serving.address)
    assert code == 0
    assert "its node.cluster has to be tenant-a" in out


# Each line of the reference's troubleshooting that the objects tell.
CAUSES: dict[str, tuple[Document, list[Document], str]] = {
    "no caSecretRef": (
        {"policy": "Verify"},
        [],
        "error: caSecretRef is required for Verify policy: set spec.upstreamTLS.caSecretRef.name",
    ),
    "no Secret": (verify("ca"), [], "create it there with the CA's PEM under 'ca.crt'"),
    "another key": (
        verify("ca"),
        [secret("ca", tls_crt=PEM)],
        "kubectl create secret generic ca --from-file=ca.crt=<path>",
    ),
    "no PEM": (
        verify("ca"),
        [secret("ca", ca_crt="nonsense")],
        "holds no PEM: it needs the CA's certificate",
    ),
    "unknown policy": ({"policy": "verify"}, [], "is neither Insecure nor Verify; set it to one of the two"),
}


@pytest.mark.parametrize("cause", CAUSES)
async def test_folders_are_explained_offline(
    cause: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each cause of the reference that lies in the objects is found, with its remedy, where no control plane runs."""
    tls, others, remedy = CAUSES[cause]
    folder = write(tmp_path, "web.yaml", loadbalancer("web", tls=tls), *others)
    code, out = await explained(capsys, "--manifests", str(folder), "tenant-a/web")
    assert code == 1
    assert remedy in out


async def test_an_expired_ca_is_shown_as_such(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A CA that has ended says when, and what to do about it."""
    old = pki.ca("old", end=pki.START + timedelta(days=1))
    folder = write(
        tmp_path, "web.yaml", loadbalancer("web", tls=verify("ca")), secret("ca", ca_crt=old.pem.decode())
    )
    _, out = await explained(capsys, "--manifests", str(folder), "tenant-a/web")
    assert "expired 20" in out
    assert "certificate_has_expired); replace it with its successor" in out


async def test_offline_and_online_agree(
    serving: Inspected, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same objects give the same answer, whoever translates them; only Envoys are known online alone."""
    answers: list[dict[str, Any]] = []
    for words in (("--manifests", str(tmp_path)), ("--admin-address", serving.address)):
        code, out = await explained(capsys, "-o", "json", "tenant-a/web", *words)
        assert code == 0
        answers.append(json.loads(out))
    assert answers[0] == answers[1]
    assert answers[0]["tls"]["certificates"][0]["subject"] == "CN=explained"
    assert PEM.splitlines()[1] not in str(answers[0]["tls"])


async def test_an_object_that_cannot_be_used_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A LoadBalancer that is invalid has its faults shown, though nothing became of it."""
    folder = write(tmp_path, "web.yaml", loadbalancer("web", endpoints=[]))
    code, out = await explained(capsys, "--manifests", str(folder), "tenant-a/web")
    assert code == 1
    assert "spec.endpoints" in out


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("tenant-a/wbe", "has no LoadBalancer 'wbe': it has web"),
        ("tenant-z/web", "namespace tenant-z has no LoadBalancer at all"),
        ("web", "write NAMESPACE/NAME"),
        ("a/b/c", "write NAMESPACE/NAME"),
    ],
)
async def test_a_name_that_nothing_has_is_2(
    serving: Inspected, name: str, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A misspelt name is told with those that there are."""
    code, out = await explained(capsys, name, "--admin-address", serving.address)
    assert code == 2
    assert text in out
    assert out.count("\n") == 1
