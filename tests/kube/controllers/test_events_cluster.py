"""Events as the real API server has them, and as kubectl shows them."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from kube.client import Access, KubeApi
from kube.coordination.events import BURST, Events
from kube.objects import ObjectRef
from tests.kube.cluster.following import loadbalancer
from tests.kube.controllers.test_events import until
from tests.support.kube_api import ApiServer
from tests.support.kube_client import ApiClient

BOUND = 15.0
RULES = [{"apiGroups": [""], "resources": ["events"], "verbs": ["get", "create", "patch"]}]


@asynccontextmanager
async def running(kubeconfig: Path, identity: str = "one") -> AsyncIterator[Events]:
    """Write Events with the credentials of a kubeconfig."""
    async with KubeApi(Access(kubeconfig=kubeconfig)) as api:
        events = Events(
            api,
            identity=identity,
            leading=lambda: True,
            clock=time.monotonic,
            wall=lambda: datetime.now(UTC),
        )
        task = asyncio.create_task(events.run())
        try:
            yield events
        finally:
            task.cancel()
            await asyncio.wait([task])


async def test_created_repeated_and_bounded(
    api_server: ApiServer, admin: ApiClient, namespace: str, tmp_path: Path
) -> None:
    """With no more rights than needed a warning is an Event of its object, a repetition, by the next leader too, a count; 100 are not 100."""
    someone = api_server.identity()
    await api_server.allow(someone, RULES, namespace)
    config = api_server.kubeconfig(tmp_path, someone)
    created = await admin.create(loadbalancer(namespace))
    ref, uid = ObjectRef("LoadBalancer", namespace, "web"), created["metadata"]["uid"]
    async with admin.watch("v1", "Event", namespace, resourceVersion="0") as watched, asyncio.timeout(BOUND):
        async with running(config) as events:
            events.warn(ref, uid, "InvalidCACertificateRef", "failed to get CA secret")
            first = (await anext(watched))["object"]
            assert (first["count"], first["type"]) == (1, "Warning")
            events.warn(ref, uid, "InvalidCACertificateRef", "failed to get CA secret")
            second = (await anext(watched))["object"]
            assert (second["count"], second["metadata"]["name"]) == (2, first["metadata"]["name"])
        async with running(config, "two") as events:
            events.warn(ref, uid, "InvalidCACertificateRef", "failed to get CA secret")
            third = (await anext(watched))["object"]
            assert third["count"] == 3
            for index in range(100):
                events.warn(ref, uid, "Other", f"number {index}")
            for _ in range(BURST - 1):
                assert (await anext(watched))["object"]["reason"] == "Other"
            assert events.stats.bounded == 101 - BURST
            assert events.stats.waiting == 0
    params = {"fieldSelector": f"involvedObject.uid={uid}"}
    assert len((await admin.list("v1", "Event", namespace, **params))["items"]) == BURST


async def test_kubectl_shows_them(
    api_server: ApiServer, admin: ApiClient, namespace: str, tmp_path: Path
) -> None:
    """``kubectl describe lb`` shows the warning under the LoadBalancer, with how often and by whom."""
    config = api_server.kubeconfig(tmp_path)
    created = await admin.create(loadbalancer(namespace))
    async with (
        running(config) as events,
        admin.watch("v1", "Event", namespace, resourceVersion="0") as watched,
    ):
        ref = ObjectRef("LoadBalancer", namespace, "web")
        events.warn(ref, created["metadata"]["uid"], "InvalidCACertificateRef", "failed to get CA secret")
        async with asyncio.timeout(BOUND):
            await anext(watched)
    kubectl = await asyncio.create_subprocess_exec(
        str(api_server.programs / "kubectl"),
        f"--kubeconfig={config}",
        f"--namespace={namespace}",
        "describe",
        "loadbalancers.kubelb.k8c.io",
        "web",
        stdout=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(BOUND):
        shown, _ = await kubectl.communicate()
    (line,) = [line for line in shown.decode().splitlines() if "InvalidCACertificateRef" in line]
    assert line.split()[0] == "Warning"
    assert "kubelb-xds" in line
    assert line.endswith("failed to get CA secret")


async def test_a_namespace_that_is_not_there(api_server: ApiServer, tmp_path: Path) -> None:
    """An Event for which there is no namespace is dropped at once, and hinders nothing."""
    async with running(api_server.kubeconfig(tmp_path)) as events:
        events.warn(ObjectRef("LoadBalancer", "not-there", "web"), "u", "R", "m")
        await until(events, lambda stats: stats.dropped == 1)
        assert events.stats.written == 0
