"""A demo as a user runs it: a process of its own, whose lines are read, that a signal may end, and of which nothing is to be left."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.support.command import MAIN, ROOT

DEMO = (sys.executable, "-c", MAIN, "demo")
PATIENCE = 30.0
"""Seconds that a whole demo may take after installation, unless told otherwise."""


class Running:
    """The demo in a process of its own, whose temporary files all lie in `folder`."""

    def __init__(self, folder: Path, command: Sequence[str], **environment: str) -> None:
        self.folder = folder
        self._process = subprocess.Popen(  # noqa: S603
            command,
            cwd=ROOT,
            env={**os.environ, "COLUMNS": "80", "TMPDIR": str(folder), **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.lines: list[str] = []

    def read_until(self, beginning: str) -> str:
        """Read lines up to the first that begins so, and return it."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.lines.append(line.rstrip("\n"))
            if line.startswith(beginning):
                return self.lines[-1]
        raise AssertionError(f"no line began with {beginning!r}: {self.lines} {self.ended()}")

    def end(self, number: signal.Signals) -> None:
        """Send a signal."""
        self._process.send_signal(number)

    def ended(self, *, within: float = PATIENCE) -> tuple[int, str]:
        """Read the rest, wait for the end, and return the exit code and what stderr got."""
        out, complaints = self._process.communicate(timeout=within)
        self.lines += out.splitlines()
        return self._process.returncode, complaints

    def kill(self) -> None:
        """End it without asking, if it runs."""
        self._process.kill()
        self._process.communicate()

    @property
    def left(self) -> list[str]:
        """The files and the processes that are left of it: their command lines name the folder."""
        files = [str(path) for path in self.folder.iterdir()]
        processes = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):
                processes.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        return files + [process for process in processes if str(self.folder) in process]


@contextmanager
def running(folder: Path, command: Sequence[str] = DEMO, **environment: str) -> Iterator[Running]:
    """Run a demo, and end it with the block."""
    demo = Running(folder, command, **environment)
    try:
        yield demo
    finally:
        demo.kill()
