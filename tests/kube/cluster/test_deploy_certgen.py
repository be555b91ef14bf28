"""What makes the certificates in a cluster: `certgen --kubernetes` as its own account, with the rights that deploy/ gives it and no more."""

import asyncio
import base64
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import yaml
from cryptography import x509

from tests.kube.cluster.test_deploy import (
    CERTGEN,
    DEPLOY,
    OWN,
    PRIMARY,
    TENANT,
    Right,
    allowed,
    rights,
)
from tests.support import command
from tests.support.kube_api import ApiServer, Identity
from tests.support.kube_client import ApiClient, Object
from tests.support.kubectl import WITHIN, Kubectl, kustomized
from xds.app.certgen.cluster import MANAGED_BY, OWN_SECRETS, TENANT_SECRET
from xds.app.demo.waiting import poll
from xds.server import CertificateTenants, TlsFiles

CA, SERVER = OWN_SECRETS.values()
AT_HOME = (
    rights("secrets", "get patch", CA) | rights("secrets", "get patch", SERVER) | rights("secrets", "create")
)
EVERYWHERE = rights("namespaces", "list")
IN_A_TENANT = rights("secrets", "get patch", TENANT_SECRET) | rights("secrets", "create")
SELECTED = {"kubelb.k8c.io/tenant": "true"}


def secret(name: str, namespace: str) -> Object:
    """Return a Secret's name, as the client takes it."""
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": namespace}}


def content(thing: Object) -> dict[str, bytes]:
    """Return what a Secret holds."""
    return {key: base64.b64decode(value) for key, value in thing["data"].items()}


class Cluster:
    """An API server with both folders applied, and certgen's account."""

    def __init__(self, server: ApiServer, admin: ApiClient, directory: Path, account: Identity) -> None:
        self.server, self.admin, self.account = server, admin, account
        self._kubeconfig = server.kubeconfig(directory, account, name="certgen")

    async def certgen(self, *options: str) -> subprocess.CompletedProcess[str]:
        """Run what the Job runs, and return what it said."""
        (container,) = _job(await kustomized(self.server.programs, DEPLOY))["spec"]["template"]["spec"][
            "containers"
        ]
        environment = {entry["name"]: entry.get("value", OWN) for entry in container["env"]}
        return await asyncio.to_thread(
            command.run, *container["args"], "--kubeconfig", str(self._kubeconfig), *options, **environment
        )

    async def secrets(self) -> dict[str, Object]:
        """Return all Secrets by their namespaces and names."""
        found = await self.admin.list("v1", "Secret")
        return {
            f"{item['metadata']['namespace']}/{item['metadata']['name']}": item for item in found["items"]
        }


@pytest.fixture
async def cluster(own_api_server: ApiServer, tmp_path: Path) -> AsyncIterator[Cluster]:
    """Apply both folders, as the pages say."""
    kubectl = Kubectl(own_api_server, tmp_path)
    await kubectl.run("apply", "-k", DEPLOY)
    await kubectl.run("apply", "-k", TENANT)
    async with own_api_server.client() as admin:
        account = await own_api_server.service_account(CERTGEN, OWN)
        async with own_api_server.client(account) as client:
            await _may(client, PRIMARY, IN_A_TENANT | EVERYWHERE)
        yield Cluster(own_api_server, admin, tmp_path, account)


async def test_it_makes_the_secrets_that_the_pods_mount(cluster: Cluster, tmp_path: Path) -> None:
    """The Job writes three Secrets, which the Deployments mount; they are what the server and the tenant's Envoys take."""
    done = await cluster.certgen()
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split("  ")[:2] for line in done.stdout.splitlines()] == [
        ["wrote", f"Secret {OWN}/{CA}"],
        ["wrote", f"Secret {OWN}/{SERVER}"],
        ["wrote", f"Secret {PRIMARY}/{TENANT_SECRET}"],
    ]
    found = await cluster.secrets()
    assert found.keys() == {f"{OWN}/{CA}", f"{OWN}/{SERVER}", f"{PRIMARY}/{TENANT_SECRET}"}
    server, envoy = content(found[f"{OWN}/{SERVER}"]), content(found[f"{PRIMARY}/{TENANT_SECRET}"])
    for name, data in server.items():
        (tmp_path / name).write_bytes(data)
    TlsFiles(certificate=tmp_path / "tls.crt", key=tmp_path / "tls.key", client_ca=tmp_path / "ca.crt")
    leaf = x509.load_pem_x509_certificate(server["tls.crt"])
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert f"{OWN}.{OWN}.svc" in names.get_values_for_type(x509.DNSName)
    assert envoy["ca.crt"] == server["ca.crt"]
    deployment = next(
        t for t in await kustomized(cluster.server.programs, DEPLOY) if t["kind"] == "Deployment"
    )
    pod = deployment["spec"]["template"]["spec"]
    environment = {entry["name"]: entry.get("value", "") for entry in pod["containers"][0]["env"]}
    named = CertificateTenants(environment["KUBELB_XDS_TRUST_DOMAIN"]).tenants(
        x509.load_pem_x509_certificate(envoy["tls.crt"])
    )
    assert named == {PRIMARY}
    assert SERVER in {volume.get("secret", {}).get("secretName") for volume in pod["volumes"]}
    assert "KUBELB_XDS_INSECURE_PLAINTEXT" not in environment


