"""`kubelb-xds dump`: what a tenant is served, as a static configuration."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support import pki
from tests.support.inspected import Inspected, inspected
from tests.xds.app.manifests import loadbalancer, secret, verify, write
from xds.app.cli import main
from xds.messages import TlsSecret, from_dict

AUTHORITY = pki.ca("dump")
WEB, DNS = "tenant-a-web-ep-0-port-8443-TCP", "tenant-a-dns-ep-0-port-8443-TCP"


@pytest.fixture
async def serving(tmp_path: Path) -> AsyncIterator[Inspected]:
    """Run a control plane with a LoadBalancer that verifies, and one whose backend has a name."""
    named = [{"addresses": [{"hostname": "backend.example"}], "ports": [{"port": 8443}]}]
    write(
        tmp_path,
        "all.yaml",
        loadbalancer("web", tls=verify("ca")),
        secret("ca", ca_crt=AUTHORITY.pem.decode()),
        loadbalancer("dns", port=20002, endpoints=named),
    )
    async with inspected(tmp_path) as running:
        yield running


class Dumped:
    """What the command printed."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code = code
        self.out = out
        self.err = err

    @property
    def clusters(self) -> dict[str, Any]:
        """The static clusters by name."""
        return {each["name"]: each for each in yaml.safe_load(self.out)["static_resources"]["clusters"]}

    @property
    def listeners(self) -> list[str]:
        """The static listeners' names."""
        return [each["name"] for each in yaml.safe_load(self.out)["static_resources"]["listeners"]]


@pytest.fixture
def dump(serving: Inspected, capsys: pytest.CaptureFixture[str]) -> Any:
    """Return what runs the command against the control plane."""

    async def run(*words: str) -> Dumped:
        capsys.readouterr()
        code = await asyncio.to_thread(main, ["dump", *words, "--admin-address", serving.address])
        return Dumped(code, *capsys.readouterr())

    return run


async def test_endpoints_stand_in_their_clusters(dump: Any) -> None:
    """A cluster of EDS becomes STATIC and carries its endpoints; one of DNS stays as it is."""
    done = await dump()
    assert (done.code, done.err) == (0, "")
    web, dns = done.clusters[WEB], done.clusters[DNS]
    assert (web["type"], dns["cluster_type"]["name"]) == ("STATIC", "envoy.cluster.dns")
    assert "eds_cluster_config" not in web
    (locality,) = web["load_assignment"]["endpoints"]
    (endpoint,) = locality["lb_endpoints"]
    assert endpoint["endpoint"]["address"]["socket_address"] == {"address": "10.0.0.1", "port_value": 8443}
    assert set(done.listeners) == {WEB, DNS}


async def test_the_ca_is_text_in_full(dump: Any) -> None:
    """The CA's PEM stands there as it is, and reads as it is in YAML."""
    done = await dump()
    tls = done.clusters[WEB]["transport_socket"]["typed_config"]
    validation = tls["common_tls_context"]["validation_context"]
    assert validation["trusted_ca"] == {"inline_string": AUTHORITY.pem.decode()}
    assert "inline_string: |" in done.out


async def test_json_and_yaml_say_the_same(dump: Any) -> None:
    """Either notation holds one and the same document."""
    assert json.loads((await dump("-o", "json")).out) == yaml.safe_load((await dump("-o", "yaml")).out)


@pytest.mark.parametrize(
    ("words", "clusters", "listeners"),
    [
        (("--type", "cds"), {WEB, DNS}, set()),
        (("--type", "LDS"), set(), {WEB, DNS}),
        (("--name", WEB), {WEB}, {WEB}),
        (("--type", "CDS", "--name", DNS), {DNS}, set()),
        (("--type", "EDS"), {WEB}, set()),
    ],
    ids=["cds", "LDS", "name", "type-and-name", "EDS"],
)
async def test_types_and_names_choose(
    dump: Any, words: tuple[str, ...], clusters: set[str], listeners: set[str]
) -> None:
    """Only what is asked for is shown; a cluster with its endpoints in any case."""
    done = await dump(*words)
    assert set(done.clusters) == clusters
    assert set(done.listeners) == listeners
    if WEB in clusters:
        assert done.clusters[WEB]["load_assignment"]["endpoints"]


async def test_nothing_that_matches_is_1(dump: Any) -> None:
    """A name that nothing has is said on stderr, and stdout stays empty."""
    done = await dump("--name", "nothing")
    assert (done.code, done.out) == (1, "")
    assert "tenant tenant-a has no such resource" in done.err


async def test_of_several_tenants_one_is_to_be_chosen(dump: Any, serving: Inspected) -> None:
    """Without --tenant there has to be one; the error names those that there are."""
    serving.control_plane.cache.set(
        "tenant-b",
        serving.control_plane.cache.get("tenant-a").get(  # type: ignore[union-attr]
            "type.googleapis.com/envoy.config.cluster.v3.Cluster"
        )
        or (),
    )
    done = await dump()
    assert (done.code, done.out) == (2, "")
    assert "choose one with --tenant, of tenant-a, tenant-b" in done.err
    assert (await dump("--tenant", "tenant-b")).code == 0
    assert "tenant 'tenant-c' has no snapshot" in (await dump("--tenant", "tenant-c")).err


async def test_secrets_are_hidden_and_said(dump: Any, serving: Inspected) -> None:
    """What has no place in a static configuration is counted, and what is hidden is named: never shown."""
    fields = {"name": "s", "tls_certificate": {"private_key": {"inline_string": "correct horse"}}}
    serving.control_plane.cache.update("tenant-a", [from_dict(TlsSecret, fields)])
    done = await dump()
    assert done.code == 0
    assert "correct horse" not in done.out + done.err
    assert "1 of type SDS left out" in done.err
    assert "hidden: SDS s: tls_certificate.private_key" in done.err
