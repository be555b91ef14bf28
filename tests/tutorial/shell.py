"""Types commands into a shell as the tutorial's reader does, and keeps what they print.

Each cluster has a shell, in which `kubectl` is the real one and speaks to that cluster. It does not know what the commands mean.
"""

import asyncio
import os
import re
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from xds.app.demo.waiting import NotSeenError, poll

BOUND: Final = 30.0
"""Seconds within which anything has come that is to come: it takes one or two on a machine that has nothing else to do."""

_EVERY = 0.25


@dataclass(frozen=True, slots=True)
class Typed:
    """A command and what it printed, stderr included; `holds` tells whether that is as it should be.

    Of one that is `brief` only the number of lines is of interest.
    """

    side: str
    command: str
    printed: str
    holds: bool
    brief: bool = False


class Shell:
    """A shell in a folder, where `kubectl` is for one cluster, `side`, as its kubeconfig has it."""

    def __init__(self, side: str, folder: Path, programs: Path, kubeconfig: Path) -> None:
        self.side = side
        self.kubeconfig = kubeconfig
        self._folder = folder
        self._environment: Mapping[str, str] = {
            **os.environ,
            "PATH": f"{programs}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            "KUBECONFIG": str(kubeconfig),
            "KUBECACHEDIR": str(folder / f".{side}-cache"),
        }

    async def does(self, command: str, *, brief: bool = False) -> Typed:
        """Type a command that is to succeed."""
        code, printed = await self._run(command)
        return Typed(self.side, command, printed, code == 0, brief)

    async def shows(self, command: str, pattern: str) -> Typed:
        """Type a command, again if need be, until this regular expression is found in what it prints."""
        return await self._until(command, re.compile(pattern))

    async def prints(self, command: str, text: str) -> Typed:
        """Type a command, again if need be, until it prints exactly this."""
        return await self._until(command, re.compile(rf"\A{re.escape(text)}\Z"))

    async def _until(self, command: str, pattern: re.Pattern[str]) -> Typed:
        answers = [""]

        async def probe() -> bool:
            code, printed = await self._run(command)
            answers.append(printed)
            return code == 0 and pattern.search(printed) is not None

        try:
            await poll(probe, bool, within=BOUND, what=command, every=_EVERY)
        except NotSeenError:
            return Typed(
                self.side, command, f"{answers[-1]}\nexpected: {pattern.pattern}".strip(), holds=False
            )
        return Typed(self.side, command, answers[-1], holds=True)

    async def _run(self, command: str) -> tuple[int, str]:
        # Not asyncio's own: of a process that is started as the loop is cancelled it complains on stderr (Python 3.11).
        process = subprocess.Popen(  # noqa: ASYNC220, S603 — starting it does not wait
            ["sh", "-c", command],  # noqa: S607
            cwd=self._folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for the demo
        )
        ending = asyncio.ensure_future(asyncio.to_thread(process.communicate))
        try:
            async with asyncio.timeout(BOUND):
                printed, _ = await asyncio.shield(ending)
        except TimeoutError:
            return 1, f"no end within {BOUND:g} s"
        finally:
            if not ending.done():
                os.killpg(process.pid, signal.SIGKILL)
                await asyncio.shield(ending)
        return process.returncode, printed.decode(errors="replace").strip()
