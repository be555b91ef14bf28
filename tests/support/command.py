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

from xds.app.demo.waiting import Journal

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

    The ops and admin listeners and the status page take any free port, so that tests run beside each other.
    """
    kept = {key: value for key, value in os.environ.items() if not key.startswith("KUBELB_XDS_")}
    ours = {
        "PYTHONPATH": str(ROOT),
        "NO_COLOR": "1",
        "COLUMNS": "80",
        "KUBELB_XDS_OPS_ADDRESS": "127.0.0.1:0",
        "KUBELB_XDS_ADMIN_ADDRESS": "127.0.0.1:0",
        "KUBELB_XDS_STATUS_PAGE_ADDRESS": "127.0.0.1:0",
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
    """A `kubelb-xds serve` that logs JSON to stderr: ``lines`` is what it has logged so far."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.lines: Journal[dict[str, Any]] = Journal("what kubelb-xds serve logs")
        self._heard = 0
        self._is_over = False
        self._reading = asyncio.create_task(self._read())

    async def logged(self, event: str, *, within: float = WITHIN) -> dict[str, Any]:
        """Wait until it logs a line whose event begins like this, after the one that was returned last; return the line."""

        def place() -> int | None:
            places = range(self._heard, len(self.lines))
            return next((each for each in places if self.lines[each]["event"].startswith(event)), None)

        await self.lines.until(
            lambda: place() is not None or self._is_over, within=within, what=f"a line {event!r}"
        )
        found = place()
        if found is None:
            raise AssertionError(f"ended without logging {event!r}: {[*self.lines]}")
        self._heard = found + 1
        return self.lines[found]

    async def has_logged(self, event: str, count: int = 1, *, within: float = WITHIN) -> list[dict[str, Any]]:
        """Wait until its log has this many lines whose event begins like this, whatever it said between; return those lines."""

        def found() -> list[dict[str, Any]]:
            return [line for line in self.lines if line["event"].startswith(event)]

        await self.lines.until(
            lambda: len(found()) >= count or self._is_over, within=within, what=f"{count} lines {event!r}"
        )
        assert len(found()) >= count, f"ended without logging {event!r}: {[*self.lines]}"
        return found()

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    async def ended(self) -> tuple[int, str]:
        """Wait until it ends, and return its exit code (negative: the signal that killed it) and what it wrote to stdout."""
        assert self._process.stdout is not None
        async with asyncio.timeout(WITHIN):
            stdout = await self._process.stdout.read()
            await self._reading
            return await self._process.wait(), stdout.decode()

    async def end(self) -> None:
        """Kill it if it is still there."""
        if self._process.returncode is None:
            self.send(signal.SIGKILL)
        await self.ended()

    async def _read(self) -> None:
        assert self._process.stderr is not None
        try:
            async for line in self._process.stderr:
                self.lines.add(json.loads(line))
        finally:
            self._is_over = True
            self.lines.touch()


@asynccontextmanager
async def serving(
    arguments: Sequence[str] = (), code: str = MAIN, command: str = "serve", **variables: str
) -> AsyncIterator[Serving]:
    """Run `kubelb-xds serve`, or another command that serves, on a port of its own, and kill it if it is still there at the end."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", code, command, *arguments),
        env=environment(KUBELB_XDS_ADDRESS="127.0.0.1:0") | variables,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=1 << 20,
    )
    server = Serving(process)
    try:
        yield server
    finally:
        await server.end()
