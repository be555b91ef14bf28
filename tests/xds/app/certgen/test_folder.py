"""`kubelb-xds certgen` into a folder."""

from pathlib import Path

import pytest

from xds.app.cli import main
from xds.server import TlsFiles

FILES = ["ca/ca.crt", "ca/ca.key"] + [
    f"{entry}/{name}"
    for entry in ("server", "tenants/a", "tenants/b,c")
    for name in ("ca.crt", "tls.crt", "tls.key")
]


def certgen(folder: Path, *options: str) -> int:
    """Run it for two certificates of tenants."""
    return main(["certgen", "--directory", str(folder), "--tenant", "a", "--tenant", "b,c", *options])


def contents(folder: Path) -> dict[str, bytes]:
    """Return what every file holds."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_it_makes_files_and_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each entry is a folder like a mounted Secret, keys are for their owner alone, and a line each says what was made."""
    folder = tmp_path / "certs"
    assert certgen(folder) == 0
    assert sorted(contents(folder)) == sorted(FILES)
    modes = {name: (folder / name).stat().st_mode & 0o777 for name in FILES}
    assert modes == {name: 0o600 if name.endswith(".key") else 0o644 for name in FILES}
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines] == [
        ["wrote", str(folder / entry)] for entry in ("ca", "server", "tenants/a", "tenants/b,c")
    ]
    assert all(line.endswith(": missing") for line in lines)
    server = folder / "server"
    TlsFiles(certificate=server / "tls.crt", key=server / "tls.key", client_ca=server / "ca.crt")


def test_it_overwrites_nothing_that_is_good(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A second run leaves every file alone, and says that it kept them."""
    assert certgen(tmp_path) == 0
    before = {path: path.stat().st_ino for path in tmp_path.rglob("*")}
    capsys.readouterr()
    assert certgen(tmp_path) == 0
    assert {path: path.stat().st_ino for path in tmp_path.rglob("*")} == before
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["kept"] * 4


def test_it_replaces_what_is_missing_and_what_is_forced(tmp_path: Path) -> None:
    """A file that is missing makes one entry anew; --force makes all of them, and leaves no other file behind."""
    assert certgen(tmp_path) == 0
    first = contents(tmp_path)
    (tmp_path / "tenants/a/tls.key").unlink()
    assert certgen(tmp_path) == 0
    second = contents(tmp_path)
    assert {name for name in FILES if first[name] != second[name]} == {
        "tenants/a/tls.crt",
        "tenants/a/tls.key",
    }
    assert certgen(tmp_path, "--force") == 0
    third = contents(tmp_path)
    assert sorted(third) == sorted(FILES)
    assert all(second[name] != third[name] for name in FILES)


def test_a_key_that_others_could_read_is_closed(tmp_path: Path) -> None:
    """A key that is replaced is its owner's alone, whatever the file before allowed."""
    assert certgen(tmp_path) == 0
    (tmp_path / "server/tls.key").chmod(0o644)
    assert certgen(tmp_path, "--force") == 0
    assert (tmp_path / "server/tls.key").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--tenant", "Tenant_A"), "'Tenant_A' cannot be a namespace"),
        (("--server-name", "https://x"), "without a scheme"),
        (("--server-name", "x:18000"), "without a port"),
        (("--days", "0"), "'--days'"),
    ],
)
def test_mistakes_are_one_line(
    tmp_path: Path, options: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What cannot stand in a certificate is refused before anything is made."""
    assert main(["certgen", "--directory", str(tmp_path / "certs"), *options]) == 2
    said = capsys.readouterr().err
    assert says in said
    assert said.count("\n") == 1
    assert not (tmp_path / "certs").exists()


def test_a_folder_that_cannot_be_written_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder that is a file is told by its name, with the remedy."""
    (tmp_path / "file").touch()
    assert certgen(tmp_path / "file") == 2
    assert capsys.readouterr().err.startswith(f"kubelb-xds: {tmp_path}/file/ca")


def test_server_names_come_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the variable names stand with spaces between; another set of names is another certificate."""
    assert certgen(tmp_path) == 0
    monkeypatch.setenv("KUBELB_XDS_CERTGEN_SERVER_NAMES", "xds.test xds.test 10.0.0.1")
    capsys.readouterr()
    assert certgen(tmp_path) == 0
    assert [line for line in capsys.readouterr().out.splitlines() if line.endswith(": other names")] != []
