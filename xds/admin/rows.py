"""A family of metrics with a sample for each tenant or LoadBalancer, which are tens of thousands.

Who collects adds rows, on the event loop, where nobody is served meanwhile; samples are made of them where they are written, in a
thread: that takes four times as long (``bench/metrics.py``).
"""

from collections.abc import Sequence
from typing import Any, Literal

from prometheus_client.core import Metric
from prometheus_client.samples import Sample


class Rows(Metric):
    """A gauge or a counter by labels; its use is that of prometheus_client's own families."""

    def __init__(
        self, kind: Literal["gauge", "counter"], name: str, documentation: str, labels: Sequence[str]
    ) -> None:
        self._rows: list[tuple[Sequence[str], float]] = []
        self._labelnames = tuple(labels)
        super().__init__(name, documentation, kind)

    def add_metric(self, labels: Sequence[str], value: float) -> None:
        """Add a row: the values of the labels, in their order, and that of the sample."""
        self._rows.append((labels, value))

    @property
    def samples(self) -> list[Sample]:
        """The rows as samples."""
        name = f"{self.name}_total" if self.type == "counter" else self.name
        names = self._labelnames
        return [Sample(name, dict(zip(names, labels, strict=True)), value) for labels, value in self._rows]

    @samples.setter
    def samples(self, _: Any) -> None:
        """Take none: the base class begins with an empty list."""
