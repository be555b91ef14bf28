"""What Prometheus is told of what there is to serve: the source's objects, LoadBalancers with their CAs, and how long snapshots take.

The names are an interface that dashboards and alerts rely on; ``docs/metrics.md`` has all of them.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Final

from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from kube.informer.store import Store
from kube.objects import KINDS
from xds.admin.rows import Rows
from xds.admin.server_metrics import add_histogram
from xds.admin.tally import Histogram
from xds.app.pipeline import Pipeline

BUILD_BOUNDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Seconds: one LoadBalancer takes less than a millisecond, 10,000 at the start some seconds."""


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
