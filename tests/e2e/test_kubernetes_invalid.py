"""LoadBalancers that a CRD lets in which is not this project's, and that make no sense: on a real API server, with a real Envoy."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio

from tests.e2e.sources import in_namespace
from tests.e2e.world import World, loadbalancer, reached
from tests.e2e.written import ENVOYS, WITHIN, Written, condition_of
from tests.support.kube_client import ApiClient, Object, RefusedError
from xds.app.demo.backends import Backend
from xds.app.demo.manifests import Manifest
from xds.app.demo.waiting import poll

CRD = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "loadbalancers.kubelb.k8c.io"},
}


def wrong(manifest: Manifest) -> Manifest:
    """Name the endpoint's port as none can be named."""
    manifest["spec"]["endpoints"][0]["ports"][0]["name"] = "Main_1"
    return manifest


@pytest_asyncio.fixture
async def lenient(admin: ApiClient) -> AsyncIterator[None]:
    """Have the API server take any name of a port, as KubeLB's CRD does; and as before when the test is over.

    A change of the CRD ends watches: this comes before all that follow something.
    """
    probe = in_namespace(wrong(loadbalancer("probe", 443, 30443)), "default")
    path = "/apis/kubelb.k8c.io/v1alpha1/namespaces/default/loadbalancers"

    async def taken() -> bool:
        try:
            await admin.request("POST", path, probe, params={"dryRun": "All"})
        except RefusedError:
            return False
        return True

    async def change(alter: Callable[[Any], None], *, takes: bool) -> None:
        crd: Any = await admin.get(CRD)
        (version,) = crd["spec"]["versions"]
        group = version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["endpoints"]["items"]
        alter(group["properties"]["ports"]["items"]["properties"]["name"])
        await admin.replace(crd)
        await poll(taken, lambda it: it is takes, within=WITHIN, what="the other CRD")

    patterns: list[str] = []
    await change(lambda name: patterns.append(name.pop("pattern")), takes=True)
    yield
    await change(lambda name: name.update(pattern=patterns[0]), takes=False)


def is_invalid(lb: Object) -> bool:
    """Return whether the newest version is said to be none that can be used."""
    said = condition_of(lb, "Accepted")
    newest = said.get("observedGeneration") == lb["metadata"]["generation"]
    return newest and (said["status"], said["reason"]) == ("False", "Invalid")


@pytest.mark.usefixtures("lenient")
async def test_what_was_before_is_served_on(cluster: Written, writing: World) -> None:
    """Accepted is False with field, value and what may stand there, of the newest version; the last good one is served, if there is one."""
    async with Backend("web") as backend:
        await writing.put("web", loadbalancer("web", 443, backend.port))
        port = await cluster.recorded("web")
        await cluster.says("web", "Programmed", "True")

        mark = len(cluster.said)
        await writing.put("web", wrong(loadbalancer("web", 444, backend.port)))
        await writing.put("new", wrong(loadbalancer("new", 445, backend.port)))
        lb = await cluster.stands("web", is_invalid, what="Accepted False Invalid", since=mark)
        message = condition_of(lb, "Accepted")["message"]
        assert message.startswith("spec.endpoints[0].ports[0].name: 'Main_1' is not allowed: ")
        assert message.endswith("; until that is mended, what it was before is served on")
        # What else is said is said of the version that is served.
        assert condition_of(lb, "Programmed")["status"] == "True"
        assert condition_of(lb, "Programmed")["observedGeneration"] == 1
        assert condition_of(lb, "ResolvedRefs")["observedGeneration"] == 1
        await reached(port, host=ENVOYS)
        new = await cluster.stands("new", is_invalid, what="Accepted False Invalid")
        assert condition_of(new, "Accepted")["message"].endswith("nothing of it is served")
        for name in ("web", "new"):

            async def told(name: str = name) -> list[str]:
                return [event["reason"] for event in await cluster.events(name)]

            await poll(told, lambda them: "Invalid" in them, within=WITHIN, what="an Event")

        # It is written once, and what becomes of Envoys meanwhile is told as well.
        versions = [each for each in cluster.said if each["metadata"]["name"] == "web"]
        assert sum(map(is_invalid, versions)) == 1

        mark = len(cluster.said)
        await writing.put("web", loadbalancer("web", 446, backend.port))
        await cluster.says("web", "Accepted", "True", since=mark)
        await cluster.says("web", "Programmed", "True", since=mark)
