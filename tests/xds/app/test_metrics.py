"""What the metrics say, by their names, which dashboards and alerts rely on."""

import re
from collections import Counter
from importlib import metadata
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse

from kube.informer.status import InformerStatus
from tests.support import pki
from tests.support.mtls import Volume, server_of
from tests.xds.app.fake_source import informer
from xds.app.metrics import WritingStatus, registry_of
from xds.app.server_metrics import ServerMetrics

PREFIX = "kubelb_xds_informer"
ABBREVIATED_UNITS = re.compile(r"_(s|ms|us|ns|sec|kb|mb|gb|mib|b|pct)(_|$)")


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
    registry = registry_of(lambda: informers, lambda: WritingStatus(True, outcomes, 5, 3))
    registry.register(ServerMetrics({}, None))
    return registry


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
    names = {family.name for family in families(registry_of(lambda: ()))}
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


def test_names_keep_the_conventions(registry: CollectorRegistry) -> None:
    """As promtool's `check metrics` asks: each has a help text and a type, counters end in _total, others do not, no unit is cut."""
    for family in families(registry):
        names = {sample.name for sample in family.samples}
        assert family.documentation
        assert family.type in {"gauge", "counter"}
        assert {name.endswith("_total") for name in names} <= {family.type == "counter"}
        assert not ABBREVIATED_UNITS.search(family.name)


def test_openmetrics_takes_them(registry: CollectorRegistry) -> None:
    """The stricter format's own parser reads all of them."""
    encode, _ = choose_encoder("application/openmetrics-text")
    read = parse_openmetrics(encode(registry).decode())  # type: ignore[no-untyped-call]
    assert f"{PREFIX}_failures" in {family.name for family in read}


def test_ends_of_streams_are_counted() -> None:
    """Each status that streams ended with has a count; those of refused clients are there before the first."""
    ended: Counter[str] = Counter(OK=3, PERMISSION_DENIED=2)
    registry = CollectorRegistry()
    registry.register(ServerMetrics(ended, None))
    counts = [
        registry.get_sample_value("kubelb_xds_streams_ended_total", {"status": status})
        for status in ("OK", "PERMISSION_DENIED", "UNAUTHENTICATED", "INTERNAL")
    ]
    assert counts == [3, 2, 0, None]


def test_the_servers_certificate(tmp_path: Path) -> None:
    """With TLS there is the moment when the certificate expires, and how often the files changed; without it nothing."""
    ca = pki.ca("root")
    volume = Volume(tmp_path / "tls", server_of(ca), ca)
    tls = volume.files()
    registry = CollectorRegistry()
    registry.register(ServerMetrics({}, tls))
    expires = registry.get_sample_value("kubelb_xds_tls_certificate_expiry_timestamp_seconds")
    assert expires == server_of(ca).certificate.not_valid_after_utc.timestamp()
    volume.key.resolve().write_bytes(b"")
    tls._refresh()
    volume.write(server_of(ca, seed="renewed"), ca)
    tls._refresh()
    assert registry.get_sample_value("kubelb_xds_tls_reloads_total") == 1
    assert registry.get_sample_value("kubelb_xds_tls_reload_failures_total") == 1
    without = CollectorRegistry()
    without.register(ServerMetrics({}, None))
    assert without.get_sample_value("kubelb_xds_tls_reloads_total") is None
