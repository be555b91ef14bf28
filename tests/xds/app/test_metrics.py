"""What the metrics say, by their names, which dashboards and alerts rely on."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from importlib import metadata
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse

from kube.informer.status import InformerStatus
from kube.informer.store import Store
from kube.objects import InvalidObject, ObjectRef
from tests.support.objects import loadbalancer, secret
from tests.support.pki import START, ca
from tests.xds.app.fake_source import informer
from xds.admin.tally import Histogram
from xds.app.control_plane import references
from xds.app.metrics import Writing, WritingStatus, registry_of
from xds.app.pipeline import TYPES, Pipeline
from xds.app.served_metrics import BUILD_BOUNDS, Served
from xds.snapshot import SnapshotCache

PREFIX = "kubelb_xds_informer"


@pytest.fixture
def informers() -> list[InformerStatus]:
    """Return the informers that the registry tells of; a test may change them."""
    return [
        informer(
            "LoadBalancer",
            synced=True,
            objects=9,
            lists=1,
            watches=2,
            events=3,
            failures={"429": 4, "unreachable": 5},
            large_removals=6,
        ),
        informer("Secret", "tenant-a"),
    ]


@pytest.fixture
def registry(informers: list[InformerStatus]) -> CollectorRegistry:
    """Return the metrics of a control plane that writes."""
    outcomes = {("LoadBalancer", "written"): 7, ("LoadBalancer", "http_409"): 2, ("Service", "http_403"): 1}
    return registry_of(lambda: informers, Writing(lambda: WritingStatus(True, outcomes, 5, 3)))


def families(registry: CollectorRegistry) -> list[Metric]:
    """Return what Prometheus reads."""
    encode, _ = choose_encoder("")
    return list(parse(encode(registry).decode()))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("synced", 1),
        ("objects", 9),
        ("lists_total", 1),
        ("watches_total", 2),
        ("events_total", 3),
        ("large_removals_total", 6),
    ],
)
def test_each_count_of_an_informer(registry: CollectorRegistry, name: str, value: float) -> None:
    """Each count of an informer is a sample with its kind and its namespace, the empty one for all."""
    name = f"{PREFIX}_{name}"
    assert registry.get_sample_value(name, {"kind": "LoadBalancer", "namespace": ""}) == value
    assert registry.get_sample_value(name, {"kind": "Secret", "namespace": "tenant-a"}) == 0


def test_failures_have_their_reason(registry: CollectorRegistry) -> None:
    """Failures are counted for each reason."""
    labels = {"kind": "LoadBalancer", "namespace": ""}
    name = f"{PREFIX}_failures_total"
    assert registry.get_sample_value(name, labels | {"reason": "429"}) == 4
    assert registry.get_sample_value(name, labels | {"reason": "unreachable"}) == 5


def test_an_informer_that_fails_says_so(registry: CollectorRegistry, informers: list[InformerStatus]) -> None:
    """As long as something is wrong with it, and no longer."""
    labels = {"kind": "LoadBalancer", "namespace": ""}
    assert registry.get_sample_value(f"{PREFIX}_failing", labels) == 0
    informers[:] = [informer("LoadBalancer", synced=True, error="403 Forbidden")]
    assert registry.get_sample_value(f"{PREFIX}_failing", labels) == 1


def test_writes_have_kind_and_outcome(registry: CollectorRegistry) -> None:
    """Writes are counted by what is written and what became of it, conflicts among them."""
    for kind, outcome, count in (
        ("LoadBalancer", "written", 7),
        ("LoadBalancer", "http_409", 2),
        ("Service", "http_403", 1),
    ):
        labels = {"kind": kind, "outcome": outcome}
        assert registry.get_sample_value("kubelb_xds_writes_total", labels) == count


@pytest.mark.parametrize(("name", "value"), [("leading", 1), ("writes_waiting", 5), ("writes_refused", 3)])
def test_who_leads_and_what_waits(registry: CollectorRegistry, name: str, value: float) -> None:
    """Whether this replica leads, how much it has to write, and what it has given up."""
    assert registry.get_sample_value(f"kubelb_xds_{name}") == value


def test_who_does_not_write_says_nothing_of_it() -> None:
    """Where nothing is written back there is nothing about writes, and nobody leads."""
    names = {family.name for family in families(registry_of(lambda: (), Writing(lambda: None)))}
    assert not [name for name in names if "writes" in name or "leading" in name]


def test_informers_are_asked_at_each_scrape(
    registry: CollectorRegistry, informers: list[InformerStatus]
) -> None:
    """What an informer counts after the registry was made is told, and one that is gone is not."""
    informers[:] = [informer("LoadBalancer", objects=10)]
    labels = {"kind": "LoadBalancer", "namespace": ""}
    assert registry.get_sample_value(f"{PREFIX}_objects", labels) == 10
    assert registry.get_sample_value(f"{PREFIX}_objects", {"kind": "Secret", "namespace": "tenant-a"}) is None


def test_the_version_is_told(registry: CollectorRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    """The version that is installed is a label of a sample of value 1, `unknown` in a source tree."""
    monkeypatch.setattr(metadata, "version", {"kubelb-xds": "1.2.3"}.__getitem__)
    assert registry.get_sample_value("kubelb_xds_build_info", {"version": "1.2.3"}) == 1

    def nothing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", nothing)
    assert registry.get_sample_value("kubelb_xds_build_info", {"version": "unknown"}) == 1


def test_the_process_is_told(registry: CollectorRegistry) -> None:
    """Memory, CPU time and file descriptors of the process are there under the names that dashboards know."""
    names = {family.name for family in families(registry)}
    assert {
        "process_resident_memory_bytes",
        "process_cpu_seconds",
        "process_open_fds",
        "python_info",
    } <= names


def test_each_control_plane_has_its_own(registry: CollectorRegistry) -> None:
    """Two in one process do not see each other's informers."""
    other = registry_of(lambda: [informer("LoadBalancer", objects=1)])
    labels = {"kind": "LoadBalancer", "namespace": ""}
    assert other.get_sample_value(f"{PREFIX}_objects", labels) == 1
    assert registry.get_sample_value(f"{PREFIX}_objects", labels) == 9


