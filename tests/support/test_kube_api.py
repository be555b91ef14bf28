"""What the API server of the tests can be put through, and that it is then as a real one would be."""

import asyncio
import subprocess
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.support.kube_api import ApiServer
from tests.support.kube_client import ApiClient, Object, RefusedError, collection
from tests.support.program import StartError
from xds.app.demo.waiting import poll

pytestmark = pytest.mark.kubernetes


def config(name: str, namespace: str = "default", **data: str) -> Object:
    """Return a ConfigMap."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": namespace},
        "data": data,
    }


def balancer(namespace: str) -> Object:
    """Return a LoadBalancer."""
    return {
        "apiVersion": "kubelb.k8c.io/v1alpha1",
        "kind": "LoadBalancer",
        "metadata": {"name": "web", "namespace": namespace},
        "spec": {
            "endpoints": [{"addresses": [{"ip": "10.0.0.1"}], "ports": [{"port": 30001}]}],
            "ports": [{"port": 20001}],
        },
    }


def names(listed: Object) -> list[str]:
    """Return the names in a list."""
    return [item["metadata"]["name"] for item in listed["items"]]


async def test_objects_live(admin: ApiClient, namespace: str) -> None:
    """Objects are created, read, altered, replaced, recreated, listed and deleted, with resourceVersions that grow."""
    created = await admin.create(config("a", namespace, key="1"))
    assert (await admin.apply(config("a", namespace, key="2")))["data"] == {"key": "2"}
    assert (await admin.patch(created, {"data": {"other": "3"}}))["data"] == {"key": "2", "other": "3"}
    assert (await admin.replace(config("a", namespace, key="4")))["data"] == {"key": "4"}
    again = await admin.recreate(config("a", namespace, key="5"))
    assert again["metadata"]["uid"] != created["metadata"]["uid"]
    assert names(await admin.list("v1", "ConfigMap", namespace)) == ["a"]
    await admin.delete(again)
    with pytest.raises(RefusedError, match=r'404 configmaps "a" not found') as refused:
        await admin.get(again)
    assert refused.value.status == 404
    assert int(await admin.resource_version()) > int(again["metadata"]["resourceVersion"])


async def test_many_objects(admin: ApiClient, namespace: str) -> None:
    """Many objects are created, and deleted, at once."""
    await admin.create_all(config(f"c-{number}", namespace) for number in range(120))
    assert len(names(await admin.list("v1", "ConfigMap", namespace))) == 120
    await admin.clear("v1", "ConfigMap", namespace)
    assert names(await admin.list("v1", "ConfigMap", namespace)) == []


async def test_crds_are_served(admin: ApiClient, namespace: str) -> None:
    """The project's kinds are served, and what their schemas forbid is refused."""
    await admin.create(balancer(namespace))
    assert names(await admin.list("kubelb.k8c.io/v1alpha1", "LoadBalancer", namespace)) == ["web"]
    with pytest.raises(RefusedError, match=r"422 .*spec.ports"):
        await admin.patch(balancer(namespace), {"spec": {"ports": [{"port": 70000}]}})


async def test_status_subresource(admin: ApiClient, namespace: str) -> None:
    """A test plays the controllers that do not run here through the status subresource."""
    namespaced = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s", "namespace": namespace}}
    service = await admin.create(namespaced | {"spec": {"type": "LoadBalancer", "ports": [{"port": 80}]}})
    status = {"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}}
    patched = await admin.patch(service, status, subresource="status")
    assert patched["status"]["loadBalancer"]["ingress"][0]["ip"] == "192.0.2.1"


async def test_watch(admin: ApiClient, namespace: str) -> None:
    """A watch shows each change."""
    version = await admin.resource_version("v1", "ConfigMap", namespace)
    seen: list[str] = []
    async with admin.watch("v1", "ConfigMap", namespace, resourceVersion=version) as events:
        await admin.create(config("a", namespace))
        await admin.delete(config("a", namespace))
        async with asyncio.timeout(10):
            async for event in events:
                seen.append(event["type"])
                if len(seen) == 2:
                    break
    assert seen == ["ADDED", "DELETED"]


async def test_identities(api_server: ApiServer, namespace: str) -> None:
    """An identity may do what it was allowed, where it was allowed it, and nothing else; each is handed out once."""
    someone, other = api_server.identity(), api_server.identity()
    assert someone != other
    rules = [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["list"]}]
    await api_server.allow(someone, rules, namespace)
    async with api_server.client(someone) as client:
        assert names(await client.list("v1", "Secret", namespace)) == []
        for place, kind in ((namespace, "ConfigMap"), ("default", "Secret")):
            with pytest.raises(RefusedError, match=f"403 .*{someone.name}"):
                await client.list("v1", kind, place)
        await api_server.allow(someone, [], namespace)

        async def status() -> int:
            try:
                await client.list("v1", "Secret", namespace)
            except RefusedError as error:
                return error.status
            return 200

        await poll(status, lambda answer: answer == 403, within=10, what="a refusal")


async def test_unknown_token(api_server: ApiServer) -> None:
    """A token that the API server does not know is answered with 401."""
    with pytest.raises(RefusedError, match="401"):
        async with api_server.client(api_server.identity()._replace(token="unknown")) as client:
            await client.list("v1", "Secret")


