"""What deploy/monitoring holds, read for tests."""

import json
from collections.abc import Iterator
from typing import Any, Final

import yaml

from tests.support.command import ROOT

FOLDER: Final = ROOT / "deploy" / "monitoring"
RULES: Final = FOLDER / "rules.yaml"
RULES_TEST: Final = FOLDER / "rules_test.yaml"

Json = dict[str, Any]


def alerts() -> list[Json]:
    """Return the alert rules."""
    groups = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def dashboard() -> Json:
    """Return the dashboard."""
    found: Json = json.loads((FOLDER / "dashboard.json").read_text(encoding="utf-8"))
    return found


def panels() -> list[Json]:
    """Return the dashboard's panels, rows among them."""
    found: list[Json] = dashboard()["panels"]
    return found


def queries() -> Iterator[tuple[str, str]]:
    """Yield the title of a panel and a query of it, as Grafana would send it for all jobs and tenants and a range of 5 s."""
    for panel in panels():
        for target in panel.get("targets", ()):
            query: str = target["expr"]
            for variable, value in (("$__rate_interval", "5s"), ("$job", ".*"), ("$tenant", ".*")):
                query = query.replace(variable, value)
            yield panel["title"], query
