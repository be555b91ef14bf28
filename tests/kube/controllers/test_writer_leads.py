"""A writer and an election together, on the real API server: who writes what, and when nobody does."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from kube.client import Access, KubeApi
from kube.coordination.writer import Writer
from tests.kube.controllers.electing import BOUND, Replica, replica
from tests.support.faults import Request
from xds.app.demo.waiting import poll

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.support.fault_proxy import FaultProxy
    from tests.support.kube_api import ApiServer
    from tests.support.kube_client import ApiClient, Object


def thing(namespace: str) -> Object:
    """Return the object that all of them write."""
    metadata = {"name": "shared", "namespace": namespace}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {}}


class Writing:
    """A writer that appends to the shared object what it is told, by reading it first."""

    def __init__(self, api: KubeApi, writer: Writer, namespace: str) -> None:
        self.writer = writer
        self._api = api
        self._path = f"/api/v1/namespaces/{namespace}/configmaps/shared"

    def put(self, text: str, *, key: str = "shared") -> None:
        """Have a text appended to what is there, if nobody else wrote meanwhile."""

        async def write() -> None:
            found = json.loads(await self._api.get(self._path))
            version = {"resourceVersion": found["metadata"]["resourceVersion"]}
            said = (found.get("data") or {}).get("said", "")
            await self._api.send("PATCH", self._path, {"metadata": version, "data": {"said": said + text}})

        self.writer.put(key, write)


@asynccontextmanager
async def writing(kubeconfig: Path, namespace: str, running: Replica) -> AsyncIterator[Writing]:
    """Run the writer of a replica."""
    async with KubeApi(Access(kubeconfig=kubeconfig)) as api:
        writer = Writer(running.election)
        task = asyncio.create_task(writer.run())
        try:
            yield Writing(api, writer, namespace)
        finally:
            task.cancel()
            await asyncio.wait([task])


async def said(admin: ApiClient, namespace: str, text: str) -> None:
    """Wait until the shared object says so."""

    async def probe() -> str:
        data = (await admin.get(thing(namespace))).get("data") or {}
        return str(data.get("said", ""))

    await poll(probe, lambda found: found == text, within=BOUND, what=repr(text))


def patches(request: Request) -> bool:
    """Match writes of the shared object."""
    return request.method == "PATCH" and request.path.endswith("/shared")


async def test_only_the_leader_writes(
    api_server: ApiServer, admin: ApiClient, namespace: str, tmp_path: Path, fault_proxy: FaultProxy
) -> None:
    """What a replica is asked to write before it leads is not written; the one that leads writes, and so does its successor."""
    await admin.create(thing(namespace))
    kubeconfig = api_server.kubeconfig(tmp_path, server=fault_proxy.url)
    async with (
        replica(kubeconfig, namespace, "a") as first,
        replica(kubeconfig, namespace, "b", after=first) as second,
        writing(kubeconfig, namespace, first) as ours,
        writing(kubeconfig, namespace, second) as theirs,
    ):
        theirs.put("x")
        ours.put("a")
        await said(admin, namespace, "a")
        await first.election.release()
        ours.put("y")
        await second.leads()
        theirs.put("b")
        await said(admin, namespace, "ab")
        assert len([it for it in fault_proxy.requests if patches(it)]) == 2


async def test_conflicts_are_resolved(
    api_server: ApiServer, admin: ApiClient, namespace: str, tmp_path: Path
) -> None:
    """Writes of one object under several keys conflict on its version, are worked out anew, and none is lost."""
    await admin.create(thing(namespace))
    kubeconfig = api_server.kubeconfig(tmp_path)
    async with replica(kubeconfig, namespace, "a") as first, writing(kubeconfig, namespace, first) as ours:
        await first.leads()
        for number in range(6):
            ours.put("x", key=str(number))
        await said(admin, namespace, "xxxxxx")
        assert ours.writer.stats.writes == 6
        assert set(ours.writer.stats.failures) <= {"http_409"}


async def test_a_write_that_hangs_ends_with_leading(
    api_server: ApiServer, admin: ApiClient, namespace: str, tmp_path: Path, fault_proxy: FaultProxy
) -> None:
    """A write that waits for its first answer while the lease runs out sends nothing more, and later ones neither."""
    await admin.create(thing(namespace))
    kubeconfig = api_server.kubeconfig(tmp_path, server=fault_proxy.url)
    async with replica(kubeconfig, namespace, "a") as first, writing(kubeconfig, namespace, first) as ours:
        await first.leads()
        hanging = fault_proxy.hang(lambda it: it.path.endswith("/shared"))
        ours.put("a")
        await fault_proxy.saw(lambda it: it.path.endswith("/shared"))
        await first.pause()
        await first.ends()
        hanging.heal()
        assert ours.writer.stats.waiting <= 1
        ours.put("b")

        async def waiting() -> int:
            return ours.writer.stats.waiting

        await poll(waiting, lambda count: count == 0, within=BOUND, what="an idle writer")
        assert not [it for it in fault_proxy.requests if patches(it)]


async def test_an_outage_is_waited_for(
    api_server: ApiServer, admin: ApiClient, namespace: str, tmp_path: Path, fault_proxy: FaultProxy
) -> None:
    """What is put while the API server refuses connections for a moment is written once it is back."""
    await admin.create(thing(namespace))
    through = api_server.kubeconfig(tmp_path, server=fault_proxy.url, name="through")
    straight = api_server.kubeconfig(tmp_path)
    async with replica(straight, namespace, "a") as first, writing(through, namespace, first) as ours:
        await first.leads()
        fault_proxy.refuse()
        fault_proxy.cut_all()
        ours.put("a")

        async def failures() -> int:
            return ours.writer.stats.failures.get("unreachable", 0)

        await poll(failures, lambda count: count >= 2, within=BOUND, what="failures")
        await fault_proxy.accept()
        await said(admin, namespace, "a")
