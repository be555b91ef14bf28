"""Reports on a real API server: replicas as they are, less their Envoys."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from kube.client import Access, KubeApi
from kube.controllers.programmed import Programmed
from kube.controllers.report_reader import Reader
from kube.controllers.reports import REPORTS, SELECTOR, Publisher, ReportTiming
from kube.controllers.standing import Standing
from kube.informer.informer import Consumer, Informer
from kube.informer.removals import Removals
from kube.informer.timing import Timing
from tests.support.fault_proxy import FaultProxy
from tests.support.faults import Request, everything
from tests.support.kube_api import ApiServer
from tests.support.kube_client import ApiClient
from xds.app.demo.waiting import Journal, poll

TENANT = "tenant-a"
BOUND = 15.0
"""Seconds within which anything that is to come has come."""
QUICK = ReportTiming(least=0.05, renew=0.2, expiry=1.0, rest=2.0)
RULES = [
    {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list", "watch", "create", "patch", "delete"]}
]


class Replica(Consumer):
    """One replica: what it reports, what it reads, and what it makes of that."""

    def __init__(self, api: KubeApi, name: str, namespace: str, timing: ReportTiming) -> None:
        self.name = name
        self.programmed = Programmed(name)
        self.publisher = Publisher(
            api.send,
            namespace=namespace,
            replica=name,
            standing=self.programmed.standing,
            clock=time.monotonic,
            timing=timing,
        )
        self.reader = Reader(
            self.programmed, self.publisher, replica=name, clock=time.monotonic, timing=timing
        )
        self.informer = Informer(
            api,
            REPORTS,
            self,
            Removals(),
            namespace=namespace,
            query=SELECTOR,
            timing=Timing(first_wait=0.05, longest_wait=0.5),
        )
        self.heard: Journal[str] = Journal(f"what {name} hears")

    def listed(self) -> None:
        """Hear that a list was complete."""
        self.reader.listed()
        self.heard.add("listed")

    def take(self, **what: object) -> None:
        """Take what became known."""
        self.reader.take(**what)  # type: ignore[arg-type]
        self.heard.add(repr(self.reader))

    def has(self, version: str, *names: str, behind: tuple[str, ...] = (), envoys: int = 1) -> None:
        """Have new content, and Envoys that ACK all but some of it."""
        now = time.monotonic()
        self.programmed.content(TENANT, version, dict.fromkeys(names, 1), now)
        acked = [name for name in names if name not in behind]
        self.programmed.local(TENANT, envoys=envoys, acked=acked, behind=behind, now=now)
        self.publisher.changed(TENANT)

    def acks(self, *names: str) -> None:
        """Have the Envoys ACK more of it."""
        if self.programmed.local(TENANT, envoys=1, acked=names, now=time.monotonic()):
            self.publisher.changed(TENANT)

    def status(self, name: str) -> str | None:
        """Return a condition's status."""
        condition = self.programmed.condition(TENANT, name)
        return condition.status if condition else None

    async def until(self, name: str, status: str) -> None:
        """Wait until a condition is this."""
        await self.heard.until(
            lambda: self.status(name) == status, within=BOUND, what=f"{name} {status} at {self.name}"
        )


@asynccontextmanager
async def replica(
    kubeconfig: Path, namespace: str, name: str, timing: ReportTiming = QUICK
) -> AsyncIterator[tuple[Replica, asyncio.Task[None]]]:
    """Run a replica; the task is what publishes."""
    async with KubeApi(Access(kubeconfig=kubeconfig)) as api:
        one = Replica(api, name, namespace, timing)
        publishing = asyncio.create_task(one.publisher.run())
        reading = asyncio.create_task(one.informer.run())
        try:
            yield one, publishing
        finally:
            for task in (publishing, reading):
                task.cancel()
            await asyncio.wait([publishing, reading])


async def test_two_replicas_tell_each_other(api_server: ApiServer, namespace: str, tmp_path: Path) -> None:
    """What an Envoy of one replica has not ACKed is not Programmed at the other, until it has; with no more rights than needed."""
    someone = api_server.identity()
    await api_server.allow(someone, RULES, namespace)
    config = api_server.kubeconfig(tmp_path, someone)
    async with replica(config, namespace, "one") as (one, _), replica(config, namespace, "two") as (two, _):
        one.has("v1", "a", "b", behind=("b",))
        two.has("v1", "a", "b")
        await two.until("a", "True")
        await two.heard.until(lambda: "one" in two.reader.alive, within=BOUND, what="a report of one")
        one.acks("b")
        await two.until("b", "True")
        await one.until("b", "True")
        two.has("v2", "b", behind=("b",))
        one.has("v2", "b")
        two.acks("b")
        await one.heard.until(
            lambda: not one.programmed._tenants[TENANT].open, within=BOUND, what="two's ACK of v2"
        )


