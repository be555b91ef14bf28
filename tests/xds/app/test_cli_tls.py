"""`kubelb-xds serve` with mutual TLS, as a process."""

import asyncio
import signal
from pathlib import Path

import aiohttp
import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.support import pki
from tests.support.command import ROOT, run, serving
from tests.support.mtls import Volume, credentials, envoy_of, server_of
from tests.support.xds_client import XdsClient
from xds.snapshot.types import CLUSTER

EXAMPLES = str(ROOT / "examples" / "manifests")
TENANT = "tenant-primary"
CA = pki.ca("root")


@pytest.fixture
def volume(tmp_path: Path) -> Volume:
    """Return a server's files."""
    return Volume(tmp_path / "tls", server_of(CA), CA)


def options(volume: Volume) -> list[str]:
    """Return what `serve` is given: an address that anybody may reach, and the files."""
    files = ["--tls-cert", volume.certificate, "--tls-key", volume.key, "--tls-client-ca", volume.client_ca]
    return ["--manifests", EXAMPLES, "--xds-address", "0.0.0.0:0", *map(str, files)]


async def test_it_serves_who_it_should_off_loopback(volume: Volume) -> None:
    """With the three files it serves on any address: a tenant its clusters, and another one PERMISSION_DENIED, which is counted."""
    async with serving(options(volume)) as server:
        serving_xds = await server.logged("serving xDS")
        assert serving_xds["tls"] == "mutual"
        port = int(serving_xds["address"].rpartition(":")[2])
        ops = (await server.logged("serving ops"))["address"]
        for tenant, code in ((TENANT, None), ("another", grpc.StatusCode.PERMISSION_DENIED)):
            shown = credentials(CA, envoy_of(CA, tenant))
            node = {"id": "envoy", "cluster": TENANT}
            async with XdsClient(port, delta=True, node=node, credentials=shown) as client:
                await client.subscribe(CLUSTER)
                if code is None:
                    assert len((await client.receive()).resources) > 5
                else:
                    assert (await client.status())[0] == code
        line = await server.logged("stream ended")
        assert (line["status"], line["tenant"]) == ("PERMISSION_DENIED", TENANT)
        assert "'another'" in line["reason"]
        timeout = aiohttp.ClientTimeout(total=10)
        async with aiohttp.request("GET", f"http://{ops}/metrics", timeout=timeout) as answer:
            metrics = await answer.text()
        assert 'kubelb_xds_streams_ended_total{status="PERMISSION_DENIED"} 1.0' in metrics
        assert "kubelb_xds_tls_certificate_expiry_timestamp_seconds" in metrics
        server.send(signal.SIGTERM)
        assert await server.ended() == (0, "")
    assert not [line for line in server.lines if "plaintext" in line["event"]]


async def test_a_renewed_certificate_is_logged(volume: Volume) -> None:
    """Files that change are told of in the log, although nobody connects: the good ones, and those that do not fit."""
    async with serving(options(volume)) as server:
        await server.logged("synced")
        await asyncio.to_thread(volume.write, server_of(CA, seed="renewed"), CA)
        await server.logged("TLS files reloaded")
        volume.key.resolve().write_bytes(b"")
        line = await server.logged("TLS files are not taken")
    assert str(volume.key) in line["error"]


def test_files_that_are_wrong_are_one_line(volume: Volume) -> None:
    """A file that cannot be used ends the start with exit code 2 and one line that names it and the remedy."""
    volume.key.resolve().unlink()
    done = run("serve", *options(volume))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"kubelb-xds: {volume.key}: No such file or directory: put the file there, readable for this process\n"
    )


async def test_the_admin_listener_has_an_authority_of_its_own(volume: Volume, tmp_path: Path) -> None:
    """Off loopback it answers who runs the control plane, over the same certificate, and takes up another authority."""
    admins, later = pki.ca("admins"), pki.ca("later")
    bundle = tmp_path / "admins.pem"
    bundle.write_bytes(admins.pem)
    off_loopback = ["--admin-address", "0.0.0.0:0", "--admin-client-ca", str(bundle)]
    async with serving([*options(volume), *off_loopback]) as server:
        port = (await server.logged("serving admin"))["address"].rpartition(":")[2]
        bundle.write_bytes(later.pem)
        assert (await server.logged("TLS files reloaded"))["client_ca"] == str(bundle)
        shown = credentials(CA, later.issue("somebody"))
        async with grpc.aio.secure_channel(f"127.0.0.1:{port}", shown) as channel:
            answer = await health_pb2_grpc.HealthStub(channel).Check(
                health_pb2.HealthCheckRequest(), timeout=10
            )
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
