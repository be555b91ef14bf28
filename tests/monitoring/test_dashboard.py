"""The Grafana dashboard as a file: what Grafana asks of one, and that it fits the metrics."""

import re
from collections.abc import Iterator
from itertools import combinations

from tests.monitoring.files import Json, dashboard, panels
from tests.support.command import ROOT

DOCS = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
WIDTH = 24
"""Columns of Grafana's grid."""
ANY_DATA_SOURCE = {"type": "prometheus", "uid": "${datasource}"}


def sources(of: object) -> Iterator[Json]:
    """Yield every data source that is named anywhere in a part of a dashboard."""
    if isinstance(of, dict):
        for key, value in of.items():
            if key == "datasource":
                yield value
            yield from sources(value)
    elif isinstance(of, list):
        for value in of:
            yield from sources(value)


def test_it_can_be_imported_anywhere() -> None:
    """It has a schema's version and an id that never changes, and no data source of its own: that is a variable."""
    found = dashboard()
    assert (found["uid"], found["title"]) == ("kubelb-xds", "kubelb-xds")
    assert found["schemaVersion"] >= 36
    assert "id" not in found
    first, *others = found["templating"]["list"]
    assert (first["name"], first["type"], first["query"]) == ("datasource", "datasource", "prometheus")
    assert [each["name"] for each in others] == ["job", "tenant"]
    named = list(sources(found))
    assert len(named) > 50
    assert all(each == ANY_DATA_SOURCE for each in named)


def test_each_panel_has_its_own_id_and_place() -> None:
    """No two have one id or title, none lies over another one, and none is wider than the grid."""
    found = panels()
    for key in ("id", "title"):
        names = [panel[key] for panel in found]
        assert len(names) == len(set(names))
    places = [(panel["title"], panel["gridPos"]) for panel in found]
    for (one, a), (other, b) in combinations(places, 2):
        apart = (
            a["x"] + a["w"] <= b["x"]
            or b["x"] + b["w"] <= a["x"]
            or a["y"] + a["h"] <= b["y"]
            or b["y"] + b["h"] <= a["y"]
        )
        assert apart, (one, other)
    assert all(place["x"] + place["w"] <= WIDTH for _, place in places)


def test_each_panel_says_what_it_shows() -> None:
    """Every panel but a row has a description, a unit where it is no table, and queries with ids of their own."""
    for panel in panels():
        if panel["type"] == "row":
            continue
        assert panel["description"].endswith("."), panel["title"]
        refs = [target["refId"] for target in panel["targets"]]
        assert refs
        assert len(refs) == len(set(refs))
        assert panel["type"] in {"table", "heatmap"} or panel["fieldConfig"]["defaults"]["unit"]


def test_every_metric_is_on_it() -> None:
    """Each metric of the documented tables is on a panel, but the informers' own count of what the source's has; and no other."""
    shown = {
        re.sub(r"_(bucket|count|sum)$", "", metric)
        for panel in panels()
        for target in panel.get("targets", ())
        for metric in re.findall(r"kubelb_\w+", target["expr"])
    }
    documented = set(re.findall(r"^\| `(kubelb_\w+)` \|", DOCS, re.MULTILINE))
    assert documented - shown == {"kubelb_xds_informer_synced", "kubelb_xds_informer_objects"}
    assert shown <= documented
