"""What deploy/ holds: the real kubectl and API server take all of it, and the program's role allows what it uses and nothing else.

That the program needs all of it, `test_least_privilege` shows.
"""

import shlex
import shutil
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import pytest
import yaml

from kube.controllers.services import envoy_pods
from tests.support import command
from tests.support.kube_api import ApiServer
from tests.support.kube_client import ApiClient, Object, RefusedError
from tests.support.kubectl import WITHIN, Kubectl, kustomized, only
from xds.admin.ops import PATHS
from xds.app.address import HostPort
from xds.app.bootstrap import Bootstrap, ClientTls
from xds.app.certgen.cluster import TENANT_SECRET
from xds.app.demo.waiting import poll

DEPLOY = Path(__file__).parents[3] / "deploy"
TENANT = DEPLOY / "tenant"
MIGRATION = DEPLOY.parent / "docs/migration.md"
OWN = "kubelb-xds"
"""Namespace and ServiceAccount of the program."""
CERTGEN = "kubelb-xds-certgen"
"""What makes the certificates, with an account of its own."""
PRIMARY = "tenant-primary"
LEDGER = "kubelb-xds-ports"


class Right(NamedTuple):
    """One verb on one resource; ``name`` is empty when it holds for all names."""

    resource: str
    verb: str
    name: str = ""


def rights(resource: str, verbs: str, name: str = "") -> set[Right]:
    """Return the rights to do several things with one resource."""
    return {Right(resource, verb, name) for verb in verbs.split()}


IN_A_TENANT = (
    rights("loadbalancers", "get list watch patch")
    | rights("loadbalancers/status", "patch")
    | rights("loadbalancers/finalizers", "update")
    | rights("addresses", "list watch")
    | rights("secrets", "list watch")
    | rights("configmaps", "get patch", LEDGER)
    | rights("configmaps", "create")
    | rights("services", "get list watch create patch delete")
    | rights("events", "get create patch")
)
AT_HOME = (
    IN_A_TENANT
    | rights("leases", "get patch", "kubelb-xds")
    | rights("leases", "create")
    | rights("configmaps", "list watch patch delete")
)


async def test_every_object_is_accepted(own_api_server: ApiServer, tmp_path: Path) -> None:
    """The API server accepts every object of both folders, and the pods under the namespaces' own policy, which is restricted."""
    kubectl = Kubectl(own_api_server, tmp_path)
    async with own_api_server.client() as admin:
        for folder, namespace in ((DEPLOY, OWN), (TENANT, PRIMARY)):
            things = await kustomized(own_api_server.programs, folder)
            await admin.apply(only(things, "Namespace"))
            said = await kubectl.run("apply", "-k", folder, "--dry-run=server")
            lines = [line for line in said.splitlines() if line.endswith("(server dry run)")]
            assert len(lines) == len(things), said
            assert {thing["metadata"].get("namespace", namespace) for thing in things} == {namespace}
            template = only(things, "Deployment")["spec"]["template"]
            account = template["spec"].get("serviceAccountName", "default")
            await admin.apply(
                {
                    "apiVersion": "v1",
                    "kind": "ServiceAccount",
                    "metadata": {"name": account, "namespace": namespace},
                }
            )
            pod = {"apiVersion": "v1", "kind": "Pod", **template}
            pod["metadata"] = {**template["metadata"], "name": "one", "namespace": namespace}
            await admin.request("POST", f"/api/v1/namespaces/{namespace}/pods", pod, params={"dryRun": "All"})


