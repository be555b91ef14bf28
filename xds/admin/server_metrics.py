"""What Prometheus is told of a server: its snapshots, streams and Envoys as they are when it asks, what was counted, how streams end.

The names are an interface that dashboards and alerts rely on; ``docs/metrics.md`` has all of them. Labels are bounded: types are the
well-known ones and ``other``, tenants those that have a resource, and ``(unknown)`` for whatever else a client asks for.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from xds.admin.rows import Rows
from xds.admin.tally import UNKNOWN, Histogram, Tally, type_label
from xds.protocol import Envoy
from xds.server import TlsFiles, XdsServer
from xds.snapshot import SnapshotCache

ACK_BOUNDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0)
"""Seconds: an Envoy ACKs within milliseconds, and a cluster that cannot warm after 15 s."""

_LABELS: Final = ("tenant", "type")


class _Row:
    """One tenant's state of one type, all of its Envoys together. ``waits_since`` is by the streams' clock."""

    __slots__ = ("acks", "nacks", "pushes", "refused", "resources", "waits_since")

    def __init__(self) -> None:
        self.resources = self.pushes = self.acks = self.nacks = self.refused = 0
        self.waits_since: float | None = None


class ServerMetrics(Collector):
    """Collects them from a server and its cache, on the event loop of both."""

    def __init__(
        self,
        server: XdsServer,
        cache: SnapshotCache,
        *,
        clock: Callable[[], float],
        tls: TlsFiles | None = None,
    ) -> None:
        """Count from now on. ``clock`` is the event loop's, by which streams take their times; ``tls`` are the server's files, if any."""
        self._server = server
        self._cache = cache
        self._clock = clock
        self._tls = tls
        self._tally = Tally(self._known, ACK_BOUNDS)
        server.observe(self._tally)

    def _known(self, tenant: str) -> bool:
        """Whether a tenant has something to serve. In plaintext any client can make a tenant that has nothing, by its name."""
        snapshot = self._cache.get(tenant)
        return snapshot is not None and not snapshot.is_empty

    def collect(self) -> Iterator[Metric]:
        """Yield every family."""
        known = [tenant for tenant in self._cache.tenants if self._known(tenant)]
        yield from self._connections(known)
        yield from self._types(known)
        yield self._push_to_ack()
        yield from self._ends()
        if self._tls is not None:
            yield from _certificate(self._tls)

    def _envoys(self) -> Iterator[tuple[str, tuple[Envoy, ...]]]:
        """Yield the Envoys that are connected, by the tenant's label."""
        delivery = self._server.delivery
        for tenant in delivery.tenants:
            yield tenant if self._known(tenant) else UNKNOWN, delivery.envoys(tenant)

    def _connections(self, known: list[str]) -> Iterator[Metric]:
        envoys, streams = dict.fromkeys(known, 0), dict.fromkeys(known, 0)
        for tenant, connected in self._envoys():
            envoys[tenant] = envoys.get(tenant, 0) + len(connected)
            streams[tenant] = streams.get(tenant, 0) + sum(len(envoy.streams) for envoy in connected)
        for name, text, numbers in (
            (
                "envoys",
                "Envoys that are connected to this replica. A tenant that has 0 on all of them is served by nobody.",
                envoys,
            ),
            (
                "streams",
                "Streams that are open: one for each Envoy with ADS, one for each type, or each cluster's endpoints, without.",
                streams,
            ),
        ):
            family = Rows("gauge", f"kubelb_xds_{name}", text, labels=("tenant",))
            for tenant, number in numbers.items():
                family.add_metric((tenant,), number)
            yield family

    def _rows(self, known: list[str]) -> Mapping[tuple[str, str], _Row]:
        """Return a row for all that is served, from the start, so that a first NACK is a rise."""
        self._tally.forget()
        rows: defaultdict[tuple[str, str], _Row] = defaultdict(_Row)
        for tenant in known:
            snapshot = self._cache.get(tenant)
            assert snapshot is not None  # noqa: S101 — it is known
            for type_url in snapshot.types:
                rows[tenant, type_label(type_url)].resources += len(snapshot.get(type_url) or ())
        for tenant, of_type, counts in self._tally.counts():
            row = rows[tenant, of_type]
            row.pushes, row.acks, row.nacks = counts.pushes, counts.acks, counts.nacks
        for tenant, envoys in self._envoys():
            for envoy in envoys:
                _add(rows, tenant, envoy)
        return rows

    def _types(self, known: list[str]) -> Iterator[Metric]:
        resources = Rows(
            "gauge",
            "kubelb_xds_resources",
            "Resources that are served now, by type: clusters are CDS, endpoints EDS, listeners LDS.",
            labels=_LABELS,
        )
        pushes = Rows(
            "counter",
            "kubelb_xds_pushes",
            "Responses that were written to Envoys. One may bring many resources; equal content is not sent again.",
            labels=_LABELS,
        )
        acks = Rows(
            "counter",
            "kubelb_xds_acks",
            "Responses that Envoys have taken. It follows the pushes; an Envoy that is behind ACKs only the newest of several.",
            labels=_LABELS,
        )
        nacks = Rows(
            "counter",
            "kubelb_xds_nacks",
            "Responses that Envoys have refused. The log has their words, and so has `kubelb-xds status`.",
            labels=_LABELS,
        )
        refused = Rows(
            "gauge",
            "kubelb_xds_refused_resources",
            "Resources that connected Envoys refuse now, once for each Envoy: it keeps what it had before, if anything, until the"
            " content changes.",
            labels=_LABELS,
        )
        age = Rows(
            "gauge",
            "kubelb_xds_unacked_push_age_seconds",
            "For how long the oldest push waits that an Envoy has neither ACKed nor refused, 0 when all have answered. A cluster is"
            " ACKed once it is warm, after 15 s at most; an Envoy above that is stale.",
            labels=_LABELS,
        )
        now = self._clock()
        for labels, row in self._rows(known).items():
            resources.add_metric(labels, row.resources)
            pushes.add_metric(labels, row.pushes)
            acks.add_metric(labels, row.acks)
            nacks.add_metric(labels, row.nacks)
            refused.add_metric(labels, row.refused)
            age.add_metric(labels, 0 if row.waits_since is None else max(0.0, now - row.waits_since))
        yield from (resources, pushes, acks, nacks, refused, age)

    def _push_to_ack(self) -> Metric:
        family = HistogramMetricFamily(
            "kubelb_xds_push_to_ack_seconds",
            "How long Envoys took to ACK, from the moment at which the response was made. It has the network, and of clusters the"
            " time until they are warm.",
            labels=("type",),
        )
        for of_type, histogram in self._tally.push_to_ack.items():
            add_histogram(family, (of_type,), histogram)
        return family

    def _ends(self) -> Iterator[Metric]:
        ended = CounterMetricFamily(
            "kubelb_xds_streams_ended",
            "Streams that have ended, by gRPC status. Identities that were refused are two of them: PERMISSION_DENIED, the client's"
            " certificate does not name the tenant that was asked for; UNAUTHENTICATED, it has expired since. A rise of either is a"
            " wrong configuration or somebody who is curious.",
            labels=("status",),
        )
        # From the start, so that a first one is a rise.
        ends: dict[Any, int] = {"PERMISSION_DENIED": 0, "UNAUTHENTICATED": 0}
        for status, count in (ends | dict(self._server.ended)).items():
            ended.add_metric((status,), count)
        yield ended


