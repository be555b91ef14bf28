"""`serve`: runs the control plane until a signal says stop, and says in one line what keeps it from starting.

What is served and how is known to the control plane; this is the process around it.
"""

import asyncio

import structlog

from xds.admin import PATHS
from xds.app import process
from xds.app.address import listen_address
from xds.app.control_plane import ControlPlane
from xds.app.errors import UserError
from xds.app.settings import ServeSettings

log: structlog.typing.FilteringBoundLogger = structlog.get_logger("xds.app")


def serve(settings: ServeSettings) -> int:
    """Serve until SIGTERM or SIGINT, drain, and return the exit code. Raises UserError when it cannot start.

    A second signal ends the process at once.
    """
    return process.run(lambda stop: _serve(settings, stop))


async def _serve(settings: ServeSettings, stop: asyncio.Event) -> None:
    control_plane = ControlPlane(settings)
    async with process.ops(
        control_plane.registry, control_plane.unready, settings.ops_address
    ) as ops_address:
        try:
            await control_plane.start()
        except OSError as error:
            raise UserError(str(error)) from None
        try:
            if ops_address:
                log.info("serving ops", address=ops_address, paths=" ".join(PATHS))
            if not listen_address(settings.xds_address).is_loopback:
                log.warning(
                    "xDS is plaintext and asks nobody who they are: let nothing but your Envoys reach this address, or listen"
                    " on 127.0.0.1",
                    address=settings.xds_address,
                )
            await control_plane.run(stop)
        finally:
            await control_plane.stop()
