"""The two processes of a soak, the server and the crowd of clients, and what can be seen of them from outside.

What is done with them, and what has to hold, is known elsewhere.
"""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

import aiohttp

from bench.soak.world import Spec, World
from tests.support.go_programs import GoPrograms

CROWD: Final = GoPrograms(
    module=Path(__file__).parent / "crowd",
    packages=("./cmd/crowd",),
    programs=("crowd",),
    title="the soak's crowd of clients",
    duration="a minute",
    cache="crowd",
)
_ROOT: Final = Path(__file__).parents[2]
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_LINE: Final = 1 << 24
_ENDS_WITHIN: Final = 20.0
"""Seconds for a process that was told to end; its drain takes two."""


class Usage(NamedTuple):
    """What a process has: seconds of CPU so far, megabytes of memory and open file descriptors now."""

    cpu: float
    memory: float
    descriptors: int

    @classmethod
    def of(cls, pid: int) -> Self:
        """Read it from /proc."""
        process = Path(f"/proc/{pid}")
        fields = (process / "stat").read_text().rpartition(")")[2].split()
        resident = int((process / "statm").read_text().split()[1])
        cpu = (int(fields[11]) + int(fields[12])) / _TICKS
        return cls(cpu, resident * _PAGE / 1e6, len(list((process / "fd").iterdir())))


class Standing(NamedTuple):
    """What the server has at a moment, seen from outside and told by itself; ``objects`` are those of Python that refer to others."""

    memory: float
    descriptors: int
    tasks: int
    envoys: int
    objects: int


class Server:
    """The server's process. ``xds`` is its port, which a later one takes again."""

    def __init__(self, process: asyncio.subprocess.Process, ports: dict[str, int], log: Path) -> None:
        self.process = process
        self.xds = ports["xds"]
        self.log = log
        self._control = f"http://127.0.0.1:{ports['control']}"

    @classmethod
    async def start(cls, world: World, folder: Path, *, port: int = 0) -> Self:
        """Start it with the world as it is. Raises ``RuntimeError`` with the end of its log where it does not start."""
        state, log = folder / "state.json", folder / "server.log"
        state.write_text(json.dumps([spec.written() for spec in world]))
        with log.open("ab") as out:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "bench.soak.server", "--state", str(state), "--port", str(port)),
                cwd=_ROOT,
                stdout=asyncio.subprocess.PIPE,
                stderr=out,
                start_new_session=True,  # Ctrl-C is for the soak, which ends it
            )
        assert process.stdout is not None
        first = await process.stdout.readline()
        if not first:
            raise RuntimeError(f"the server did not start:\n{log.read_text()[-2000:]}")
        return cls(process, json.loads(first), log)

    @property
    def usage(self) -> Usage:
        """What its process has."""
        return Usage.of(self.process.pid)

    async def change(self, specs: Iterable[Spec]) -> None:
        """Tell it LoadBalancers as they are now, in one transaction."""
        await self._ask("/change", [spec.written() for spec in specs])

    async def content(self) -> dict[str, str]:
        """Return what each tenant is to have, as one hash."""
        content: dict[str, str] = await self._ask("/content")
        return content

    async def standing(self) -> Standing:
        """Return what it has now."""
        told = await self._ask("/standing")
        await asyncio.sleep(0.2)  # until this connection is closed at the other end, too
        usage = self.usage
        return Standing(usage.memory, usage.descriptors, told["tasks"], told["envoys"], told["objects"])

    async def _ask(self, page: str, body: Any = None) -> Any:
        # A connection for each question: none is left open that the server would count.
        async with aiohttp.request("POST", self._control + page, json=body) as answer:
            answer.raise_for_status()
            return await answer.json()

    async def stop(self) -> int:
        """Send SIGTERM and return the exit code."""
        self.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(_ENDS_WITHIN):
            return await self.process.wait()

    async def kill(self) -> None:
        """End it if it is still there."""
        if self.process.returncode is None:
            self.process.kill()
            await self.process.wait()


class Crowd:
    """The clients' process. Clients are numbered from 0; client N is of tenant N modulo the number of tenants."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self._asking = asyncio.Lock()

    @classmethod
    async def start(
        cls, program: Path, ports: Iterable[int], *, streams: int, tenants: int, delta: bool = False
    ) -> Self:
        """Start it; nobody is connected yet. With several servers the clients take turns; half speak delta, or all do."""
        process = await asyncio.create_subprocess_exec(
            *(program, "-addresses", ",".join(f"127.0.0.1:{port}" for port in ports)),
            *("-streams", str(streams), "-tenants", str(tenants)),
            *(("-delta",) if delta else ()),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=_LINE,
            start_new_session=True,
        )
        return cls(process)

    async def do(self, what: str, ids: Iterable[int] = (), **more: Any) -> dict[str, Any]:
        """Have clients do something, and return the answer. The commands are in ``crowd/cmd/crowd/main.go``."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        order = json.dumps({"do": what, "ids": list(ids), **more})
        async with self._asking:
            self.process.stdin.write(order.encode() + b"\n")
            answer: dict[str, Any] = json.loads(await self.process.stdout.readline())
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer

    async def kill(self) -> None:
        """End it if it is still there."""
        if self.process.returncode is None:
            self.process.kill()
            await self.process.wait()
