"""What Prometheus is told of the xDS server, as it is when it asks; a process without one does not load gRPC for it.

The names are an interface that dashboards and alerts rely on.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from xds.server import TlsFiles


class ServerMetrics(Collector):
    """How streams end, and what the server's certificate is.

    ``ended`` counts the streams that have ended, by their status; ``tls`` are the server's files, where it has any.
    """

    def __init__(self, ended: Mapping[Any, int], tls: TlsFiles | None) -> None:
        self._ended = ended
        self._tls = tls

    def collect(self) -> Iterator[Metric]:
        """Yield the counts of refused clients from the start, so that a first one is a rise."""
        ended = CounterMetricFamily(
            "kubelb_xds_streams_ended",
            "Streams that have ended, by gRPC status. PERMISSION_DENIED: the client's certificate does not name the tenant that"
            " was asked for; UNAUTHENTICATED: it has expired since. A rise of either is a wrong configuration or somebody"
            " who is curious.",
            labels=("status",),
        )
        for status, count in ({"PERMISSION_DENIED": 0, "UNAUTHENTICATED": 0} | dict(self._ended)).items():
            ended.add_metric((status,), count)
        yield ended
        if self._tls is None:
            return
        yield GaugeMetricFamily(
            "kubelb_xds_tls_certificate_expiry_timestamp_seconds",
            "When the certificate that the server shows now expires, in seconds since 1970.",
            value=self._tls.expires.timestamp(),
        )
        yield CounterMetricFamily(
            "kubelb_xds_tls_reloads",
            "New certificates, keys and client authorities that were taken from the files.",
            value=self._tls.reloads,
        )
        yield CounterMetricFamily(
            "kubelb_xds_tls_reload_failures",
            "Changes of the files that were not taken, because they were half written or do not fit together. What was"
            " before stays in force; the log names the file.",
            value=self._tls.failures,
        )