def _add(rows: Mapping[tuple[str, str], _Row], tenant: str, envoy: Envoy) -> None:
    """Add what one Envoy refuses and has not answered to the rows."""
    for refusal in envoy.refusals:
        rows[tenant, type_label(refusal.type_url)].refused += 1
    for type_url in envoy.types:
        since = envoy.waits_since(type_url)
        if since is not None:
            row = rows[tenant, type_label(type_url)]
            row.waits_since = since if row.waits_since is None else min(row.waits_since, since)


def add_histogram(family: HistogramMetricFamily, labels: tuple[str, ...], histogram: Histogram) -> None:
    """Add a histogram to a family."""
    family.add_metric(labels, histogram.buckets, histogram.total)


def _certificate(tls: TlsFiles) -> Iterator[Metric]:
    yield GaugeMetricFamily(
        "kubelb_xds_tls_certificate_expiry_timestamp_seconds",
        "When the certificate that the server shows now expires, in seconds since 1970.",
        value=tls.expires.timestamp(),
    )
    yield CounterMetricFamily(
        "kubelb_xds_tls_reloads",
        "New certificates, keys and client authorities that were taken from the files.",
        value=tls.reloads,
    )
    yield CounterMetricFamily(
        "kubelb_xds_tls_reload_failures",
        "Changes of the files that were not taken, because they were half written or do not fit together. What was"
        " before stays in force; the log names the file.",
        value=tls.failures,
    )
