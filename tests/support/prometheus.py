"""Debian's promtool, as whoever writes rules uses it; a test that needs it is skipped where it is missing, and CI takes no skip."""

import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

WITHIN: Final = 60.0
MISSING: Final = "there is no promtool: apt-get install --no-install-recommends prometheus"

needs_promtool: Final = pytest.mark.skipif(shutil.which("promtool") is None, reason=MISSING)
"""Marks a test that asks promtool, or the Prometheus that comes with it."""


def promtool(*arguments: str | Path, text: str = "") -> str:
    """Run it, and return what it says on both outputs; a complaint of it is a failure of the test."""
    done = subprocess.run(  # noqa: S603 — the arguments are the test's
        [shutil.which("promtool") or "promtool", *arguments],
        input=text,
        capture_output=True,
        text=True,
        timeout=WITHIN,
        check=False,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    return said
