"""README's table of conditions: every reason that the code knows has its row, and what a row says is what the code says."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from kube.objects.reasons import REASONS

ROOT = Path(__file__).parents[3]
CODE = (ROOT / "xds/translate", ROOT / "xds/app", ROOT / "kube/controllers")
GOLDEN = ROOT / "tests/golden"


class Row(NamedTuple):
    """One row of the table."""

    condition: str
    status: str
    reason: str
    text: str
    remedy: str


def table() -> list[Row]:
    """Return the rows, without the backticks of the first and the third cell."""
    section = (ROOT / "README.md").read_text(encoding="utf-8").partition("## What the conditions say\n")[2]
    lines = [line for line in section.partition("\n## ")[0].splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]
    return [Row(kind.strip("`"), status, reason.strip("`"), *rest) for kind, status, reason, *rest in cells]


def templates() -> Iterator[str]:
    """Yield every text of the code; what is filled in is an ellipsis."""
    for path in (path for folder in CODE for path in folder.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value
            elif isinstance(node, ast.JoinedStr):
                parts = (part.value if isinstance(part, ast.Constant) else "…" for part in node.values)
                yield "".join(map(str, parts))


TEXTS = [*templates()]


def test_every_reason_has_one_row() -> None:
    """The table has each reason of each condition once, and no other."""
    listed = [(row.condition, row.reason) for row in table()]
    known = [(condition, reason) for condition, reasons in REASONS.items() for reason in reasons]
    assert sorted(listed) == sorted(known)


@pytest.mark.parametrize("row", table(), ids=lambda row: f"{row.condition}-{row.reason}")
def test_what_a_row_quotes_is_said(row: Row) -> None:
    """Each text of a row stands in the code, and there is a remedy."""
    quoted = re.findall(r"`([^`]+)`", row.text)
    assert quoted or row.text in {"\N{EN DASH}", "the NACK, in Envoy's words"}
    for text in quoted:
        assert any(text.strip("… ") in said for said in TEXTS), text
    assert row.remedy


def test_a_status_is_the_one_that_is_written() -> None:
    """Whatever a golden case finds stands in the table with the status that its condition has; a warning's is True."""
    rows = {(row.condition, row.reason): row.status for row in table()}
    seen = set()
    for path in GOLDEN.glob("*/output.yaml"):
        for found in yaml.safe_load(path.read_text(encoding="utf-8"))["load_balancers"].values():
            for condition in found["conditions"]:
                seen.add(key := (condition["type"], condition["reason"]))
                assert rows[key] == condition["status"], path
            for finding in found["findings"]:
                seen.add(key := (finding["condition"], finding["reason"]))
                assert rows[key] == ("False" if finding["level"] == "error" else "True"), path
    assert len(seen) > 20