async def test_one_replica_dies(
    api_server: ApiServer, admin: ApiClient, namespace: str, tmp_path: Path
) -> None:
    """The report of a replica that dies without a word expires, and what it had not ACKed is Programmed; its remains can be deleted."""
    config = api_server.kubeconfig(tmp_path)
    async with replica(config, namespace, "one") as (one, _):
        async with replica(config, namespace, "two") as (two, dies):
            two.has("v1", "a", behind=("a",))
            await one.heard.until(lambda: one.reader.alive == ("two",), within=BOUND, what="a report of two")
            one.has("v1", "a")
            assert one.status("a") is None
            dies.cancel()
            await one.until("a", "True")
            assert one.reader.alive == ()
        await one.heard.until(lambda: bool(one.reader.remains), within=BOUND, what="the remains of two")
        (remains,) = one.reader.remains
        await one.publisher.delete(remains)
        left = await admin.list("v1", "ConfigMap", namespace)
        assert [each["data"]["replica"] for each in left["items"]] == ["one"]
        await one.heard.until(lambda: not one.reader.remains, within=BOUND, what="nothing of two")


async def test_remains_that_come_alive_are_not_deleted(
    api_server: ApiServer, admin: ApiClient, namespace: str, tmp_path: Path
) -> None:
    """A report that has changed since it was read is not deleted: its replica lives."""
    config = api_server.kubeconfig(tmp_path)
    async with replica(config, namespace, "one") as (one, _), replica(config, namespace, "two") as (two, _):
        await one.heard.until(lambda: one.reader.alive == ("two",), within=BOUND, what="a report of two")
        (old,) = [each.report for each in one.reader._replicas.values() if each.report]
        count = two.publisher.published
        await one.heard.until(
            lambda: two.publisher.published > count + 1, within=BOUND, what="two's next report"
        )
        await one.publisher.delete(old)
        assert len((await admin.list("v1", "ConfigMap", namespace))["items"]) == 2


async def test_one_replica_lies_silent(
    api_server: ApiServer, fault_proxy: FaultProxy, namespace: str, tmp_path: Path
) -> None:
    """A replica that is cut off expires, and counts again as soon as it speaks; it never takes the others for dead itself."""
    (tmp_path / "cut").mkdir()
    (tmp_path / "whole").mkdir()
    cut = api_server.kubeconfig(tmp_path / "cut", server=fault_proxy.url)
    whole = api_server.kubeconfig(tmp_path / "whole")
    async with replica(whole, namespace, "one") as (one, _), replica(cut, namespace, "two") as (two, _):
        two.has("v1", "a", behind=("a",))
        await one.heard.until(lambda: one.reader.alive == ("two",), within=BOUND, what="a report of two")
        await two.heard.until(lambda: two.reader.alive == ("one",), within=BOUND, what="a report of one")
        known = len(two.heard)  # before that its first list may have come before the report of one
        one.has("v1", "a")
        hanging = fault_proxy.hang(everything)
        fault_proxy.silence()
        await one.until("a", "True")
        assert one.reader.alive == ()
        assert two.reader.alive == ("one",)
        hanging.heal()
        fault_proxy.heal()
        await one.heard.until(lambda: one.reader.alive == ("two",), within=BOUND, what="two again")
        assert two.reader.alive == ("one",)
        assert all("alive=['one']" in heard for heard in two.heard[known:] if "synced=True" in heard)


async def test_a_replica_that_ends_in_good_order(
    api_server: ApiServer, admin: ApiClient, namespace: str, tmp_path: Path
) -> None:
    """A replica that ends says that it has no Envoys any more and deletes its report: it counts no more at once."""
    slow = ReportTiming(least=0.05, renew=0.2)
    config = api_server.kubeconfig(tmp_path)
    async with (
        replica(config, namespace, "one", slow) as (one, _),
        replica(config, namespace, "two", slow) as (two, ends),
    ):
        two.has("v1", "a", behind=("a",))
        await one.heard.until(lambda: one.reader.alive == ("two",), within=BOUND, what="a report of two")
        one.has("v1", "a")
        ends.cancel()
        await asyncio.wait([ends])
        await two.publisher.withdraw()
        await one.until("a", "True")
        await one.heard.until(lambda: one.reader.alive == (), within=BOUND, what="the end of two")
        assert [
            each["data"]["replica"] for each in (await admin.list("v1", "ConfigMap", namespace))["items"]
        ] == ["one"]


