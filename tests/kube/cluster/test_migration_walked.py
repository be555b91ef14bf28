"""docs/migration.md as an operator walks it, on a real API server: a trial that writes nothing, the take-over, and the way back.

KubeLB's part is played by objects as its manager makes them. No pod runs here: the program runs in this process, as the
ServiceAccount that the page's folders make, and the test is its Envoys.
"""

import asyncio
import os
import re
import shutil
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
import yaml

from kube.controllers.services import envoy_pods
from tests.kube.controllers.exposing import look
from tests.support.kube_api import CRDS, ApiServer
from tests.support.kube_client import ApiClient, Object
from tests.support.kubectl import Kubectl
from tests.support.replicas import replica
from tests.support.scripted_envoy import ScriptedEnvoy, scripted_envoy
from xds.app.demo.certificates import Authority
from xds.app.demo.waiting import poll
from xds.messages import Listener
from xds.snapshot.types import LISTENER

ROOT: Final = Path(__file__).parents[3]
PAGE: Final = ROOT / "docs/migration.md"
TENANT, HOME = "tenant-primary", "kubelb-xds"
GROUP: Final = "kubelb.k8c.io/v1alpha1"
WITHIN: Final = 30.0

WEB: Final = "0f9d1f3e-6f0b-4a3e-9d0c-2f6a5c1b7e11"
MAIL: Final = "5b1c7a90-1f52-4c58-8d0e-9a7f3c2d4e22"
INSIDE: Final = "c7e2a4d8-3b6f-4f19-a5d1-0e8b6c9f5a33"
"""LoadBalancers are named after the UIDs of the tenant's Services. This one is of type ClusterIP."""
RECORDED: Final = {WEB: 31443, MAIL: 19500, INSIDE: 31080}
"""The listener ports that KubeLB allocated at random: the second is one of Envoy's own here."""
KINDS: Final = ((GROUP, "LoadBalancer"), ("v1", "Service"), ("v1", "ConfigMap"), ("v1", "Event"))


def _block(number: int) -> str:
    """Return one of the page's kustomizations."""
    blocks: list[str] = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    return blocks[number]


