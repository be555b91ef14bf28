"""What the image installs: all that pyproject.toml asks for, in versions that it takes, each file of them by its hash."""

import re
import tomllib
from collections.abc import Mapping
from typing import NamedTuple

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.command import ROOT

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
RUNTIME, BUILD = "requirements.txt", "requirements-build.txt"
WANTED: Mapping[str, list[str]] = {
    RUNTIME: PYPROJECT["project"]["dependencies"],
    BUILD: PYPROJECT["build-system"]["requires"],
}
ITSELF = "kubelb-xds (pyproject.toml)"
"""What uv notes beside a package that pyproject.toml names, and not only another package; nothing where the names are piped in."""
REMEDY = "run `make requirements`, and commit what it writes"


class Pin(NamedTuple):
    """A package in a requirements file: version, hashes, who asks for it."""

    version: str
    hashes: frozenset[str]
    asked_for_by: frozenset[str]


def read(file: str) -> dict[str, Pin]:
    """Return the pins of a file by name; a line that is nothing of a pin is a fault."""
    text = (ROOT / file).read_text(encoding="utf-8")
    blocks = re.split(r"\n(?=\S)", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).rstrip("\n"))
    pins = {}
    for block in blocks:
        match = re.fullmatch(
            r"(?P<name>[a-z0-9-]+)==(?P<version>\S+)(?: ; [^\n\\]+)? \\"
            r"(?P<hashes>(?:\n    --hash=sha256:[0-9a-f]{64}(?: \\)?)+)"
            r"(?:\n    # via(?P<via>(?: .+|(?:\n    #   .+)+)))?",
            block,
        )
        assert match, f"{file} has a block that is no pinned package with hashes, or more than that: {block}"
        via = frozenset(filter(None, (line.strip(" #") for line in (match["via"] or ITSELF).split("\n"))))
        pins[match["name"]] = Pin(
            match["version"], frozenset(re.findall("[0-9a-f]{64}", match["hashes"])), via
        )
    return pins


@pytest.mark.parametrize("file", WANTED)
def test_the_pins_fit_what_is_asked_for(file: str) -> None:
    """Each requirement of pyproject.toml is pinned to a version that it takes."""
    pins = read(file)
    for requirement in map(Requirement, WANTED[file]):
        pin = pins.get(canonicalize_name(requirement.name))
        assert pin is not None, f"{file} lacks {requirement}: {REMEDY}"
        assert requirement.specifier.contains(pin.version), (
            f"{file} has {requirement.name} {pin.version}, and pyproject.toml asks for {requirement}: {REMEDY}"
        )


@pytest.mark.parametrize("file", WANTED)
def test_nothing_is_pinned_that_nobody_asks_for(file: str) -> None:
    """A package is there because pyproject.toml names it, or because another one needs it that is there."""
    pins = read(file)
    named = {name for name, pin in pins.items() if ITSELF in pin.asked_for_by}
    assert named == {canonicalize_name(Requirement(each).name) for each in WANTED[file]}, REMEDY
    for name, pin in pins.items():
        assert pin.asked_for_by - {ITSELF} <= pins.keys(), f"{file}: {name}: {REMEDY}"


@pytest.mark.parametrize("file", WANTED)
def test_no_line_leads_anywhere(file: str) -> None:
    """The files hold neither options, such as an index's address, nor packages by address or path."""
    text = (ROOT / file).read_text(encoding="utf-8")
    assert "://" not in text
    assert not [line for line in text.splitlines() if line.lstrip().startswith("-") and "--hash=" not in line]
    assert " @ " not in text
