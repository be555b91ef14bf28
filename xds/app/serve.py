"""`serve`: runs the control plane until a signal says stop, and says in one line what keeps it from starting.

What is served and how is known to the control plane; this is the process around it.
"""

import asyncio
import signal
from typing import Final

import structlog
import uvloop

from xds.app.address import listen_address
from xds.app.control_plane import ControlPlane
from xds.app.errors import UserError
from xds.app.settings import ServeSettings

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


def serve(settings: ServeSettings) -> int:
    """Serve until SIGTERM or SIGINT, drain, and return the exit code. Raises UserError when it cannot start.

    A second signal ends the process at once.
    """
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            runner.run(_serve(settings))
        except UserError:
            raise
        except Exception:  # noqa: BLE001 — the process ends, and the log has the traceback
            structlog.get_logger("xds.app").exception("stopped by a fault of the program")
            return 1
    return 0


async def _serve(settings: ServeSettings) -> None:
    stop = asyncio.Event()
    _stop_at_signals(stop)
    control_plane = ControlPlane(settings)
    try:
        await control_plane.start()
    except OSError as error:
        raise UserError(str(error)) from None
    try:
        if not listen_address(settings.xds_address).is_loopback:
            structlog.get_logger("xds.app").warning(
                "xDS is plaintext and asks nobody who they are: let nothing but your Envoys reach this address, or listen"
                " on 127.0.0.1",
                address=settings.xds_address,
            )
        await control_plane.run(stop)
    finally:
        await control_plane.stop()


def _stop_at_signals(stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()

    def begin() -> None:
        stop.set()
        for number in SIGNALS:
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)

    for number in SIGNALS:
        loop.add_signal_handler(number, begin)
