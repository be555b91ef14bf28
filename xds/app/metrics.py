"""What Prometheus is told of any of our processes: what runs, its informers and what it writes back, as they are when it asks.

Nothing is counted here: who does something counts for himself, and this gives the counts names. The names are an interface that
dashboards and alerts rely on; ``docs/metrics.md`` has all of them. Of servers and snapshots it knows nothing.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import metadata
from typing import Final, NamedTuple

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from kube.informer.status import InformerStatus

DISTRIBUTION: Final = "kubelb-xds"

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


def version() -> str:
    """Return the version of what runs."""
    try:
        return metadata.version(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        return "unknown"


class _BuildInfo(Collector):
    """The version of what runs."""

    def collect(self) -> Iterator[Metric]:
        """Yield one sample, of value 1."""
        info = GaugeMetricFamily(
            "kubelb_xds_build_info",
            "Always 1; the label has the version that runs. Count by it to see a rollout.",
            labels=("version",),
        )
        info.add_metric((version(),), 1)
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
