"""What importing the library costs, and that its names are what they are said to be."""

import json
from pathlib import Path

import pytest

import xds
from tests.support.command import ROOT, run

SHOW_MODULES = """
import json, sys
exec(sys.argv[1])
print(json.dumps(sorted(sys.modules)))
"""
LIBRARY = (ROOT / "docs" / "library.md").read_text(encoding="utf-8")


def loaded_by(statement: str) -> set[str]:
    """Return the modules that a new process has loaded after a statement."""
    return set(json.loads(run(statement, code=SHOW_MODULES).stdout))


def test_import_xds_loads_nothing() -> None:
    """Importing the package itself loads what finds its names later, and no other module than Python had anyway."""
    new = loaded_by("import xds") - loaded_by("import importlib, typing")
    assert new == {"xds", "xds.lazy"}


def test_all_names_load_neither_kubernetes_nor_the_command_line() -> None:
    """With every public name loaded there is gRPC, and nothing of Kubernetes or of the program."""
    loaded = loaded_by("from xds import *")
    assert "grpc" in loaded
    foreign = ("kubernetes", "kube", "typer", "watchfiles", "yaml", "xds.app", "xds.translate")
    assert [name for name in foreign if name in loaded] == []


def test_a_types_url_loads_no_messages() -> None:
    """Whoever names a type, or the package of Envoy's messages, has none of the messages in the process."""
    loaded = loaded_by("import xds.messages; from xds import CLUSTER")
    assert [name for name in loaded if name.startswith(("google", "envoy_data_plane"))] == []


def test_resources_load_no_server() -> None:
    """Whoever only builds resources has no server in the process."""
    loaded = loaded_by("from xds import CLUSTER, SnapshotCache, resource_of")
    assert "xds.snapshot" in loaded
    assert "xds.server" not in loaded


@pytest.mark.parametrize("name", xds.__all__)
def test_every_name_is_there_and_documented(name: str) -> None:
    """Each public name is found, is listed by dir(), and stands in docs/library.md."""
    assert getattr(xds, name) is not None
    assert name in dir(xds)
    assert f"`{name}`" in LIBRARY


def test_another_name_is_an_attribute_error() -> None:
    """A name that the library does not have fails as in any module."""
    with pytest.raises(AttributeError, match="module 'xds' has no attribute 'SnapshotCash'"):
        xds.SnapshotCash  # type: ignore[attr-defined]  # noqa: B018


def test_the_package_says_that_it_is_typed() -> None:
    """Type checkers of library users look for py.typed."""
    assert (Path(xds.__file__).parent / "py.typed").is_file()
