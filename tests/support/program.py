"""A program that runs as a child process for as long as a test needs it, and never longer."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

from xds.app.demo.waiting import NotSeenError, poll

START_WITHIN = 60.0
"""Seconds for a program to be ready: etcd needs a tenth of one, the API server three; other tests use the machine too."""

_STOP_WITHIN = 10.0
_SHOWN = 20
"""Lines of a log that an error quotes."""
_LAUNCHER = Path(__file__).parents[2] / "xds" / "app" / "demo" / "_run_with_parent.py"


class StartError(RuntimeError):
    """A program did not start, or ended by itself; the text quotes its log."""


class Program:
    """One process, whose output goes into a file; dies with this process."""

    def __init__(self, binary: Path, log: Path) -> None:
        self.binary = binary
        self.log = log
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, arguments: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        """Start it, in this process's environment unless told another.

        Call it from the main thread: Linux ends the process when the thread ends that started it.
        """
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603 — built by us
                [sys.executable, "-I", "-S", _LAUNCHER, str(os.getpid()), self.binary, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the tests
                env=environment,
            )

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self.process is not None
        self.process.send_signal(number)

    async def end(self, number: signal.Signals) -> None:
        """Send a signal and wait for the end; one that does not obey, or is paused, is killed."""
        if self.process is None:
            return
        self.send(number)
        try:
            await asyncio.to_thread(self.process.wait, _STOP_WITHIN)
        except subprocess.TimeoutExpired:
            self.send(signal.SIGKILL)
            await asyncio.to_thread(self.process.wait, _STOP_WITHIN)

    async def until(self, probe: Callable[[], Awaitable[str]], what: str) -> None:
        """Wait until the probe answers "ok". Raises `StartError`."""
        assert self.process is not None
        process = self.process

        async def ask() -> str:
            return "ended" if process.poll() is not None else await probe()

        try:
            answer = await poll(ask, {"ok", "ended"}.__contains__, within=START_WITHIN, what=what)
        except NotSeenError as error:
            raise StartError(f"{error}\n{self.tail()}") from None
        if answer == "ended":
            raise StartError(f"{self.binary.name} ended with {process.returncode}\n{self.tail()}")

    def tail(self) -> str:
        """Return the end of its log."""
        lines = self.log.read_text(errors="replace").splitlines()[-_SHOWN:]
        return "\n".join([f"The end of {self.log}:", *lines])
