"""Reports without an API server: time is passed in, and what was sent comes back when the test has it."""

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from msgspec import Raw

from kube.client import Unreachable
from kube.controllers.programmed import Programmed
from kube.controllers.report_reader import Reader
from kube.controllers.reports import REPORTS, Publisher, Report, ReportTiming
from kube.controllers.standing import Standing
from kube.objects import InvalidObject, ObjectRef

TENANT = "tenant-a"


class Watched:
    """The ConfigMaps that replicas wrote, in order, and the time."""

    def __init__(self) -> None:
        self.now = 0.0
        self.documents: list[dict[str, Any]] = []
        self.gone = False

    def clock(self) -> float:
        """Return the time."""
        return self.now

    async def send(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        params: Mapping[str, str] | None = None,
        content_type: str | None = None,
    ) -> bytes:
        """Take a write."""
        if self.gone:
            raise Unreachable("gone")
        assert path.startswith("/api/v1/namespaces/kubelb/configmaps/kubelb-xds-report-")
        if method == "PATCH":
            assert isinstance(body, dict)
            assert params
            assert content_type
            self.documents.append(body)
        return b""


class Replica:
    """A replica that publishes when the test has it."""

    def __init__(self, watched: Watched, name: str) -> None:
        self.watched = watched
        self.standings: dict[str, Standing] = {}
        self.publisher = Publisher(
            watched.send,
            namespace="kubelb",
            replica=name,
            standing=self.standings.get,
            clock=watched.clock,
        )

    def says(self, **standing: Any) -> None:
        """Have something else to say of the tenant."""
        self.standings[TENANT] = Standing(**{"version": "v1", "envoys": 1, **standing})
        self.publisher.changed(TENANT)

    async def publish(self) -> Report:
        """Publish; return what the watch brings."""
        assert await self.publisher._publish()
        return read(self.watched.documents[-1], str(len(self.watched.documents)))


def read(document: dict[str, Any], version: str = "1") -> Report:
    """Return a report as an informer decodes it."""
    metadata = {**document["metadata"], "namespace": "kubelb", "uid": "u", "resourceVersion": version}
    found = REPORTS.read(Raw(msgspec.json.encode({**document, "metadata": metadata})))
    assert isinstance(found, Report)
    return found


class Pair:
    """This replica, with a reader, and another one. The tenant has the LoadBalancers ``a`` and ``b``, ACKed here."""

    def __init__(self) -> None:
        self.watched = Watched()
        self.here = Replica(self.watched, "here")
        self.other = Replica(self.watched, "other")
        self.programmed = Programmed("here")
        self.reader = Reader(self.programmed, self.here.publisher, replica="here", clock=self.watched.clock)
        self.programmed.content(TENANT, "v1", {"a": 1, "b": 1}, 0.0)
        self.programmed.local(TENANT, envoys=1, acked=["a", "b"], now=0.0)

    async def renew(self, *replicas: Replica, seconds: float = 10.0) -> None:
        """Let time pass and have replicas publish, and the watch bring it."""
        self.watched.now += seconds
        for replica in replicas:
            self.reader.take(upserts=[await replica.publish()])
        self.programmed.expire(self.watched.now)

    def status(self, name: str = "a") -> str | None:
        """Return a condition's status."""
        condition = self.programmed.condition(TENANT, name)
        return condition.status if condition else None


async def test_nothing_is_said_before_the_list() -> None:
    """Before reports are listed no condition is decided; then it is what all of them say."""
    pair = Pair()
    pair.other.says(behind={"b"})
    await pair.renew(pair.other)
    assert pair.status("a") is None
    pair.reader.listed()
    assert pair.status("a") == "True"
    assert pair.status("b") is None


async def test_a_dead_replica_expires_by_what_came_back() -> None:
    """A replica that is silent for 30 s while this one's reports come back counts no more; before, it does."""
    pair = Pair()
    pair.reader.listed()
    pair.other.says(behind={"a"})
    await pair.renew(pair.other, pair.here)
    for _ in range(2):
        await pair.renew(pair.here)
        assert pair.reader.alive == ("other",)
    await pair.renew(pair.here)
    assert not pair.reader.alive
    assert pair.status() == "True"
    await pair.renew(pair.here, seconds=ReportTiming().rest)
    assert [report.replica for report in pair.reader.remains] == ["other"]
    await pair.renew(pair.other)
    assert pair.reader.alive == ("other",)
    assert not pair.reader.remains


async def test_a_watch_that_stalls_kills_nobody() -> None:
    """While nothing comes through the watch nobody expires, and when all of it comes late, nobody has."""
    pair = Pair()
    pair.reader.listed()
    pair.other.says()
    await pair.renew(pair.here, pair.other)
    late: list[Report] = []
    for _ in range(30):
        pair.watched.now += 10.0
        late += [await pair.here.publish(), await pair.other.publish()]
        assert pair.reader.alive == ("other",)
    for report in late:
        pair.reader.take(upserts=[report])
        assert pair.reader.alive == ("other",)


