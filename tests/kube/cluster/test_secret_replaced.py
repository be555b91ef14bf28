"""`kubectl replace --force` deletes a Secret and creates it again: nobody is to be told of the moment between."""

import asyncio
import json
from pathlib import Path

from tests.kube.cluster.following import BOUND, following, loadbalancer, ref_of, secret
from tests.support.kube_api import ApiServer
from tests.support.kube_client import ApiClient


async def _replace_by_force(kubectl: Path, kubeconfig: Path, manifest: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        kubectl,
        f"--kubeconfig={kubeconfig}",
        "replace",
        "--force",
        "-f",
        manifest,
        env={"HOME": str(manifest.parent)},
    )
    try:
        async with asyncio.timeout(BOUND):
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_a_secret_that_is_replaced_by_force_never_goes(
    api_server: ApiServer, admin: ApiClient, namespace: str, tmp_path: Path, kube_programs: Path
) -> None:
    """The store changes from the old content to the new one; a Secret that is deleted for good goes after the linger."""
    await admin.apply(loadbalancer(namespace, ca="ca"))
    await admin.apply(secret(namespace))
    manifest = tmp_path / "secret.json"
    kubeconfig = api_server.kubeconfig(tmp_path)
    async with following(kubeconfig, namespace, linger=BOUND) as follower:
        await follower.synced()
        before = len(follower.changes)
        for content in ("two", "three"):
            manifest.write_text(json.dumps(secret(namespace, content=content)))
            await _replace_by_force(kube_programs / "kubectl", kubeconfig, manifest)
            await follower.has(secret(namespace, content=content))
        # Each was deleted and created: another event than a change.
        assert follower.status("Secret").events >= 4
        changes = follower.changes[before:]
        assert {change.ref for change in changes} == {ref_of(secret(namespace))}
        assert len(changes) == 2
        assert all(change.old is not None and change.new is not None for change in changes)
        assert follower.store.next_expiry is None


async def test_a_secret_that_is_deleted_goes_after_the_linger(
    api_server: ApiServer, admin: ApiClient, namespace: str, tmp_path: Path
) -> None:
    """A Secret that is gone for longer than the linger goes from the store, the LoadBalancer that names it stays."""
    await admin.apply(loadbalancer(namespace, ca="ca"))
    await admin.apply(secret(namespace))
    async with following(api_server.kubeconfig(tmp_path), namespace, linger=0.2) as follower:
        await follower.synced()
        await admin.delete(secret(namespace))
        await follower.until(lambda: follower.store.next_expiry is not None, "the linger")
        assert follower.is_stored(secret(namespace))
        await follower.lacks(ref_of(secret(namespace)))
        assert follower.is_stored(loadbalancer(namespace, ca="ca"))
