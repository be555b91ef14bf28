"""Files in a watched folder are whole at any time."""

import base64
import stat
import time
from pathlib import Path

import pytest
import yaml

from xds.app.demo.manifests import ManifestFolder, secret


def test_a_file_holds_its_documents(tmp_path: Path) -> None:
    """What is put is read back, document by document, and nothing else lies in the folder."""
    folder = ManifestFolder(tmp_path / "new" / "folder")
    folder.put("two.yaml", {"kind": "A"}, {"kind": "B"})
    assert list(yaml.safe_load_all((folder.path / "two.yaml").read_text(encoding="utf-8"))) == [
        {"kind": "A"},
        {"kind": "B"},
    ]
    assert [path.name for path in folder.path.iterdir()] == ["two.yaml"]


def test_a_file_is_replaced_and_not_rewritten(tmp_path: Path) -> None:
    """Whoever has the old file open still reads the old contents: the new ones came by a rename."""
    folder = ManifestFolder(tmp_path)
    folder.put("ca.yaml", {"version": 1})
    with (tmp_path / "ca.yaml").open(encoding="utf-8") as before:
        folder.put("ca.yaml", {"version": 2})
        assert before.read() == "version: 1\n"
    assert (tmp_path / "ca.yaml").read_text(encoding="utf-8") == "version: 2\n"


def test_a_file_is_the_owners_alone(tmp_path: Path) -> None:
    """Nobody else may read a file that may hold a Secret."""
    ManifestFolder(tmp_path).put("ca.yaml", {"version": 1})
    assert stat.S_IMODE((tmp_path / "ca.yaml").stat().st_mode) == 0o600


def test_a_change_tells_its_moment(tmp_path: Path) -> None:
    """Writing and deleting return the moment of the change."""
    folder = ManifestFolder(tmp_path)
    moments = [time.monotonic(), folder.put("ca.yaml", {}), folder.remove("ca.yaml"), time.monotonic()]
    assert moments == sorted(moments)
    assert not list(tmp_path.iterdir())


def test_removing_what_is_not_there_is_an_error(tmp_path: Path) -> None:
    """A file that does not exist cannot be removed unnoticed."""
    with pytest.raises(FileNotFoundError):
        ManifestFolder(tmp_path).remove("missing.yaml")


def test_a_secret_is_encoded_as_kubernetes_encodes_it() -> None:
    """A Secret's values are base64 under `data`, other keys beside `ca.crt` included."""
    manifest = secret("tenant-a", "ca", b"PEM", token=b"x")
    assert manifest["metadata"] == {"name": "ca", "namespace": "tenant-a"}
    assert {key: base64.b64decode(value) for key, value in manifest["data"].items()} == {
        "ca.crt": b"PEM",
        "token": b"x",
    }
