"""``docs/xds-protocol.md`` is true: it lists every rule, and each file that it names has tests of that rule."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
FOLDERS = {"P": "tests/xds/protocol", "S": "tests/xds/snapshot", "V": "tests/xds/server"}
ROWS = re.findall(
    r"^\| (\d+) \| [^|]+ \| (.+) \|$", (ROOT / "docs/xds-protocol.md").read_text(), flags=re.MULTILINE
)
TESTS = {
    (int(number), path.relative_to(ROOT).as_posix())
    for folder in FOLDERS.values()
    for path in (ROOT / folder).glob("test_*.py")
    for number in re.findall(r"def test_rule_(\d\d)_", path.read_text())
}


def test_every_rule_is_listed_once() -> None:
    """The table has the 34 rules in their order."""
    assert [int(number) for number, _ in ROWS] == list(range(1, 35))


def test_the_table_names_the_files_that_have_the_rules_tests() -> None:
    """Each file in a row has a test of the rule, and each file that has one is in the row."""
    listed = {
        (int(number), f"{FOLDERS[folder]}/{name}")
        for number, files in ROWS
        for folder, name in re.findall(r"`([PSV])/(test_\w+\.py)`", files)
    }
    assert listed == TESTS
