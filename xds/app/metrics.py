"""What Prometheus is told of the program: its informers, what is served and what is written back, as they are when it asks.

Nothing is counted here: who does something counts for himself, and this gives the counts names. The names are an interface that
dashboards and alerts rely on; ``docs/metrics.md`` has all of them. What a server tells of itself is in ``xds.admin``.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import metadata
from typing import Final, NamedTuple

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from kube.informer.status import InformerStatus
from kube.informer.store import Store
from kube.objects import KINDS
from xds.admin.rows import Rows
from xds.admin.server_metrics import add_histogram
from xds.admin.tally import Histogram
from xds.app.pipeline import Pipeline

DISTRIBUTION: Final = "kubelb-xds"

BUILD_BOUNDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Seconds: one LoadBalancer takes less than a millisecond, 10,000 at the start some seconds."""

_LABELS: Final = ("kind", "namespace")


class WritingStatus(NamedTuple):
    """What is written back into the cluster, at one moment: whether this replica leads, and what became of writes.

    ``outcomes`` counts attempts since the program's start by kind and outcome: ``written``, or why not. ``waiting`` and
    ``refused`` (given up until they change) are numbers of objects now.
    """

    leading: bool
    outcomes: Mapping[tuple[str, str], int]
    waiting: int
    refused: int


def registry_of(
    informers: Callable[[], Iterable[InformerStatus]], *collectors: Collector
) -> CollectorRegistry:
    """Return a registry of its own for one process: what runs, its informers, which are asked at each scrape, and the collectors'."""
    registry = CollectorRegistry()
    for collect in (ProcessCollector, PlatformCollector, GCCollector):
        collect(registry=registry)
    for collector in (_BuildInfo(), _Informers(informers), *collectors):
        registry.register(collector)
    return registry


class _BuildInfo(Collector):
    """The version of what runs."""

    def collect(self) -> Iterator[Metric]:
        """Yield one sample, of value 1."""
        try:
            version = metadata.version(DISTRIBUTION)
        except metadata.PackageNotFoundError:
            version = "unknown"
        info = GaugeMetricFamily(
            "kubelb_xds_build_info",
            "Always 1; the label has the version that runs. Count by it to see a rollout.",
            labels=("version",),
        )
        info.add_metric((version,), 1)
        yield info


class _Informers(Collector):
    """How each informer is."""

    def __init__(self, informers: Callable[[], Iterable[InformerStatus]]) -> None:
        self._informers = informers

    def collect(self) -> Iterator[Metric]:
        """Yield every family that has samples, one for each informer."""
        synced = GaugeMetricFamily(
            "kubelb_xds_informer_synced",
            "1 once the informer has listed everything, 0 before. Nothing is served until LoadBalancer, Addresses and Secret"
            " are 1; what is served stays when the API server goes away, so this stays 1.",
            labels=_LABELS,
        )
        objects = GaugeMetricFamily(
            "kubelb_xds_informer_objects",
            "Objects that the informer knows now. A sudden fall to 0 is an API server that lost its data.",
            labels=_LABELS,
        )
        lists = CounterMetricFamily(
            "kubelb_xds_informer_lists",
            "Complete lists of all objects. More than a few an hour means that watches do not last.",
            labels=_LABELS,
        )
        watches = CounterMetricFamily(
            "kubelb_xds_informer_watches",
            "Watches opened. The API server ends each after some minutes in good order; a faster rise is a connection"
            " that breaks.",
            labels=_LABELS,
        )
        failing = GaugeMetricFamily(
            "kubelb_xds_informer_failing",
            "1 while its last list or watch has failed and no other has succeeded since. What is served stays; changes do not"
            " arrive. The log says why.",
            labels=_LABELS,
        )
        events = CounterMetricFamily(
            "kubelb_xds_informer_events",
            "Changes of objects that watches reported.",
            labels=_LABELS,
        )
        failures = CounterMetricFamily(
            "kubelb_xds_informer_failures",
            "Lists and watches that failed, by reason. The last state is served on; a rise without an end means that"
            " changes do not arrive.",
            labels=(*_LABELS, "reason"),
        )
        large_removals = CounterMetricFamily(
            "kubelb_xds_informer_large_removals",
            "Lists that lacked more than half of the objects known before. Each is worth a look: was it meant?",
            labels=_LABELS,
        )
        for informer in self._informers():
            labels = (informer.kind, informer.namespace)
            synced.add_metric(labels, informer.synced)
            failing.add_metric(labels, bool(informer.error))
            objects.add_metric(labels, informer.objects)
            lists.add_metric(labels, informer.lists)
            watches.add_metric(labels, informer.watches)
            events.add_metric(labels, informer.events)
            large_removals.add_metric(labels, informer.large_removals)
            for reason, count in informer.failures.items():
                failures.add_metric((*labels, reason), count)
        families = (synced, failing, objects, lists, watches, events, failures, large_removals)
        yield from (family for family in families if family.samples)


