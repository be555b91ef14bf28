"""Programs in a process of their own: what is imported, and what a pool holds, stays so for a process's life."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
SECONDS = 60


def run(program: str) -> bytes:
    """Run a Python program in the checkout and return what it prints; fail with its traceback."""
    result = subprocess.run(  # noqa: S603 — the programs are the tests' own
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, timeout=SECONDS, check=False
    )
    assert result.returncode == 0, result.stderr.decode()
    return result.stdout
