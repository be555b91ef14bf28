"""Plays the tutorial from its first step to its last, and leaves nothing behind, whatever ends it.

It knows neither what is to be seen nor how it looks.
"""

import asyncio
import tempfile
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack, suppress
from pathlib import Path

from tests.envtest.assets import assets
from tests.support.go_programs import ProgramsError
from tests.support.program import StartError
from tests.tutorial.cast import Cast
from tests.tutorial.screen import Screen
from tests.tutorial.stage import CCM_LOG, COMMANDS, CONTROL_PLANE_LOG, SERVICE, SetUpError, Stage, on_stage
from tests.tutorial.steps import STEPS, Seen, holds
from xds.app.demo.backends import Backend
from xds.app.demo.envoy import EnvoyExitedError, EnvoyMissingError
from xds.app.demo.evidence import Evidence
from xds.app.demo.signals import until_signal

_FAILURES = (StartError, SetUpError, EnvoyMissingError, EnvoyExitedError, OSError)


def run_tutorial(*, keep: bool = False, commands: Mapping[str, str] = COMMANDS) -> int:
    """Play it and return the exit code: 0 when every step is as expected, 1 when not, 128 + n after signal n.

    With `keep`, everything goes on running before the last step, which deletes the Service, until a signal comes. `commands` has the
    Python code of `serve` and `ccm`.
    """
    screen = Screen()
    try:
        programs = assets(screen.line)
    except ProgramsError as error:
        screen.failed(error)
        return 1
    except KeyboardInterrupt:
        screen.stopped()
        return 130
    play = _play(programs, commands, keep=keep, screen=screen)
    with asyncio.Runner() as runner:
        return runner.run(until_signal(play, screen.stopped))


async def _play(programs: Path, commands: Mapping[str, str], *, keep: bool, screen: Screen) -> int:
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="kubelb-xds-tutorial-") as directory:
        folder = Path(directory)
        screen.begin()
        try:
            code = await _play_steps(programs, folder, commands, keep=keep, screen=screen, began=began)
        except _FAILURES as error:
            screen.failed(error)
            code = 1
        if code:
            screen.complaints((name, _lines(folder / name)) for name in (CONTROL_PLANE_LOG, CCM_LOG))
        return code


def _lines(log: Path) -> list[str]:
    return log.read_text(encoding="utf-8", errors="replace").splitlines() if log.exists() else []


async def _play_steps(
    programs: Path, folder: Path, commands: Mapping[str, str], *, keep: bool, screen: Screen, began: float
) -> int:
    """Set up, play, show. Raises `_FAILURES` when something does not start."""
    cast = Cast.made()
    async with AsyncExitStack() as stack:
        with screen.busy("Starting two API servers, the CCM, the control plane and Envoy"):
            backend = await stack.enter_async_context(Backend(SERVICE, identity=cast.self_signed))
            stage = await stack.enter_async_context(on_stage(programs, folder, backend, commands))
        return await _perform(stage, cast, keep=keep, screen=screen, began=began)


async def _perform(stage: Stage, cast: Cast, *, keep: bool, screen: Screen, began: float) -> int:
    info = await stage.envoy.admin.server_info()
    version = await stage.tenant.does("kubectl version | sed -n 's/Server Version: //p'")
    screen.started(stage, api_server=version.printed, envoy=info.version, seconds=time.monotonic() - began)
    steps = STEPS[:-1] if keep else STEPS
    for number, step in enumerate(steps, 1):
        screen.step(number, step)
        seen: list[Seen] = []
        try:
            async for each in step.play(stage, cast):
                seen.append(each)
                screen.seen(each)
        except OSError as error:  # NotSeenError and AdminError are such
            seen.append(Evidence("missing", str(error), holds=False))
            screen.seen(seen[-1])
        if not holds(seen):
            screen.different(number, step)
            return 1
    screen.finished(len(steps), seconds=time.monotonic() - began)
    if keep:
        screen.what_to_try(stage)
        with suppress(asyncio.CancelledError):  # the signal that ends it
            await asyncio.Event().wait()
    return 0