def _command(words: str) -> str:
    """Return the one command of the page that has these words; it may go on for several lines."""
    commands = re.findall(r"^ *\$ ((?:.*\\\n)*.*)", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    (found,) = [command for command in commands if words in command]
    return str(found)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with deploy/ and the page's own folders beside it."""
    shutil.copytree(ROOT / "deploy", tmp_path / "deploy")
    for number, name in enumerate(("trial", "envoys", "share")):
        tmp_path.joinpath(name).mkdir()
        tmp_path.joinpath(name, "kustomization.yaml").write_text(_block(number), encoding="utf-8")
    return tmp_path


# KubeLB


def _kubelbs_crd() -> Object:
    """Return a CRD of KubeLB's: of ours it has the names, and not what we add."""
    document: Object = yaml.safe_load(
        CRDS.joinpath("kubelb.k8c.io_loadbalancers.yaml").read_text(encoding="utf-8")
    )
    (version,) = document["spec"]["versions"]
    version["schema"] = {
        "openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
    }
    version["additionalPrinterColumns"] = [
        column for column in version["additionalPrinterColumns"] if column["name"].startswith("Origin")
    ]
    return document


def _named(api_version: str, kind: str, name: str, **metadata: Any) -> Object:
    return {
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {"name": name, "namespace": TENANT, **metadata},
    }


def _loadbalancer(name: str, origin: str, kind: str = "LoadBalancer") -> Object:
    """Return a LoadBalancer as a tenant's cloud controller makes it."""
    return _named(
        GROUP,
        "LoadBalancer",
        name,
        labels={
            "kubelb.k8c.io/origin-name": origin,
            "kubelb.k8c.io/origin-ns": "shop",
            "kubelb.k8c.io/tenant": TENANT,
        },
        annotations={"metallb.io/address-pool": "public"},
        finalizers=["kubelb.k8c.io/cleanup"],
    ) | {
        "spec": {
            "type": kind,
            "ports": [{"name": "443-tcp", "port": 443, "protocol": "TCP"}],
            "endpoints": [
                {
                    "addressesReference": {"name": "default"},
                    "ports": [{"name": "443-tcp", "port": 30443, "protocol": "TCP"}],
                }
            ],
            "upstreamTLS": {"policy": "Verify", "caSecretRef": {"name": "backend-ca"}},
        }
    }


async def kubelb_runs(admin: ApiClient) -> None:
    """Make what there is where KubeLB runs: its CRD, its manager, a tenant with LoadBalancers, their Services and statuses."""
    await admin.replace(await _of_now(admin, _kubelbs_crd()))
    for name in ("kubelb", TENANT):
        await admin.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    await admin.create(_manager())
    await admin.create(_named(GROUP, "Addresses", "default") | {"spec": {"addresses": [{"ip": "192.0.2.9"}]}})
    pem = Authority("ca").pem.decode()
    await admin.create(_named("v1", "Secret", "backend-ca") | {"stringData": {"ca.crt": pem}})
    for name, origin, kind in (
        (WEB, "web", "LoadBalancer"),
        (MAIL, "mail", "LoadBalancer"),
        (INSIDE, "inside", "ClusterIP"),
    ):
        lb = await admin.create(_loadbalancer(name, origin, kind))
        await kubelb_makes_service(admin, lb)


async def kubelb_makes_service(admin: ApiClient, lb: Object) -> None:
    """Make a LoadBalancer's Service as KubeLB does, let the cloud give it an address, and record both."""
    name, kind = lb["metadata"]["name"], lb["spec"]["type"]
    service = await admin.create(
        _named(
            "v1",
            "Service",
            f"envoy-{name}",
            labels={
                "app.kubernetes.io/name": TENANT,
                "kubelb.k8c.io/managed-by": "kubelb",
                "kubelb.k8c.io/lb-name": name,
                "kubelb.k8c.io/lb-namespace": TENANT,
            },
        )
        | {
            "spec": {
                "type": kind,
                "selector": {"app.kubernetes.io/name": TENANT},
                "ports": [{"name": "443-tcp", "port": 443, "protocol": "TCP", "targetPort": RECORDED[name]}],
            }
        }
    )
    address = {"ingress": [{"ip": "203.0.113.7", "ipMode": "VIP"}]} if kind == "LoadBalancer" else {}
    if address:
        await admin.patch(service, {"status": {"loadBalancer": address}}, subresource="status")
    ports = [{**port, "upstreamTargetPort": 30443} for port in service["spec"]["ports"]]
    status = {"loadBalancer": address, "service": {"ports": ports}}
    await admin.patch(lb, {"status": status}, subresource="status")


def _manager() -> Object:
    labels = {"app": "kubelb-manager"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "kubelb-manager", "namespace": "kubelb"},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "manager", "image": "kubelb"}]},
            },
        },
    }


async def _of_now(admin: ApiClient, thing: Object) -> Object:
    version = (await admin.get(thing))["metadata"]["resourceVersion"]
    return {**thing, "metadata": {**thing["metadata"], "resourceVersion": version}}


# What is seen


async def _versions(admin: ApiClient) -> Mapping[tuple[str, str], str]:
    """Return the resourceVersion of everything in the tenant's namespace that a program might write, and of every lease."""
    found = {}
    for api_version, kind in KINDS:
        for item in (await admin.list(api_version, kind, TENANT))["items"]:
            found[kind, item["metadata"]["name"]] = item["metadata"]["resourceVersion"]
    for item in (await admin.list("coordination.k8s.io/v1", "Lease", HOME))["items"]:
        found["Lease", item["metadata"]["name"]] = item["metadata"]["resourceVersion"]
    return found


async def _listening(envoy: ScriptedEnvoy, *names: str) -> dict[str, int]:
    """Wait until an Envoy has listeners for LoadBalancers, and return their ports."""
    resources = {f"{TENANT}-{name}-ep-0-port-30443-TCP": name for name in names}
    await envoy.took(LISTENER, resources)
    ports = {}
    for response in envoy.answered:
        for each in response.resources if response.type_url == LISTENER else ():
            listener = Listener.FromString(each.resource.value)
            ports[resources[each.name]] = listener.address.socket_address.port_value
    return ports