async def test_the_role_is_exactly_what_is_used(own_api_server: ApiServer, tmp_path: Path) -> None:
    """After one ``kubectl apply -k`` the ServiceAccount may do this in a tenant's namespace, this in its own, and nothing else."""
    await Kubectl(own_api_server, tmp_path).run("apply", "-k", DEPLOY)
    tenant = await own_api_server.namespace()
    async with own_api_server.client(await own_api_server.service_account(OWN, OWN)) as program:
        await poll(
            lambda: allowed(program, tenant),
            lambda found: found == IN_A_TENANT,
            within=WITHIN,
            what="the rights in a tenant's namespace",
        )
        await poll(
            lambda: allowed(program, OWN),
            lambda found: found == AT_HOME,
            within=WITHIN,
            what="the rights in its own namespace",
        )
        for method, path in (
            ("GET", f"/api/v1/namespaces/{tenant}/configmaps/other"),
            ("GET", f"/api/v1/namespaces/{tenant}/configmaps"),
            ("PATCH", f"/api/v1/namespaces/{tenant}/configmaps/other"),
            ("DELETE", f"/api/v1/namespaces/{tenant}/configmaps/{LEDGER}"),
            ("GET", f"/api/v1/namespaces/{tenant}/secrets/ca"),
            ("POST", f"/api/v1/namespaces/{tenant}/secrets"),
            ("PATCH", f"/api/v1/namespaces/{tenant}/secrets/ca"),
            ("DELETE", f"/apis/kubelb.k8c.io/v1alpha1/namespaces/{tenant}/loadbalancers/web"),
            ("POST", f"/apis/coordination.k8s.io/v1/namespaces/{tenant}/leases"),
            ("PATCH", f"/apis/coordination.k8s.io/v1/namespaces/{OWN}/leases/other"),
            ("GET", "/api/v1/namespaces"),
        ):
            body: Object | None = None if method in {"GET", "DELETE"} else {}
            with pytest.raises(RefusedError) as refused:
                await program.request(method, path, body, content_type=content_type(method))
            assert refused.value.status == 403, (method, path, refused.value.body)
        ledger = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": LEDGER, "namespace": tenant}}
        await program.create(ledger)
        await program.patch(ledger, {"data": {"ports.json": "{}"}})
        assert (await program.get(ledger))["data"] == {"ports.json": "{}"}


async def test_the_tenant_fits_the_program(kube_programs: Path) -> None:
    """The example's bootstrap is what its first line prints, names the Service, and the pods are those that Services for Envoy select."""
    base, tenant = await kustomized(kube_programs, DEPLOY), await kustomized(kube_programs, TENANT)
    bootstrap = only(tenant, "ConfigMap")["data"]["envoy.yaml"]
    services = [thing for thing in base if thing["kind"] == "Service"]
    service = next(thing["metadata"] for thing in services if thing["metadata"]["name"] == OWN)
    address = HostPort(f"{service['name']}.{service['namespace']}.svc", 18000)
    tls = ClientTls(tls_dir=PurePosixPath("/etc/envoy-tls"), config_dir=PurePosixPath("/etc/envoy"))
    printed = Bootstrap(tenant=PRIMARY, xds_address=address, node_id=f"{PRIMARY}-envoy", tls=tls)
    assert only(tenant, "ConfigMap")["data"] == printed.files()
    pods = only(tenant, "Deployment")["spec"]["template"]
    assert envoy_pods(PRIMARY).items() <= pods["metadata"]["labels"].items()
    volumes = {volume["name"]: volume for volume in pods["spec"]["volumes"]}
    assert volumes["tls"]["secret"]["secretName"] == TENANT_SECRET
    mounts = {mount["name"]: mount["mountPath"] for mount in pods["spec"]["containers"][0]["volumeMounts"]}
    assert mounts == {"bootstrap": "/etc/envoy", "tls": "/etc/envoy-tls"}
    assert volumes["bootstrap"]["configMap"]["name"] == only(tenant, "ConfigMap")["metadata"]["name"]
    probe = pods["spec"]["containers"][0]["readinessProbe"]["exec"]["command"]
    admin = yaml.safe_load(bootstrap)["admin"]["address"]["socket_address"]
    assert f"/dev/tcp/{admin['address']}/{admin['port_value']}" in shlex.split(probe[-1])[1]


