"""A Secret replaced with `kubectl replace --force`, which deletes it and creates it anew, under constant TLS connections."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.e2e.world import World, loadbalancer, nothing_passes
from tests.support.kube_api import ApiServer
from xds.app.demo.backends import Backend
from xds.app.demo.certificates import Authority
from xds.app.demo.client import Conversation, Traffic
from xds.app.demo.manifests import secret
from xds.snapshot.types import CLUSTER, ENDPOINT

FreePort = Callable[..., int]
WITHIN = 30.0
"""Seconds within which kubectl has done what it is told, on a machine that is busy."""


class Kubectl:
    """The real kubectl, as the administrator."""

    def __init__(self, server: ApiServer, directory: Path) -> None:
        self._directory = directory
        self._program = server.programs / "kubectl"
        self._kubeconfig = server.kubeconfig(directory, name="admin")

    async def run(self, *arguments: str) -> str:
        """Run it to its end, and return what it says."""
        process = await asyncio.create_subprocess_exec(
            *(self._program, "--kubeconfig", self._kubeconfig, "--cache-dir", self._directory / "cache"),
            *arguments,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(WITHIN):
            stdout, stderr = await process.communicate()
        assert process.returncode == 0, stderr.decode()
        return stdout.decode()


@pytest.fixture
def kubectl(api_server: ApiServer, tmp_path: Path) -> Kubectl:
    """Return kubectl for the shared API server."""
    return Kubectl(api_server, tmp_path)


async def test_a_replaced_secret_disturbs_nothing(
    on_kubernetes: World, kubectl: Kubectl, free_port: FreePort, tmp_path: Path
) -> None:
    """Replaced by force, by itself or by another CA, it costs no connection; Envoy hears of what has changed and of nothing else."""
    played, port = on_kubernetes, free_port()
    old, new = Authority("old"), Authority("new")
    async with Backend("web", identity=old.issue("web")) as backend:
        name = played.resource_name("web", backend.port)
        await played.put_ca("backend-ca", old.pem)
        since = await played.put(
            "web", loadbalancer("web", port, backend.port, policy="Verify", ca="backend-ca")
        )
        await played.served(name, since=since)
        file = tmp_path / "ca.yaml"
        async with Traffic(port, per_second=100) as traffic, Conversation(port) as conversation:
            pushes = len(played.updates.pushes)
            for pem in (old.pem, old.pem, old.pem + new.pem):
                file.write_text(yaml.safe_dump(secret(played.tenant, "backend-ca", pem)), encoding="utf-8")
                since = time.monotonic()
                said = await kubectl.run("replace", "--force", "-f", str(file))
                assert said.splitlines() == [
                    f'secret "backend-ca" deleted from {played.tenant} namespace',
                    "secret/backend-ca replaced",
                ]
            await traffic.since(await played.in_force(name, since=since), count=20)
            backend.present(new.issue("web"))
            marker = await played.put("marker", loadbalancer("marker", free_port(), backend.port))
            await played.served(played.resource_name("marker", backend.port), since=marker)
            await traffic.since(marker, count=20)
            assert await conversation.goes_on()
        heard = [push.type_url for _, push in played.updates.pushes[pushes:] if name in push.changed]
    assert traffic.lost == []
    assert heard == [CLUSTER, ENDPOINT]
    assert await played.rejected() == {}


async def test_a_deletion_without_a_return_fails_closed(
    on_kubernetes: World, kubectl: Kubectl, free_port: FreePort
) -> None:
    """A Secret that is deleted and stays away is good until it has lingered for its time; then nothing passes."""
    played, authority, port = on_kubernetes, Authority("ca"), free_port()
    async with Backend("web", identity=authority.issue("web")) as backend:
        name = played.resource_name("web", backend.port)
        await played.put_ca("backend-ca", authority.pem)
        since = await played.put(
            "web", loadbalancer("web", port, backend.port, policy="Verify", ca="backend-ca")
        )
        await played.served(name, since=since)
        async with Traffic(port, per_second=100) as traffic:
            await traffic.since(since, count=20)
            deleting = asyncio.create_task(
                kubectl.run("delete", "secret", "backend-ca", "--namespace", played.tenant)
            )
            await played.lingering(something=True)
            deleted, expires = time.monotonic(), played.control_plane.store.next_expiry
            await deleting
            await played.in_force(name, since=deleted)
            await nothing_passes(port)
        pushed = next(
            moment for moment, push in played.updates.pushes if moment > deleted and name in push.changed
        )
        assert expires is not None
        assert pushed >= expires  # asyncio's clock is time.monotonic
        assert [attempt for attempt in traffic.lost if attempt.ended < pushed] == []
