"""Where CI is set a skip is a failure; elsewhere it is a skip."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

TESTS = """
import pytest

@pytest.mark.skip(reason="by a mark")
def test_a(): pass

def test_b(): pytest.skip("by itself")

@pytest.fixture
def fixture(): pytest.skip("in a fixture")

def test_c(fixture): pass

@pytest.mark.xfail
def test_expected_to_fail(): assert False

def test_that_passes(): pass
"""
FILE = "import pytest; pytest.skip('a whole file', allow_module_level=True)"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with tests that are skipped in every way there is, and with two that are not."""
    tmp_path.joinpath("test_some.py").write_text(TESTS)
    tmp_path.joinpath("test_file.py").write_text(FILE)
    return tmp_path


def run(folder: Path, ci: str) -> str:
    """Run the folder's tests with the plugin and with this value of CI, and return what pytest prints."""
    others = [f"-pno:{plugin}" for plugin in ("asyncio", "cacheprovider", "hypothesispytest")]
    ended = subprocess.run(  # noqa: S603 — pytest itself
        [
            sys.executable,
            "-m",
            "pytest",
            *others,
            "-ptests.support.no_skips",
            "-c",
            os.devnull,
            "--rootdir",
            folder,
            folder,
        ],
        env=os.environ | {"CI": ci, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    return ended.stdout


def test_a_skip_in_ci_fails(folder: Path) -> None:
    """In CI a skip of any kind is a failure that says the skip's reason; a failure that is expected is no skip."""
    printed = run(folder, ci="true")
    assert "1 error" in printed  # the file, of which no test was collected: pytest stops there
    assert "A skip in CI is a failure" in printed
    assert "a whole file" in printed
    folder.joinpath("test_file.py").unlink()
    printed = run(folder, ci="true")
    assert (
        "1 failed, 1 passed, 1 xfailed, 2 errors" in printed
    )  # an error is a failure outside the test itself
    for reason in ("by a mark", "by itself", "in a fixture"):
        assert reason in printed


def test_a_skip_elsewhere(folder: Path) -> None:
    """Outside CI a skip is a skip."""
    assert "1 passed, 4 skipped, 1 xfailed" in run(folder, ci="")
