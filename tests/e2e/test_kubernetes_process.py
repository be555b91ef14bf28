"""The command `kubelb-xds serve --kubernetes` as a process, against a real API server, as somebody who may do what it needs and no more."""

import signal
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.e2e.sources import GROUP, RULES, ApiObjects, in_namespace
from tests.e2e.world import loadbalancer
from tests.support.command import READING, Serving, run, serving
from tests.support.fault_proxy import FaultProxy
from tests.support.kube_api import ApiServer, Identity
from tests.support.xds_client import XdsClient
from xds.app.demo.certificates import Authority
from xds.app.demo.manifests import secret
from xds.snapshot.types import CLUSTER


async def logged(server: Serving, event: str, count: int = 1) -> list[dict[str, Any]]:
    """Wait until its log has this many lines whose event begins like this, whatever it said between, and return those lines."""

    def found() -> list[dict[str, Any]]:
        return [line for line in server.lines if line["event"].startswith(event)]

    while len(found()) < count:
        await server.logged(event)
    return found()


def address(server: Serving, event: str) -> str:
    """Return the address that a line of its log names."""
    (line,) = [line for line in server.lines if line["event"] == event]
    return str(line["address"])


async def readiness(server: Serving) -> tuple[int, str]:
    """Return what its `/readyz` answers."""
    timeout = aiohttp.ClientTimeout(total=10)
    async with aiohttp.request(
        "GET", f"http://{address(server, 'serving ops')}/readyz", timeout=timeout
    ) as answer:
        return answer.status, await answer.text()


def forbidden(somebody: Identity, kind: str) -> str:
    """Return the line of readiness about a kind that somebody may not list."""
    resource = {"LoadBalancer": "loadbalancers", "Addresses": "addresses", "Secret": "secrets"}[kind]
    group = "" if kind == "Secret" else GROUP
    return (
        f'{kind}: 403 Forbidden: {resource}{group and "."}{group} is forbidden: User "{somebody.name}" cannot list'
        f' resource "{resource}" in API group "{group}" at the cluster scope: its role needs list and watch of {resource}'
        f" in apiGroup '{group}'"
    )


async def clusters(server: Serving, tenant: str) -> dict[str, bytes]:
    """Return the clusters that an Envoy of this tenant gets, by their names, as they are on the wire."""
    port = int(address(server, "serving xDS").rpartition(":")[2])
    async with XdsClient(port, delta=True, node={"id": "envoy", "cluster": tenant}) as client:
        await client.subscribe(CLUSTER)
        response = await client.receive()
        return {resource.name: resource.resource.value for resource in response.resources}


async def test_it_serves_with_list_and_watch_alone(in_cluster: ApiObjects) -> None:
    """With list and watch of three kinds it gets ready and serves a LoadBalancer and its Secret; SIGTERM ends it with 0."""
    tenant, pem = in_cluster.tenant, Authority("ca").pem
    web = loadbalancer("web", 20001, 30443, policy="Verify", ca="backend-ca")
    await in_cluster.put("web", in_namespace(web, tenant), secret(tenant, "backend-ca", pem))
    async with serving([*READING, "--kubeconfig", str(in_cluster.settings["kubeconfig"])]) as server:
        await logged(server, "synced")
        await logged(server, "serving ops")
        assert await readiness(server) == (200, "ready\n")
        ((name, cluster),) = (await clusters(server, tenant)).items()
        assert name == f"{tenant}-web-ep-0-port-30443-TCP"
        assert pem in cluster
        server.send(signal.SIGTERM)
        assert await server.ended() == (0, "")
    assert server.lines[-1]["event"] == "stopped"


async def test_it_says_which_right_is_missing(api_server: ApiServer, tmp_path: Path) -> None:
    """Without rights it is not ready and names each that is missing; it goes on once they are given, without a restart."""
    somebody = api_server.identity()
    kubeconfig = api_server.kubeconfig(tmp_path, somebody)
    async with serving([*READING, "--kubeconfig", str(kubeconfig)]) as server:
        await logged(server, "serving ops")
        interrupted = await logged(server, "informer interrupted", 2)
        assert {line["informer"] for line in interrupted} == {"Addresses", "LoadBalancer"}
        assert {line["reason"] for line in interrupted} == {"http_403"}
        status, text = await readiness(server)
        addresses, loadbalancers, secrets = text.splitlines()
        assert status == 503
        assert (addresses, loadbalancers) == (
            forbidden(somebody, "Addresses"),
            forbidden(somebody, "LoadBalancer"),
        )
        assert (
            secrets == "Secret: waits for the list of LoadBalancer"
        )  # only when it is known which are named

        await api_server.allow(somebody, [rule for rule in RULES if rule["resources"] != ["secrets"]])
        assert (await logged(server, "informer interrupted", 3))[2]["informer"] == "Secret"
        await logged(server, "informer goes on", 2)
        assert await readiness(server) == (503, f"{forbidden(somebody, 'Secret')}\n")

        await api_server.allow(somebody, RULES)
        await logged(server, "synced")
        assert await readiness(server) == (200, "ready\n")


async def test_it_waits_for_an_api_server(
    api_server: ApiServer, fault_proxy: FaultProxy, in_cluster: ApiObjects, tmp_path: Path
) -> None:
    """An API server that is not there keeps it from serving, not from starting; it says so, and serves when that comes."""
    tenant = in_cluster.tenant
    await in_cluster.put("web", in_namespace(loadbalancer("web", 20001, 30443), tenant))
    kubeconfig = api_server.kubeconfig(tmp_path, server=fault_proxy.url, name="through-the-proxy")
    fault_proxy.refuse()
    async with serving([*READING, "--kubeconfig", str(kubeconfig)]) as server:
        await logged(server, "serving ops")
        line, *_ = await logged(server, "informer interrupted")
        assert (line["level"], line["reason"]) == ("warning", "unreachable")
        assert fault_proxy.url.removeprefix("http://") in line["error"]
        assert (await readiness(server))[0] == 503
        await fault_proxy.accept()
        await logged(server, "synced")
        assert await readiness(server) == (200, "ready\n")
        assert [*await clusters(server, tenant)] == [f"{tenant}-web-ep-0-port-30443-TCP"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--kubeconfig", "{missing}"], "{missing}"),
        (["--kubeconfig", "{kubeconfig}", "--context", "elsewhere"], "elsewhere"),
    ],
    ids=["kubeconfig", "context"],
)
def test_credentials_that_are_not_there_are_one_line(tmp_path: Path, options: list[str], says: str) -> None:
    """A kubeconfig or a context that does not exist ends the start with exit code 2 and one line that names it."""
    kubeconfig, missing = tmp_path / "kubeconfig", tmp_path / "missing"
    kubeconfig.write_text(
        """\
apiVersion: v1
kind: Config
clusters: [{name: here, cluster: {server: "https://127.0.0.1:1"}}]
users: [{name: me, user: {token: secret}}]
contexts: [{name: here, context: {cluster: here, user: me}}]
current-context: here
""",
        encoding="utf-8",
    )
    named = {"kubeconfig": kubeconfig, "missing": missing}
    done = run(
        *("serve", "--kubernetes", "--xds-address", "127.0.0.1:0"),
        *(option.format(**named) for option in options),
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("kubelb-xds: ")
    assert says.format(**named) in done.stderr
    assert done.stderr.count("\n") == 1