class Served(Collector):
    """What there is to serve, and what became of it: the store's objects, LoadBalancers and their CAs."""

    def __init__(self, store: Store, pipeline: Pipeline, builds: Histogram) -> None:
        """Take what is told of; ``builds`` has the seconds that the pipeline's flushes took."""
        self._store = store
        self._pipeline = pipeline
        self._builds = builds

    def collect(self) -> Iterator[Metric]:
        """Yield every family."""
        yield GaugeMetricFamily(
            "kubelb_xds_source_synced",
            "1 once everything was read, from folders or the API server, 0 before: until then no Envoy is answered. It stays 1 when"
            " the source goes away, as does what is served.",
            value=self._store.synced,
        )
        yield from self._objects()
        yield from self._loadbalancers()
        builds = HistogramMetricFamily(
            "kubelb_xds_snapshot_build_seconds",
            "How long it took to make snapshots of changed objects: translation, encoding, and telling the streams. Changes that"
            " come together are one build.",
            labels=(),
        )
        add_histogram(builds, (), self._builds)
        yield builds

    def _objects(self) -> Iterator[Metric]:
        objects = GaugeMetricFamily(
            "kubelb_xds_source_objects",
            "Objects that are in use, whatever source they come from.",
            labels=("kind",),
        )
        invalid = GaugeMetricFamily(
            "kubelb_xds_source_invalid_objects",
            "Objects whose newest version cannot be used. The last good one is served, if there was one; the log names the field.",
            labels=("kind",),
        )
        faulty = Counter(ref.kind for ref in self._store.invalid)
        for kind in KINDS:
            objects.add_metric((kind,), len(self._store.of_kind(kind)))
            invalid.add_metric((kind,), faulty[kind])
        yield from (objects, invalid)

    def _loadbalancers(self) -> Iterator[Metric]:
        ports = Rows(
            "gauge",
            "kubelb_xds_loadbalancer_ports",
            "Ports of LoadBalancers, by what protects the way from Envoy to the backends. Connections to those that are fail-closed"
            " are reset: `kubelb-xds explain` says why.",
            labels=("tenant", "tls"),
        )
        ca = Rows(
            "gauge",
            "kubelb_xds_ca_expiry_timestamp_seconds",
            "When the first certificate in the ca.crt of a LoadBalancer with policy Verify expires, in seconds since 1970. From then on"
            " Envoy refuses every backend whose certificate chains to it.",
            labels=("tenant", "loadbalancer"),
        )
        crl = Rows(
            "gauge",
            "kubelb_xds_crl_expiry_timestamp_seconds",
            "When the first CA of a LoadBalancer with CRLs is left without one in force, in seconds since 1970. From then on Envoy"
            " refuses every backend whose certificate that CA has issued.",
            labels=("tenant", "loadbalancer"),
        )
        protection: Counter[tuple[str, str]] = Counter()
        for ref, translation in self._pipeline.translations.items():
            for port in translation.ports:
                protection[ref.namespace, port.tls] += 1
            if translation.ca_expires is not None:
                ca.add_metric((ref.namespace, ref.name), translation.ca_expires.timestamp())
            if translation.crl_expires is not None:
                crl.add_metric((ref.namespace, ref.name), translation.crl_expires.timestamp())
        for labels, number in protection.items():
            ports.add_metric(labels, number)
        yield from (ports, ca, crl)


class Writing(Collector):
    """How the writing goes; nothing is said of it where nothing is written."""

    def __init__(self, writing: Callable[[], WritingStatus | None]) -> None:
        self._writing = writing

    def collect(self) -> Iterator[Metric]:
        """Yield every family."""
        status = self._writing()
        if status is None:
            return
        yield GaugeMetricFamily(
            "kubelb_xds_leading",
            "1 while this replica holds the lease and writes, else 0. Their sum over all replicas is 1, but for some seconds"
            " after a leader was killed.",
            value=status.leading,
        )
        writes = CounterMetricFamily(
            "kubelb_xds_writes",
            "Attempts to write into the cluster, by what is written (LoadBalancer: its status; ledger: a tenant's listener"
            " ports) and by outcome: written, or why not. http_409 is a conflict, and is repeated.",
            labels=("kind", "outcome"),
        )
        for labels, count in status.outcomes.items():
            writes.add_metric(labels, count)
        if writes.samples:
            yield writes
        yield GaugeMetricFamily(
            "kubelb_xds_writes_waiting",
            "Objects that are to be written or are being written. It stays near 0; the leader writes 50 a second.",
            value=status.waiting,
        )
        yield GaugeMetricFamily(
            "kubelb_xds_writes_refused",
            "Objects that are not written any more until they change: the API server forbids it, or finds them invalid.",
            value=status.refused,
        )