@pytest.mark.parametrize("folder", [DEPLOY, TENANT], ids=["base", "tenant"])
async def test_pods_outlive_a_node_and_can_write_nothing(kube_programs: Path, folder: Path) -> None:
    """There are two, on different nodes, one always stays; each is probed, has its resources, no root, and a file system to read."""
    things = await kustomized(kube_programs, folder)
    spec = only(things, "Deployment")["spec"]
    pod, labels = spec["template"]["spec"], spec["template"]["metadata"]["labels"]
    assert spec["replicas"] == 2
    assert spec["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    budget = only(things, "PodDisruptionBudget")["spec"]
    assert (budget["minAvailable"], budget["unhealthyPodEvictionPolicy"]) == (1, "AlwaysAllow")
    assert budget["selector"]["matchLabels"].items() <= labels.items()
    spread = {each["topologyKey"]: each["labelSelector"] for each in pod["topologySpreadConstraints"]}
    assert spread["kubernetes.io/hostname"]["matchLabels"].items() <= labels.items()
    assert pod["securityContext"]["runAsNonRoot"]
    (container,) = pod["containers"]
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert container["readinessProbe"]
    assert container["resources"]["requests"].keys() == {"cpu", "memory"}
    assert "memory" in container["resources"]["limits"]


async def test_probes_and_services_meet_the_program(kube_programs: Path) -> None:
    """Probes ask for pages that there are, on a port that the pod has; both Services select the pods, and lead to ports of theirs."""
    things = await kustomized(kube_programs, DEPLOY)
    template = only(things, "Deployment")["spec"]["template"]
    (container,) = template["spec"]["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    env = {entry["name"]: entry.get("value") for entry in container["env"]}
    assert env["KUBELB_XDS_ADDRESS"] == f"[::]:{ports['xds']}"
    assert env["KUBELB_XDS_OPS_ADDRESS"] == f"[::]:{ports['ops']}"
    for probe, page in (("readinessProbe", "/readyz"), ("livenessProbe", "/healthz")):
        assert container[probe]["httpGet"] == {"path": page, "port": "ops"}
        assert page in PATHS
    services = [thing["spec"] for thing in things if thing["kind"] == "Service"]
    assert {port["targetPort"] for service in services for port in service["ports"]} == ports.keys()
    for service in services:
        assert service["selector"].items() <= template["metadata"]["labels"].items()


async def test_the_trial_of_the_migration_can_write_nothing(kube_programs: Path, tmp_path: Path) -> None:
    """The overlay in docs/migration.md leaves out the CRDs, starts the program read-only, and lets it list and watch only."""
    text = MIGRATION.read_text(encoding="utf-8")
    shutil.copytree(DEPLOY, tmp_path / "deploy")
    trial = tmp_path / "trial"
    trial.mkdir()
    overlay = text.partition("```yaml\n")[2].partition("```")[0]
    trial.joinpath("kustomization.yaml").write_text(overlay, encoding="utf-8")
    things = await kustomized(kube_programs, trial)
    own = [thing for thing in things if thing["metadata"]["name"] != CERTGEN]
    kinds = {thing["kind"] for thing in own}
    assert not kinds & {"CustomResourceDefinition", "Role", "RoleBinding"}
    assert "ClusterRoleBinding" in kinds
    verbs = {verb for rule in only(own, "ClusterRole")["rules"] for verb in rule["verbs"]}
    assert verbs == {"list", "watch"}
    (container,) = only(things, "Deployment")["spec"]["template"]["spec"]["containers"]
    env = {entry["name"]: entry.get("value") or "" for entry in container["env"]}
    assert len(env) == len(container["env"])  # no name twice
    # What the program makes of it, arguments included: what it is told there would win.
    done = command.run(*container["args"], code=command.SETTINGS, **env)
    assert f"namespaces=('{PRIMARY}',)" in done.stdout, done.stderr
    assert "read_only=True, listener_ports=None" in done.stdout


async def test_what_is_deployed_writes(kube_programs: Path) -> None:
    """Without the overlay the program writes, and takes the listener ports that it recorded."""
    (container,) = only(await kustomized(kube_programs, DEPLOY), "Deployment")["spec"]["template"]["spec"][
        "containers"
    ]
    env = {entry["name"]: entry.get("value") or "" for entry in container["env"]}
    done = command.run(*container["args"], code=command.SETTINGS, **env)
    assert "read_only=False, listener_ports=None" in done.stdout, done.stderr


async def allowed(client: ApiClient, namespace: str) -> set[Right]:
    """Return what somebody may do in a namespace, but for asking just that."""
    review: dict[str, Any] = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectRulesReview",
        "spec": {"namespace": namespace},
    }
    answer = await client.request("POST", "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", review)
    return {
        Right(resource, verb, name)
        for rule in answer["status"]["resourceRules"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
        for name in rule.get("resourceNames") or [""]
        if not resource.startswith("selfsubject")
    }


def content_type(method: str) -> str:
    """Return what the body of a request is."""
    return "application/merge-patch+json" if method == "PATCH" else "application/json"
