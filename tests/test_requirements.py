"""What the image installs is what pyproject.toml allows, each release pinned and known by its hashes."""

import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
PINNED = (ROOT / "requirements.txt").read_text(encoding="utf-8")
ENTRY = re.compile(
    r"^(?P<pin>[a-z0-9-]+==[^\\\n]+?) \\\n(?P<hashes>(?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)",
    re.MULTILINE,
)


def pins() -> dict[str, str]:
    """Return the version of each distribution; those for some platforms only are among them."""
    found = [Requirement(match["pin"]) for match in ENTRY.finditer(PINNED)]
    return {each.name: str(each.specifier).removeprefix("==") for each in found}


def test_each_release_has_hashes() -> None:
    """Every line that is no comment belongs to an entry with a version and its hashes."""
    left = ENTRY.sub("", PINNED)
    assert [line for line in left.splitlines() if line.strip() and not line.lstrip().startswith("#")] == []
    assert len(pins()) > 30


def test_no_address_is_in_it() -> None:
    """Where packages come from is for whoever installs them."""
    assert not re.search(r"://|--(extra-)?index-url|--find-links|--trusted-host", PINNED)


def test_it_is_what_the_project_asks_for() -> None:
    """Every dependency of the project is pinned to a version within its range."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    versions = pins()
    for text in project["dependencies"]:
        requirement = Requirement(text)
        name = requirement.name.lower().replace("_", "-")
        assert name in versions, f"{name} is not pinned: make requirements"
        assert requirement.specifier.contains(versions[name]), f"{name}: make requirements"
