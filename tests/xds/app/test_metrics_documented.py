"""docs/metrics.md has every metric, as the programs export it; and promtool finds nothing to say about any."""

import re
from collections.abc import Iterable
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric

from tests.support.command import ROOT
from tests.support.measured import ccm_registry, exposed, measured
from tests.support.prometheus import needs_promtool, promtool

PAGE = ROOT / "docs" / "metrics.md"
OF_THE_CLIENT = ("process_", "python_")
"""How the names begin that prometheus_client gives to what it tells of the process."""
TABLE = re.compile(
    r"(?<=\| metric \| type \| labels \| what it tells \|\n\| --- \| --- \| --- \| --- \|\n)((?:\|.*\n)+)"
)
"""The rows of a table of metrics."""


def rows(families: Iterable[Metric]) -> list[str]:
    """Return the families as lines of the table, sorted."""
    return sorted(map(row, families))


def row(family: Metric) -> str:
    """Return one family as a line of the table."""
    suffix = "_total" if family.type == "counter" else ""
    labels: Iterable[str] = family._labelnames  # type: ignore[attr-defined]
    cells = (
        f"`{family.name}{suffix}`",
        family.type,
        ", ".join(f"`{label}`" for label in labels),
        family.documentation,
    )
    return f"| {' | '.join(cells)} |".replace("|  |", "| |")


def own(registry: CollectorRegistry) -> list[Metric]:
    """Return the families that are the program's own."""
    return [family for family in registry.collect() if not family.name.startswith(OF_THE_CLIENT)]


def tables(text: str) -> list[list[str]]:
    """Return the rows of each table of metrics of a page."""
    return [found.splitlines() for found in TABLE.findall(text)]


def with_tables(text: str, *new: list[str]) -> str:
    """Return a page with these rows in its tables of metrics."""
    lines = iter(new)
    return TABLE.sub(lambda _: "".join(f"{line}\n" for line in next(lines)), text)


async def test_the_page_has_what_is_exported(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    """Each metric of both programs stands in its table with its type, its labels and its help text, and there is no other.

    `make golden` writes the tables anew.
    """
    async with measured(tmp_path) as of:
        serve = rows(own(of.control_plane.registry))
    shared = {family.name for family in own(of.control_plane.registry)}
    ccm = rows(family for family in own(ccm_registry()) if family.name not in shared)
    assert len(serve) > 30
    assert len(ccm) > 5
    text = PAGE.read_text(encoding="utf-8")
    if pytestconfig.getoption("update_golden"):
        text = with_tables(text, serve, ccm)
        PAGE.write_text(text, encoding="utf-8")
    assert tables(text) == [serve, ccm]


@needs_promtool
async def test_promtool_has_nothing_to_say(tmp_path: Path) -> None:
    """Names, types, units and help texts keep Prometheus's own rules, in both programs."""
    async with measured(tmp_path) as of:
        assert promtool("check", "metrics", text=exposed(of.control_plane.registry)) == ""
    assert promtool("check", "metrics", text=exposed(ccm_registry())) == ""
    assert "no help text" in promtool_complaint("bare 1\n")


def promtool_complaint(text: str) -> str:
    """Return what promtool says to metrics that break a rule."""
    with pytest.raises(AssertionError) as complaint:
        promtool("check", "metrics", text=text)
    return str(complaint.value)