def test_folders_have_no_informers() -> None:
    """Without informers there is nothing about any."""
    names = {family.name for family in families(registry_of(lambda: ()))}
    assert not [name for name in names if name.startswith(PREFIX)]


def test_openmetrics_takes_them(registry: CollectorRegistry) -> None:
    """The stricter format's own parser reads all of them."""
    encode, _ = choose_encoder("application/openmetrics-text")
    read = parse_openmetrics(encode(registry).decode())  # type: ignore[no-untyped-call]
    assert f"{PREFIX}_failures" in {family.name for family in read}


async def test_what_became_of_loadbalancers() -> None:
    """Ports count by tenant and protection; each LoadBalancer that verifies has the ends of its CA and its CRL, and no other."""
    root = ca("root")
    end, crl_end = root.certificate.not_valid_after_utc, START + timedelta(days=700)
    bundle = root.pem + root.crl(end=crl_end)
    async with served(
        loadbalancer("plain"),
        loadbalancer("verified", port=20002, policy="Verify", ca="ca"),
        loadbalancer("closed", port=20003, policy="Verify", ca="missing"),
        loadbalancer("verified", namespace="tenant-b", policy="Verify", ca="no-crl"),
        secret("ca", bundle.decode()),
        secret("no-crl", root.pem.decode(), namespace="tenant-b"),
    ) as (store, registry):
        assert samples(registry, "kubelb_xds_loadbalancer_ports") == {
            ("tenant-a", "plain"): 1,
            ("tenant-a", "verify"): 1,
            ("tenant-a", "fail-closed"): 1,
            ("tenant-b", "verify"): 1,
        }
        assert samples(registry, "kubelb_xds_ca_expiry_timestamp_seconds") == {
            ("tenant-a", "verified"): end.timestamp(),
            ("tenant-b", "verified"): end.timestamp(),
        }
        assert samples(registry, "kubelb_xds_crl_expiry_timestamp_seconds") == {
            ("tenant-a", "verified"): crl_end.timestamp()
        }
        assert registry.get_sample_value("kubelb_xds_snapshot_build_seconds_count") == 1
        gone = [ObjectRef("LoadBalancer", tenant, "verified") for tenant in ("tenant-a", "tenant-b")]
        store.apply(now=0, removals=gone)
        while registry.get_sample_value("kubelb_xds_snapshot_build_seconds_count") != 2:  # noqa: ASYNC110
            await asyncio.sleep(0)
        assert samples(registry, "kubelb_xds_ca_expiry_timestamp_seconds") == {}


async def test_what_there_is_to_serve() -> None:
    """Objects count by kind, those that cannot be used as well; everything is synced, or not."""
    with pytest.raises(InvalidObject) as wrong:
        loadbalancer("broken", ports="none")
    async with served(loadbalancer(), secret("ca", None)) as (store, registry):
        store.apply(now=0, invalid=[wrong.value])
        assert samples(registry, "kubelb_xds_source_objects") == {
            ("LoadBalancer",): 1,
            ("Addresses",): 0,
            ("Secret",): 1,
        }
        assert samples(registry, "kubelb_xds_source_invalid_objects") == {
            ("LoadBalancer",): 1,
            ("Addresses",): 0,
            ("Secret",): 0,
        }
        assert registry.get_sample_value("kubelb_xds_source_synced") == 1
        store.expect("another source")
        assert registry.get_sample_value("kubelb_xds_source_synced") == 0


def samples(registry: CollectorRegistry, name: str) -> dict[tuple[str, ...], float]:
    """Return the samples of a family by their labels' values, in the order in which the collector names them."""
    (family,) = (each for each in registry.collect() if each.name == name)
    return {tuple(sample.labels.values()): sample.value for sample in family.samples}


@asynccontextmanager
async def served(*objects: Any) -> AsyncIterator[tuple[Store, CollectorRegistry]]:
    """Yield a store of these objects, which are served, and the metrics of that."""
    store = Store(references=references, linger=0)
    builds = Histogram(BUILD_BOUNDS)
    pipeline = Pipeline(store, SnapshotCache(TYPES), took=builds.observe)
    store.apply(now=0, upserts=objects)
    registry = registry_of(lambda: (), Served(store, pipeline, builds))
    while registry.get_sample_value("kubelb_xds_snapshot_build_seconds_count") == 0:  # noqa: ASYNC110
        await asyncio.sleep(0)
    yield store, registry
    pipeline.close()
