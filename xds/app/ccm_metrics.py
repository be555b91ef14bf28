"""What Prometheus is told of a cloud controller manager: its informers and its queue, as they are when it asks.

The names are an interface that dashboards and alerts rely on.
"""

from collections.abc import Callable, Iterable, Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from kube.ccm.manager import Stats
from kube.informer.status import InformerStatus
from xds.app import metrics


def registry_of(
    informers: Callable[[], Iterable[InformerStatus]], stats: Callable[[], Stats]
) -> CollectorRegistry:
    """Return a registry of its own for one cloud controller manager; both are asked at each scrape."""
    registry = metrics.registry_of(informers)
    registry.register(_Manager(stats))
    return registry


class _Manager(Collector):
    """What it has to do, and did."""

    def __init__(self, stats: Callable[[], Stats]) -> None:
        self._stats = stats

    def collect(self) -> Iterator[Metric]:
        """Yield every family."""
        found = self._stats()
        gauges = {
            "leading": (found.leading, "1 on the replica that writes, 0 on the others."),
            "services": (
                found.services,
                "Services of type LoadBalancer that are taken.",
            ),
            "orphans": (
                found.orphans,
                (
                    "LoadBalancers in the tenant's namespace without a Service. Those of this cluster go within seconds: what stays"
                    " was written for another cluster of the same name, and its deletion is for an operator."
                ),
            ),
            "node_addresses": (
                found.addresses,
                "Addresses of Ready nodes. At 0 the last list stays in use.",
            ),
            "queue": (
                found.queue.waiting,
                "Services that wait to be worked on, those under way and those that are repeated among them.",
            ),
            "refused": (
                found.queue.refused,
                (
                    "Services for which an API server does not take what is to be written. The log says why; they are tried again"
                    " once a minute."
                ),
            ),
        }
        for name, (value, text) in gauges.items():
            yield GaugeMetricFamily(f"kubelb_ccm_{name}", text, value=value)
        yield CounterMetricFamily(
            "kubelb_ccm_reconciliations",
            "Times that a Service was worked on to the end. Nothing to do is none.",
            value=found.queue.writes,
        )
        failures = CounterMetricFamily(
            "kubelb_ccm_failures",
            "Times that it failed, by reason. A rise without an end means that changes do not get through.",
            labels=("reason",),
        )
        for reason, count in found.queue.failures.items():
            failures.add_metric((reason,), count)
        if failures.samples:
            yield failures
