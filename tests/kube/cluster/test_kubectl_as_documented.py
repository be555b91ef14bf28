"""What docs/kubernetes.md shows of kubectl is what it prints, but for ages, addresses and identifiers."""

import re
import shlex
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from tests.support.kube_api import ApiServer
from tests.support.kube_client import ApiClient, Object
from tests.support.kubectl import Kubectl
from tests.support.replicas import replica
from tests.support.scripted_envoy import scripted_envoy
from xds.app.demo.certificates import Authority
from xds.app.demo.waiting import poll

ROOT: Final = Path(__file__).parents[3]
PAGE: Final = ROOT / "docs/kubernetes.md"
SECTION: Final = "## What an operator sees\n"
HOME, TENANT = "kubelb-xds", "tenant-primary"
REPLICA: Final = "kubelb-xds-6d4f8b7c9-x7k2p"
GROUP: Final = "kubelb.k8c.io/v1alpha1"
WITHIN: Final = 30.0

VOLATILE: Final = (
    (r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "TIME"),
    (r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "UID"),
    (r"(Resource Version: +)\d+", r"\1N"),
    (rf"({REPLICA})-[0-9a-f]{{8}}", r"\1-SUFFIX"),
    (r"\b10\.0\.0\.\d+", "CLUSTER-IP"),
    (r":3\d{4}/", ":NODE-PORT/"),
    (r'("nodePort":|Node Port: +)3\d{4}', r"\1NODE-PORT"),
    (r"\b(\d+m)?\d+s\b", "AGE"),
    (r" {2,}", "  "),
)
"""What is another one each time, and what stands in its place here."""


class Shown(NamedTuple):
    """One command, and what it prints."""

    command: str
    output: str


def shown() -> list[Shown]:
    """Return the commands of the section, in order."""
    section = PAGE.read_text(encoding="utf-8").partition(SECTION)[2].partition("\n## ")[0]
    blocks = re.findall(r"```console\n(.*?)```", section, flags=re.DOTALL)
    commands = [part for block in blocks for part in re.split(r"^\$ ", block, flags=re.MULTILINE) if part]
    return [Shown(*(part.partition("\n")[::2])) for part in commands]


def lasting(text: str) -> list[str]:
    """Return the lines of what kubectl prints without what is another one each time, and without what only aligns columns."""
    for pattern, word in VOLATILE:
        text = re.sub(pattern, word, text)
    return [line.rstrip() for line in text.rstrip().splitlines()]


async def settled(admin: ApiClient) -> None:
    """Wait until everything is written."""

    async def state() -> tuple[dict[str, dict[str, str]], int]:
        listed = await admin.list(GROUP, "LoadBalancer", TENANT)
        events = await admin.list("v1", "Event", TENANT)
        return {
            item["metadata"]["name"]: {
                each["type"]: each["status"] for each in item.get("status", {}).get("conditions", ())
            }
            | {
                "address": item.get("status", {})
                .get("loadBalancer", {})
                .get("ingress", [{}])[0]
                .get("ip", "")
            }
            for item in listed["items"]
        }, len(events["items"])

    good = {"Accepted": "True", "ResolvedRefs": "True", "Programmed": "True"}
    await poll(
        state,
        lambda found: (
            found
            == (
                {
                    "api": good | {"ResolvedRefs": "False", "address": ""},
                    "web": good | {"address": "203.0.113.10"},
                },
                1,
            )
        ),
        within=WITHIN,
        what="everything written",
    )


async def test_kubectl_prints_what_the_page_shows(own_api_server: ApiServer, tmp_path: Path) -> None:
    """Each command of the section prints what stands there: the same columns, words and order."""
    kubectl = Kubectl(own_api_server, tmp_path)
    await kubectl.run("apply", "-k", ROOT / "deploy")
    kubeconfig = own_api_server.kubeconfig(tmp_path)
    async with own_api_server.client() as admin:
        for thing in (_namespace(), _secret(), _loadbalancer("api"), _loadbalancer("web")):
            await admin.create(thing)
        async with (
            replica(REPLICA, kubeconfig, tenant=TENANT, home=HOME) as one,
            scripted_envoy(one.port, TENANT),
        ):
            service = {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": "envoy-web", "namespace": TENANT},
            }
            await poll(partial(_exists, admin, "Service"), bool, within=WITHIN, what="the Service")
            address = {"status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.10"}]}}}
            await admin.patch(service, address, subresource="status")
            await settled(admin)
            assert len(shown()) > 5
            for command, output in shown():
                program, *arguments = shlex.split(command)
                assert program == "kubectl"
                printed = await kubectl.run(*arguments)
                assert lasting(printed) == lasting(output), f"{command}\n{printed}"


async def _exists(admin: ApiClient, kind: str) -> bool:
    return bool((await admin.list("v1", kind, TENANT))["items"])


def _namespace() -> Object:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": TENANT}}


def _secret() -> Object:
    metadata = {"name": "web-ca", "namespace": TENANT}
    data = {"ca.crt": Authority("ca").pem.decode()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data}


def _loadbalancer(name: str) -> Object:
    return {
        "apiVersion": GROUP,
        "kind": "LoadBalancer",
        "metadata": {
            "name": name,
            "namespace": TENANT,
            "labels": {"kubelb.k8c.io/origin-name": name, "kubelb.k8c.io/origin-ns": "shop"},
        },
        "spec": {
            "type": "LoadBalancer" if name == "web" else "ClusterIP",
            "endpoints": [
                {"addresses": [{"ip": "192.0.2.1"}], "ports": [{"name": "https", "port": 30443}]},
            ],
            "ports": [{"name": "https", "port": 443}],
            "upstreamTLS": {"policy": "Verify", "caSecretRef": {"name": f"{name}-ca"}},
        },
    }
