"""`kubelb-xds demo`: plays the demo from its first line to its last, and leaves nothing behind.

Whatever ends it (its last row, Ctrl-C, SIGTERM, a fault), what was started is ended, and its folder removed. This module knows neither what
is to be seen nor how it looks.
"""

import asyncio
import tempfile
import time
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import uvloop

from xds.app import logs
from xds.app.demo.envoy import EnvoyExitedError, EnvoyMissingError, envoy_binary
from xds.app.demo.examples import EXAMPLES, prepare
from xds.app.demo.ports import Ports
from xds.app.demo.rows import SCENES, perform
from xds.app.demo.screen import CONTROL_PLANE_LOG, Screen
from xds.app.demo.signals import until_signal
from xds.app.demo.stage import on_stage
from xds.app.errors import UserError


def run_demo(*, keep: bool) -> int:
    """Play the demo and return the exit code: 0 when every row is as expected, 1 when not, 128 + n after signal n.

    With `keep`, everything goes on running after the table until a signal comes; the exit code is the table's. Raises `UserError` when
    something is missing that only the user can bring: the examples, or Envoy.
    """
    try:
        envoy_binary()
    except EnvoyMissingError as error:
        raise UserError(str(error)) from None
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        screen = Screen()
        return runner.run(until_signal(_play(keep=keep, screen=screen), screen.stopped))


async def _play(*, keep: bool, screen: Screen) -> int:
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="kubelb-xds-demo-") as folder:
        directory = Path(folder)
        screen.begin()
        with (directory / CONTROL_PLANE_LOG).open("w", encoding="utf-8") as log:
            logs.configure(log_format="json", stream=log)
            try:
                return await _play_rows(directory, keep=keep, screen=screen, began=began)
            except (EnvoyExitedError, OSError) as error:
                screen.failed(error)
                screen.complaints(directory)
                return 1


async def _play_rows(directory: Path, *, keep: bool, screen: Screen, began: float) -> int:
    """Set up, play, show. Raises `EnvoyExitedError` or `OSError` when something does not start."""
    ports = Ports()
    examples = prepare(EXAMPLES, ports, directory / "examples")
    screen.replaced(ports.replaced)
    async with AsyncExitStack() as stack:
        with screen.busy("Starting backends, the control plane and Envoy"):
            stage = await stack.enter_async_context(on_stage(examples, directory))
            info = await stage.envoy.admin.server_info()
        screen.started(stage, envoy=info.version, seconds=time.monotonic() - began)
        with screen.busy("Sending bytes through Envoy"):
            rows = [await perform(scene, stage) for scene in SCENES]
        screen.table(rows)
        refused = stage.updates.refused
        screen.finished(rows, refused, seconds=time.monotonic() - began)
        well = not refused and all(row.as_expected for row in rows)
        if not well:
            screen.complaints(directory)
        if keep:
            screen.what_to_try(stage, directory)
            with suppress(asyncio.CancelledError):  # the signal that ends it
                await asyncio.Event().wait()
        return 0 if well else 1
