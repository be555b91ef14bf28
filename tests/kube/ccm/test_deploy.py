"""deploy/ccm: the real kubectl and API server take all of it, and the command takes what the Deployment gives it."""

import asyncio
from pathlib import Path

import pytest
import yaml

from tests.kube.ccm.clusters import DEPLOY
from tests.support import command
from tests.support.kube_api import ApiServer
from tests.support.kube_client import Object

SETTINGS = command.SETTINGS.replace("xds.app.serve.serve = serve", "xds.app.ccm.ccm = serve").replace(
    "import xds.app.serve", "import xds.app.ccm"
)


async def kubectl(programs: Path, *arguments: str | Path) -> str:
    """Run the real kubectl, and return what it says."""
    process = await asyncio.create_subprocess_exec(
        programs / "kubectl", *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(30):
        stdout, stderr = await process.communicate()
    assert process.returncode == 0, stderr.decode()
    return stdout.decode()


async def objects(programs: Path, side: str) -> list[Object]:
    """Return what ``kubectl kustomize`` makes of a side."""
    return [*yaml.safe_load_all(await kubectl(programs, "kustomize", DEPLOY / side))]


@pytest.mark.parametrize(("side", "namespace"), [("tenant", "kubelb"), ("management", "tenant-primary")])
async def test_every_object_is_accepted(
    tenant_server: ApiServer, tmp_path: Path, side: str, namespace: str
) -> None:
    """Each is taken, and the pods under their namespace's policy, which is restricted."""
    things = await objects(tenant_server.programs, side)
    assert {thing["metadata"].get("namespace", namespace) for thing in things} == {namespace}
    metadata = {"name": namespace, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}}
    async with tenant_server.client() as admin:
        await admin.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
        config = tenant_server.kubeconfig(tmp_path, name="admin")
        said = await kubectl(
            tenant_server.programs, "--kubeconfig", config, "apply", "-k", DEPLOY / side, "--dry-run=server"
        )
        assert said.count("(server dry run)") == len(things)
        for thing in things:
            if thing["kind"] == "ServiceAccount":
                await admin.apply(thing)
        for thing in things:
            if thing["kind"] == "Deployment":
                template = thing["spec"]["template"]
                pod = {"apiVersion": "v1", "kind": "Pod", **template}
                pod["metadata"] = {**template["metadata"], "name": "one", "namespace": namespace}
                path = f"/api/v1/namespaces/{namespace}/pods"
                await admin.request("POST", path, pod, params={"dryRun": "All"})


async def test_the_command_takes_what_the_deployment_gives(kube_programs: Path) -> None:
    """Its arguments and variables are those of the command."""
    (deployment,) = (each for each in await objects(kube_programs, "tenant") if each["kind"] == "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    env = {entry["name"]: entry.get("value") or "" for entry in container["env"]}
    assert len(env) == len(container["env"])  # no name twice
    done = command.run(*container["args"], code=SETTINGS, **env)
    assert "cluster_name='primary'" in done.stdout, done.stderr
    assert "management_kubeconfig=PosixPath('/var/run/kubelb/kubeconfig')" in done.stdout
    assert "ops_address='[::]:18011'" in done.stdout
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert mounts["management"] == "/var/run/kubelb"