async def test_a_second_run_writes_what_is_due_and_nothing_else(cluster: Cluster) -> None:
    """What is good keeps its resourceVersion; a tenant's Secret that is gone or broken is made anew, and no other."""
    await cluster.certgen()
    before = await cluster.secrets()
    done = await cluster.certgen()
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["kept"] * 3
    assert await cluster.secrets() == before

    own = f"{PRIMARY}/{TENANT_SECRET}"
    await cluster.admin.patch(secret(TENANT_SECRET, PRIMARY), {"data": {"tls.key": ""}})
    assert [line.split()[0] for line in (await cluster.certgen()).stdout.splitlines()] == [
        "kept",
        "kept",
        "wrote",
    ]
    await cluster.admin.delete(secret(TENANT_SECRET, PRIMARY))
    assert [line.split()[0] for line in (await cluster.certgen()).stdout.splitlines()] == [
        "kept",
        "kept",
        "wrote",
    ]
    after = await cluster.secrets()
    assert {name for name in after if after[name] != before[name]} == {own}


async def test_one_tenant_stops_no_other(cluster: Cluster) -> None:
    """A tenant that gives no rights, or whose Secret is somebody else's, is an error with the remedy; the others are served."""
    admin = cluster.admin
    strange = secret(TENANT_SECRET, PRIMARY) | {"data": {"tls.key": base64.b64encode(b"theirs").decode()}}
    await admin.create(strange)
    await admin.create(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a-tenant", "labels": SELECTED}}
    )
    done = await cluster.certgen()
    assert done.returncode == 1
    first, second = done.stderr.splitlines()
    assert first.startswith(f"kubelb-xds: Secret a-tenant/{TENANT_SECRET}: 403 Forbidden: ")
    assert first.endswith(": bind a role that allows get on it, as deploy/ and deploy/tenant/ have it")
    assert second.startswith(
        f"kubelb-xds: Secret {PRIMARY}/{TENANT_SECRET} was made by somebody else, and is left alone"
    )
    found = await cluster.secrets()
    assert content(found[f"{PRIMARY}/{TENANT_SECRET}"]) == {"tls.key": b"theirs"}
    assert found[f"{OWN}/{SERVER}"]["metadata"]["labels"] == MANAGED_BY


async def test_the_rights_are_exactly_those(cluster: Cluster) -> None:
    """Certgen may do this at home, this in a tenant's namespace that has the role, and nothing but listing namespaces elsewhere."""
    elsewhere = await cluster.server.namespace()
    async with cluster.server.client(cluster.account) as client:
        await _may(client, OWN, AT_HOME | EVERYWHERE)
        await _may(client, PRIMARY, IN_A_TENANT | EVERYWHERE)
        await _may(client, elsewhere, EVERYWHERE)


async def test_the_jobs_pods_are_accepted(cluster: Cluster) -> None:
    """The pods of Job and CronJob are the same, and the API server takes them under the namespace's policy, which is restricted."""
    things = await kustomized(cluster.server.programs, DEPLOY)
    cron = next(thing for thing in things if thing["kind"] == "CronJob")
    template = _job(things)["spec"]["template"]
    assert cron["spec"]["jobTemplate"]["spec"]["template"] == template
    pod = {"apiVersion": "v1", "kind": "Pod", **template}
    pod["metadata"] = {**template["metadata"], "name": "one", "namespace": OWN}
    await cluster.admin.request("POST", f"/api/v1/namespaces/{OWN}/pods", pod, params={"dryRun": "All"})


async def test_cert_manager_takes_its_place(kube_programs: Path, tmp_path: Path) -> None:
    """With the component nothing of certgen is left, and its Certificates make the Secrets that the pods mount, with the same names in them."""
    text = (DEPLOY / "cert-manager" / "kustomization.yaml").read_text(encoding="utf-8")
    shown = "".join(
        f"{line.removeprefix('#').strip()}\n" for line in text.splitlines() if "../deploy" in line
    )
    copy = tmp_path / "copy"
    await asyncio.to_thread(_copy, DEPLOY, copy / "deploy")
    (copy / "overlay").mkdir()
    (copy / "overlay" / "kustomization.yaml").write_text(shown, encoding="utf-8")
    things = await kustomized(kube_programs, copy / "overlay")
    assert "certgen" not in yaml.safe_dump(
        [thing for thing in things if thing["kind"] != "CustomResourceDefinition"]
    )
    certificates = {
        thing["metadata"]["name"]: thing["spec"] for thing in things if thing["kind"] == "Certificate"
    }
    assert certificates[SERVER]["secretName"] == SERVER
    assert f"{OWN}.{OWN}.svc" in certificates[SERVER]["dnsNames"]
    tenant = yaml.safe_load((DEPLOY / "cert-manager" / "tenant.yaml").read_text(encoding="utf-8"))
    assert (tenant["metadata"]["namespace"], tenant["spec"]["secretName"]) == (PRIMARY, TENANT_SECRET)
    assert tenant["spec"]["uris"] == [f"spiffe://cluster.local/ns/{PRIMARY}/envoy"]


def _copy(source: Path, target: Path) -> None:
    for file in source.rglob("*.yaml"):
        copied = target / file.relative_to(source)
        copied.parent.mkdir(parents=True, exist_ok=True)
        copied.write_bytes(file.read_bytes())


def _job(things: list[Object]) -> Object:
    return next(thing for thing in things if thing["kind"] == "Job")


async def _may(client: ApiClient, namespace: str, wanted: set[Right]) -> None:
    await poll(
        lambda: allowed(client, namespace),
        lambda found: found == wanted,
        within=WITHIN,
        what=f"the rights in {namespace}",
    )