async def test_an_api_server_that_was_away_kills_nobody() -> None:
    """After an outage a list brings all reports at once: those that changed are alive, in whatever order they come."""
    pair = Pair()
    pair.reader.listed()
    pair.other.says()
    await pair.renew(pair.here, pair.other)
    pair.watched.gone = True
    pair.watched.now += 600
    assert not await pair.here.publisher._publish()
    pair.watched.gone = False
    both = [await pair.here.publish(), await pair.other.publish()]
    pair.reader.take(upserts=both)
    assert pair.reader.alive == ("other",)


async def test_a_list_of_what_is_known_renews_nobody() -> None:
    """A report that is listed again without having changed makes a silent replica no younger."""
    pair = Pair()
    pair.reader.listed()
    pair.other.says()
    last = await pair.other.publish()
    pair.reader.take(upserts=[last])
    for _ in range(4):
        await pair.renew(pair.here)
        pair.reader.take(upserts=[last])
    assert not pair.reader.alive


async def test_a_report_that_somebody_deleted() -> None:
    """A report that is deleted while its Envoys are there counts until it expires; an empty one is gone at once."""
    pair = Pair()
    pair.other.says(behind={"a"})
    report = await pair.other.publish()
    pair.reader.take(upserts=[report])
    pair.reader.listed()
    pair.reader.take(removals=[report.ref])
    assert pair.reader.alive == ("other",)
    assert pair.status() is None
    for _ in range(4):
        await pair.renew(pair.here)
    assert not pair.reader.alive
    assert not pair.reader.remains
    assert pair.status() == "True"
    pair.other.standings.clear()
    pair.other.publisher.changed(TENANT)
    report = await pair.other.publish()
    pair.reader.take(upserts=[report])
    assert pair.reader.alive == ("other",)
    pair.reader.take(removals=[report.ref])
    assert not pair.reader.alive


async def test_a_report_that_cannot_be_read_counts_as_behind() -> None:
    """A replica whose report cannot be read has not ACKed anything, as far as is known; once it can be read, what it says counts."""
    pair = Pair()
    pair.reader.listed()
    pair.other.says()
    good = await pair.other.publish()
    pair.reader.take(invalid=[InvalidObject(good.ref, ())])
    await pair.renew(pair.here, seconds=1)
    pair.programmed.expire(61.0)
    assert pair.status() == "Unknown"
    pair.reader.take(upserts=[good])
    assert pair.status() == "True"


async def test_only_what_differs_is_told() -> None:
    """Of a report of many tenants only those are read that say something else than before, and of a renewal none."""
    watched = Watched()
    told: list[tuple[str, str]] = []

    class Audience:
        """Notes what it is told."""

        def reported(
            self,
            replica: str,  # noqa: ARG002
            tenant: str,
            standing: Standing | None,
            now: float,  # noqa: ARG002
        ) -> None:
            """Hear of a tenant."""
            told.append((tenant, "gone" if standing is None else "says"))

        def vague(self, replica: str, now: float, *, is_vague: bool) -> None:
            """Hear of what is left out."""

        def lost(self, replica: str, now: float) -> None:
            """Hear of a death."""

        def synced(self, now: float) -> None:
            """Hear of the list."""

    here, other = Replica(watched, "here"), Replica(watched, "other")
    reader = Reader(Audience(), here.publisher, replica="here", clock=watched.clock)
    for index in range(100):
        other.standings[f"t{index}"] = Standing(version="v", envoys=1)
        other.publisher.changed(f"t{index}")
    reader.take(upserts=[await other.publish()])
    assert len(told) == 100
    told.clear()
    reader.take(upserts=[await other.publish()])
    assert told == []
    other.standings["t7"].behind.add("a")
    del other.standings["t8"]
    other.publisher.changed("t7")
    other.publisher.changed("t8")
    reader.take(upserts=[await other.publish()])
    assert sorted(told) == [("t7", "says"), ("t8", "gone")]


async def test_large_reports_go_out_less_often() -> None:
    """A report of 900 kB is published every nine seconds at most, a small one once a second."""
    assert ReportTiming().pause(1000) == 1.0
    assert ReportTiming().pause(900_000) == 9.0


async def test_reports_of_nobody_in_particular() -> None:
    """What is no report, though it has the label, is refused as such, by name."""
    document = {"metadata": {"name": "x", "namespace": "n"}, "data": {"report.json": "{}"}}
    with pytest.raises(InvalidObject) as caught:
        REPORTS.read(Raw(msgspec.json.encode(document)))
    assert caught.value.ref == ObjectRef("ConfigMap", "n", "x")
