"""Runs the command line in a process of its own, as a user does."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
WITHIN = 30.0
"""Seconds for anything a process is waited for: it imports for a second or two on an idle machine."""

MAIN = "import sys; from xds.app.cli import main; sys.exit(main())"

SETTINGS = """
import sys
import xds.app.serve
from xds.app.cli import main

def serve(settings):
    print(settings)
    return 0

xds.app.serve.serve = serve
sys.exit(main())
"""
"""The command line, which prints the settings in place of serving with them."""


READING = ("--kubernetes", "--read-only", "--listener-ports", "spec")
"""Arguments with which `serve` only reads a cluster where nobody records listener ports."""


def environment(**variables: str) -> dict[str, str]:
    """Return this process's environment without settings of kubelb-xds and without colours, plus these variables.

    The ops and admin listeners take any free port, so that tests run beside each other.
    """
    kept = {key: value for key, value in os.environ.items() if not key.startswith("KUBELB_XDS_")}
    ours = {
        "PYTHONPATH": str(ROOT),
        "NO_COLOR": "1",
        "COLUMNS": "80",
        "KUBELB_XDS_OPS_ADDRESS": "127.0.0.1:0",
        "KUBELB_XDS_ADMIN_ADDRESS": "127.0.0.1:0",
    }
    return kept | ours | variables


def run(*arguments: str, code: str = MAIN, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run `kubelb-xds` with these arguments, or `code` in its place, to its end."""
    return subprocess.run(  # noqa: S603 — our own program
        [sys.executable, "-c", code, *arguments],
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=WITHIN,
        check=False,
    )


class Serving:
    """A `kubelb-xds serve` that logs JSON to stderr."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.lines: list[dict[str, Any]] = []

    async def logged(self, event: str) -> dict[str, Any]:
        """Wait until it logs a line whose event begins like this, and return the line."""
        assert self._process.stderr is not None
        async with asyncio.timeout(WITHIN):
            while line := await self._process.stderr.readline():
                self.lines.append(json.loads(line))
                if self.lines[-1]["event"].startswith(event):
                    return self.lines[-1]
        raise AssertionError(f"ended without logging {event!r}: {self.lines}")

    async def read_on(self) -> None:
        """Read what it logs until it ends, for it would stand still if nobody did."""
        assert self._process.stderr is not None
        while await self._process.stderr.read(1 << 16):
            pass

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    async def ended(self) -> tuple[int, str]:
        """Wait until it ends, and return its exit code (negative: the signal that killed it) and what it wrote to stdout."""
        async with asyncio.timeout(WITHIN):
            stdout, stderr = await self._process.communicate()
        self.lines += map(json.loads, stderr.splitlines())
        assert self._process.returncode is not None
        return self._process.returncode, stdout.decode()


@asynccontextmanager
async def serving(
    arguments: Sequence[str] = (), code: str = MAIN, **variables: str
) -> AsyncIterator[Serving]:
    """Run `kubelb-xds serve` with these arguments on a port of its own, and kill it if it is still there at the end."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", code, "serve", *arguments),
        env=environment(KUBELB_XDS_ADDRESS="127.0.0.1:0") | variables,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield Serving(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()