async def _stands(admin: ApiClient, thing: Object, holds: Callable[[Object], object], what: str) -> Object:
    found = await poll(
        partial(look, admin, thing),
        lambda it: it is not None and bool(holds(it)),
        within=WITHIN,
        what=f"{thing['metadata']['name']}: {what}",
    )
    assert found is not None
    return found


def _is_programmed(lb: Object) -> bool:
    conditions = lb["status"].get("conditions", ())
    return any((each["type"], each["status"]) == ("Programmed", "True") for each in conditions)


async def _said_since(admin: ApiClient, version: str) -> list[Object]:
    """Return every version of every LoadBalancer after a resourceVersion."""
    async with admin.watch(
        GROUP, "LoadBalancer", TENANT, resourceVersion=version, timeoutSeconds="1"
    ) as events:
        return [event["object"] async for event in events]


def _service(name: str) -> Object:
    return _named("v1", "Service", f"envoy-{name}")


def _lb(name: str) -> Object:
    return _named(GROUP, "LoadBalancer", name)


class Walk(NamedTuple):
    """Who walks: ``folder`` is where the page's folders are, ``program`` the kubeconfig of the program's ServiceAccount."""

    server: ApiServer
    admin: ApiClient
    kubectl: Kubectl
    folder: Path
    program: Path
    services: Mapping[str, Object]

    async def shell(self, words: str) -> str:
        """Run the page's command that has these words, as it stands there."""
        path = f"{self.server.programs}:{os.environ['PATH']}"
        config = str(self.server.kubeconfig(self.folder, name="admin-of-the-shell"))
        process = await asyncio.create_subprocess_shell(
            _command(words),
            env={**os.environ, "PATH": path, "KUBECONFIG": config},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(WITHIN):
            stdout, stderr = await process.communicate()
        assert (process.returncode, stderr) == (0, b"")
        return stdout.decode()


async def test_the_whole_way(own_api_server: ApiServer, folder: Path, tmp_path: Path) -> None:
    """The trial serves on KubeLB's ports and writes nothing; the take-over keeps addresses and ports, and KubeLB can have them back."""
    kubectl = Kubectl(own_api_server, tmp_path)
    async with own_api_server.client() as admin:
        await kubelb_runs(admin)
        await kubectl.run("apply", "-k", folder / "trial")
        account = await own_api_server.service_account(HOME, HOME)
        program = own_api_server.kubeconfig(tmp_path, account, name="program")
        services = {name: await admin.get(_service(name)) for name in RECORDED}
        walk = Walk(own_api_server, admin, kubectl, folder, program, services)
        await _try_it(walk)
        await _look_what_will_change(walk)
        ports = await _let_it_write(walk)
        await _go_back(walk, ports)


async def _try_it(walk: Walk) -> None:
    """Walk steps 2 and 3: read-only, with Envoys beside KubeLB's."""
    before = await _versions(walk.admin)
    reading = replica("trial", walk.program, tenant=TENANT, home=HOME, read_only=True)
    async with reading as one, scripted_envoy(one.port, TENANT) as envoy:
        assert await _listening(envoy, WEB, INSIDE) == {WEB: RECORDED[WEB], INSIDE: RECORDED[INSIDE]}
    assert await _versions(walk.admin) == before
    await walk.kubectl.run("apply", "-k", walk.folder / "envoys")
    await walk.kubectl.run("apply", "-k", walk.folder / "share")
    shared = await _pods(walk.admin, "kubelb-envoy-share")
    assert walk.services[WEB]["spec"]["selector"].items() <= shared.items()
    assert envoy_pods(TENANT).items() <= (await _pods(walk.admin, "kubelb-envoy")).items()
    await walk.kubectl.run("delete", "-k", walk.folder / "share")
    assert await look(walk.admin, _lb(WEB)) is not None  # the namespace is still there


async def _look_what_will_change(walk: Walk) -> None:
    """Ask what will change, as item 2 of step 4 says."""
    assert await walk.shell("ports[*].targetPort") == f"{TENANT}/{MAIL} {RECORDED[MAIL]}\n"
    assert (await walk.shell("cleanup-hostname")).startswith(f"{TENANT}/{INSIDE} ClusterIP ")


async def _let_it_write(walk: Walk) -> Mapping[str, int]:
    """Walk the rest of step 4: KubeLB's manager ends, and the program writes. Returns the listener ports."""
    admin = walk.admin
    await walk.kubectl.run("-n", "kubelb", "scale", "deployment/kubelb-manager", "--replicas=0")
    await walk.kubectl.run("apply", "-k", walk.folder / "deploy")
    assert "KUBELB_XDS_READ_ONLY" not in await _env(admin)
    columns = partial(walk.kubectl.run, "get", "lb", "-A")
    await poll(columns, lambda shown: "PROGRAMMED" in shown, within=WITHIN, what="our CRD in KubeLB's place")
    version = await admin.resource_version(GROUP, "LoadBalancer", TENANT)
    async with replica("one", walk.program, tenant=TENANT, home=HOME) as one:
        await _stands(admin, _lb(MAIL), lambda it: _port(it) != RECORDED[MAIL], "another port")
        # Without Envoys of ours, KubeLB's Services stay before KubeLB's.
        for name in RECORDED:
            assert await admin.get(_service(name)) == walk.services[name]
        async with scripted_envoy(one.port, TENANT) as envoy:
            ports = await _listening(envoy, WEB, MAIL, INSIDE)
            assert (ports[WEB], ports[INSIDE]) == (RECORDED[WEB], RECORDED[INSIDE])
            for name in RECORDED:
                await _stands(admin, _lb(name), _is_programmed, "Programmed")
            for name in (WEB, MAIL):
                was, taken = (
                    walk.services[name],
                    await _stands(admin, _service(name), _leads_to_us, "taken over"),
                )
                assert taken["metadata"]["uid"] == was["metadata"]["uid"]
                assert taken["spec"]["clusterIP"] == was["spec"]["clusterIP"]
                assert taken["status"] == was["status"]
                assert taken["spec"]["ports"] == [was["spec"]["ports"][0] | {"targetPort": ports[name]}]
                assert (await admin.get(_lb(name)))["status"]["loadBalancer"] == was["status"]["loadBalancer"]
            assert await admin.get(_service(INSIDE)) == walk.services[INSIDE]
    said = await _said_since(admin, version)
    assert len(said) > len(RECORDED)
    for lb in said:  # not for a moment did a tenant lose its address
        if lb["spec"]["type"] == "LoadBalancer":
            assert lb["status"]["loadBalancer"]["ingress"][0]["ip"] == "203.0.113.7"
    return ports


async def _go_back(walk: Walk, ports: Mapping[str, int]) -> None:
    """Go back from writing: KubeLB finds the ports, and nothing of a tenant goes with us."""
    await walk.kubectl.run("-n", HOME, "scale", "deployment/kubelb-xds", "--replicas=0")
    for name, port in ports.items():
        (entry,) = (await walk.admin.get(_lb(name)))["status"]["service"]["ports"]
        assert (entry["name"], entry["targetPort"], entry["upstreamTargetPort"]) == ("443-tcp", port, 30443)
    ledger = _named("v1", "ConfigMap", "kubelb-xds-ports")
    assert await look(walk.admin, ledger) is not None
    await walk.shell("kubectl delete configmap -A")
    assert await look(walk.admin, ledger) is None
    await walk.kubectl.run("delete", "-k", walk.folder / "envoys")
    await walk.kubectl.run("delete", "--wait=false", "-k", walk.folder / "trial")
    assert len((await walk.admin.list(GROUP, "LoadBalancer", TENANT))["items"]) == len(RECORDED)
    for name in RECORDED:
        assert await look(walk.admin, _service(name)) is not None


def _port(lb: Object) -> int:
    (port,) = lb["status"]["service"]["ports"]
    return int(port["targetPort"])


def _leads_to_us(service: Object) -> bool:
    return bool(service["spec"]["selector"] == dict(envoy_pods(TENANT)))


async def _pods(admin: ApiClient, deployment: str) -> Mapping[str, str]:
    thing = await admin.get(_named("apps/v1", "Deployment", deployment))
    labels: Mapping[str, str] = thing["spec"]["template"]["metadata"]["labels"]
    return labels


async def _env(admin: ApiClient) -> set[str]:
    """Return the variables of the program's container."""
    thing = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": HOME, "namespace": HOME}}
    (container,) = (await admin.get(thing))["spec"]["template"]["spec"]["containers"]
    return {each["name"] for each in container["env"]}
