from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.command import ROOT
from tests.support.pki import ca
from tests.xds.app.manifests import secret, write
from xds.app.validate import Report, validate
from xds.translate import Options

EXAMPLES = ROOT / "examples"
FILES = sorted((EXAMPLES / "manifests").iterdir())
TENANT = "tenant-primary"


def check(*folders: Path) -> Report:
    """Validate folders at a fixed time."""
    return validate(folders, options=Options(), now=datetime(2026, 6, 1, tzinfo=UTC))


def outcomes(report: Report) -> dict[str, str]:
    """Return the TLS outcome of each LoadBalancer's only port."""
    return {lb.ref.name: port.tls for lb in report.loadbalancers for port in lb.ports}


def secrets_named() -> Iterator[str]:
    """Yield the Secrets that the examples name."""
    for file in FILES:
        tls: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))["spec"].get("upstreamTLS", {})
        if "caSecretRef" in tls:
            yield tls["caSecretRef"]["name"]


def test_the_examples_without_their_secrets_fail_closed() -> None:
    """Before the Secrets are made everything that verifies is closed, and the rest is as documented."""
    assert outcomes(check(EXAMPLES / "manifests")) == {
        "plain": "plain",
        "insecure": "insecure",
        "verify": "fail-closed",
        "verify-intermediate": "fail-closed",
        "verify-wrong-ca": "fail-closed",
        "verify-without-secret-ref": "plain",
        "verify-missing-secret": "fail-closed",
        "insecure-plain-backend": "insecure",
        "verify-rotation": "fail-closed",
    }


def test_with_their_secrets_the_examples_verify(tmp_path: Path) -> None:
    """With every Secret that they name, all that is wrong with them is the caSecretRef that one lacks on purpose."""
    pem = ca("root").pem.decode()
    write(tmp_path, "ca.yaml", *(secret(name, namespace=TENANT, ca_crt=pem) for name in secrets_named()))
    report = check(EXAMPLES / "manifests", tmp_path)
    assert [name for name, tls in outcomes(report).items() if tls == "fail-closed"] == []
    assert [lb.ref.name for lb in report.loadbalancers if not lb.ok] == ["verify-without-secret-ref"]
    assert (report.invalid, report.problems) == ((), ())


def test_each_example_has_ports_of_its_own() -> None:
    """The examples listen on 20001 to 20009, before backends on 21001 to 21009, in the order of their files."""
    by_port = {
        port.listener_port: port for lb in check(EXAMPLES / "manifests").loadbalancers for port in lb.ports
    }
    assert {listen: port.endpoint_port for listen, port in by_port.items()} == {
        20000 + number: 21000 + number for number in range(1, 10)
    }
    assert [file.name[:2] for file in FILES] == [f"0{number}" for number in range(1, 10)]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_an_example_teaches(file: Path) -> None:
    """Each example is one LoadBalancer of the tenant that the example bootstrap names, below a comment."""
    text = file.read_text(encoding="utf-8")
    bootstrap = yaml.safe_load((EXAMPLES / "envoy-bootstrap.yaml").read_text(encoding="utf-8"))
    (document,) = yaml.safe_load_all(text)
    assert text.startswith("# ")
    assert document["kind"] == "LoadBalancer"
    assert document["metadata"]["namespace"] == bootstrap["node"]["cluster"] == TENANT
    assert file.stem[3:] == document["metadata"]["name"]