async def test_kubeconfig(api_server: ApiServer, namespace: str, tmp_path: Path) -> None:
    """What the fixture writes is a kubeconfig that kubectl takes, certificate and all."""
    asked = await asyncio.create_subprocess_exec(
        *(api_server.programs / "kubectl", "--kubeconfig", api_server.kubeconfig(tmp_path)),
        *("--cache-dir", tmp_path, "get", "namespace", namespace, "-o", "name"),
        stdout=subprocess.PIPE,
    )
    output, _ = await asked.communicate()
    assert output.decode().strip() == f"namespace/{namespace}"


async def test_restore(own_api_server: ApiServer) -> None:
    """After a restore the objects are those of the snapshot, and resourceVersions are lower than they were."""
    async with own_api_server.client() as admin:
        await admin.create(config("before"))
        snapshot = await own_api_server.snapshot()
        await admin.create_all(config(f"after-{number}") for number in range(20))
        latest = int(await admin.resource_version("v1", "ConfigMap"))
    await own_api_server.restore(snapshot)
    async with own_api_server.client() as admin:
        assert names(await admin.list("v1", "ConfigMap", "default")) == ["before"]
        assert int(await admin.resource_version("v1", "ConfigMap")) < latest
        assert await admin.create(config("anew"))


async def test_start_empty(own_api_server: ApiServer) -> None:
    """An API server started empty lists no Secrets, and answers 404 for custom resources until their CRDs are installed again."""
    async with own_api_server.client() as admin:
        await admin.create(balancer("default"))
    await own_api_server.start_empty()
    async with own_api_server.client() as admin:
        assert names(await admin.list("v1", "Secret", "default")) == []
        with pytest.raises(RefusedError, match="404"):
            await admin.list("kubelb.k8c.io/v1alpha1", "LoadBalancer")
        await own_api_server.crds()
        assert names(await admin.list("kubelb.k8c.io/v1alpha1", "LoadBalancer")) == []


async def test_killed_and_started_again(own_api_server: ApiServer) -> None:
    """A killed API server refuses connections; started again it has what it had, and a watch from long ago is answered with 410."""
    async with own_api_server.client() as admin:
        first = await admin.create(config("kept"))
        await admin.create_all(config(f"more-{number}") for number in range(20))
        await own_api_server.kill()
        with pytest.raises(aiohttp.ClientConnectorError):
            await admin.get(first)
        await own_api_server.start_again()
        assert await admin.get(first) == first
        version = first["metadata"]["resourceVersion"]
        async with admin.watch("v1", "ConfigMap", resourceVersion=version) as events, asyncio.timeout(10):
            event = await anext(events)
    assert (event["type"], event["object"]["code"]) == ("ERROR", 410)


async def test_compacted(own_api_server: ApiServer) -> None:
    """After a compaction a continue token from before is answered with 410 and a token to go on with."""
    async with own_api_server.client() as admin:
        await admin.create_all(config(f"c-{number:02}") for number in range(20))
        page = await admin.list("v1", "ConfigMap", limit="5")
        await admin.create_all(config(f"d-{number}") for number in range(20))
        assert await own_api_server.compact() > int(page["metadata"]["resourceVersion"])
        with pytest.raises(RefusedError) as refused:
            await admin.list("v1", "ConfigMap", limit="5", **{"continue": page["metadata"]["continue"]})
    assert refused.value.status == 410
    assert refused.value.body["metadata"]["continue"]


async def test_paused(own_api_server: ApiServer) -> None:
    """A paused API server takes connections and answers nothing until it is resumed."""
    async with own_api_server.client() as admin:
        await admin.resource_version()
        own_api_server.pause()
        asked = asyncio.create_task(admin.resource_version())
        done, _ = await asyncio.wait({asked}, timeout=0.5)
        assert not done
        own_api_server.resume()
        assert await asyncio.wait_for(asked, 10)


async def test_start_fails_with_the_log(kube_programs: Path, tmp_path: Path) -> None:
    """A start that fails says so with the end of the program's log."""
    with pytest.raises(StartError, match=r"(?s)kube-apiserver ended with 1.*unknown flag: --no-such-flag"):
        async with ApiServer(kube_programs, tmp_path, flags=["--no-such-flag"]):
            pass


@pytest.mark.parametrize(
    ("api_version", "kind", "namespace", "path"),
    [
        ("v1", "Secret", "a", "/api/v1/namespaces/a/secrets"),
        ("kubelb.k8c.io/v1alpha1", "Addresses", "", "/apis/kubelb.k8c.io/v1alpha1/addresses"),
        ("networking.k8s.io/v1", "NetworkPolicy", "", "/apis/networking.k8s.io/v1/networkpolicies"),
        ("networking.k8s.io/v1", "IngressClass", "", "/apis/networking.k8s.io/v1/ingressclasses"),
    ],
)
def test_paths(api_version: str, kind: str, namespace: str, path: Any) -> None:
    """A kind's path follows from its name."""
    assert collection(api_version, kind, namespace) == path