async def test_a_report_that_somebody_deletes_is_back(
    api_server: ApiServer, admin: ApiClient, namespace: str, tmp_path: Path
) -> None:
    """A report that is deleted behind its replica's back is written anew at once, and nobody takes the replica for dead."""
    slow = ReportTiming(least=0.05)
    config = api_server.kubeconfig(tmp_path)
    async with (
        replica(config, namespace, "one", slow) as (one, _),
        replica(config, namespace, "two", slow) as (two, _),
    ):
        two.has("v1", "a", behind=("a",))
        await one.heard.until(lambda: one.reader.alive == ("two",), within=BOUND, what="a report of two")
        name = {"namespace": namespace, "name": "kubelb-xds-report-two"}
        await admin.delete({"apiVersion": "v1", "kind": "ConfigMap", "metadata": name})
        found = await poll(
            lambda: admin.list("v1", "ConfigMap", namespace, fieldSelector=f"metadata.name={name['name']}"),
            lambda listed: bool(listed["items"]),
            within=BOUND,
            what="a new report",
        )
        assert found["items"][0]["metadata"]["labels"] == {"kubelb.k8c.io/report": "replica"}
        assert one.reader.alive == ("two",)


async def test_the_largest_report_is_taken(api_server: ApiServer, namespace: str, tmp_path: Path) -> None:
    """The API server takes the largest report that there is, and the other replica counts all as behind."""
    config = api_server.kubeconfig(tmp_path)
    names = [f"{'n' * 80}-{index}" for index in range(10_000)]
    async with replica(config, namespace, "one") as (one, _), replica(config, namespace, "two") as (two, _):
        now = time.monotonic()
        two.programmed.content(TENANT, "v1", dict.fromkeys(names, 1), now)
        two.programmed.local(TENANT, envoys=1, behind=names, now=now)
        for index in range(10_000):
            two.programmed.local(f"tenant-{index:055}", envoys=1, now=now)
            two.publisher.changed(f"tenant-{index:055}")
        two.publisher.changed(TENANT)

        def views() -> list[Standing]:
            tenant = one.programmed._tenants.get(TENANT)
            return [view.standing for name, view in tenant.views.items() if name == "two"] if tenant else []

        await one.heard.until(lambda: bool(views()), within=BOUND, what="a report of two")
        assert views()[0].unnamed == 10_000
        assert two.publisher.failures == 0


async def test_a_report_that_is_refused_is_tried_again(
    api_server: ApiServer, namespace: str, tmp_path: Path, fault_proxy: FaultProxy
) -> None:
    """While reports are refused nothing else stops, and they are written once they are not."""

    def patches(request: Request) -> bool:
        return request.method == "PATCH"

    config = api_server.kubeconfig(tmp_path, server=fault_proxy.url)
    refusing = fault_proxy.answer(403, when=patches)
    async with replica(config, namespace, "one") as (one, _):
        await fault_proxy.saw(patches, count=2)
        assert one.publisher.published == 0
        refusing.heal()
        await one.heard.until(lambda: one.publisher.published > 0, within=BOUND, what="a report")
        assert one.publisher.failures >= 2


async def test_nobody_reads_what_has_no_label(
    admin: ApiClient, api_server: ApiServer, namespace: str, tmp_path: Path
) -> None:
    """Other ConfigMaps of the namespace are not asked for; one that has the label and is no report counts as behind."""
    for name, labels in (("other", {}), ("odd", {"kubelb.k8c.io/report": "replica"})):
        metadata = {"namespace": namespace, "name": name, "labels": labels}
        await admin.create(
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"x": "y"}}
        )
    async with replica(api_server.kubeconfig(tmp_path), namespace, "one") as (one, _):
        one.has("v1", "a")
        await one.heard.until(lambda: "odd" in one.reader.alive, within=BOUND, what="the odd one")
        assert one.reader.alive == ("odd",)
        assert one.status("a") is None
        await one.until("a", "True")  # it expires as any other
