"""`serve`: runs the control plane until a signal says stop, and says in one line what keeps it from starting.

What is served and how is known to the control plane; this is the process around it.
"""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import structlog
import uvloop

from xds.admin import PATHS, AdminServer, OpsServer
from xds.app.address import listen_address
from xds.app.control_plane import ControlPlane, tls_files
from xds.app.errors import UserError
from xds.app.settings import OFF, ServeSettings
from xds.server import AddressError

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)

log: structlog.typing.FilteringBoundLogger = structlog.get_logger("xds.app")


def serve(settings: ServeSettings) -> int:
    """Serve until SIGTERM or SIGINT, drain, and return the exit code. Raises UserError when it cannot start.

    A second signal ends the process at once.
    """
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            runner.run(_serve(settings))
        except UserError:
            raise
        except Exception:  # the process ends, and the log has the traceback
            log.exception("stopped by a fault of the program")
            return 1
    return 0


async def _serve(settings: ServeSettings) -> None:
    stop = asyncio.Event()
    _stop_at_signals(stop)
    control_plane = ControlPlane(settings)
    async with (
        _ops(control_plane, settings.ops_address) as ops_address,
        _admin(control_plane, settings) as admin_address,
    ):
        try:
            await control_plane.start()
        except OSError as error:
            raise UserError(str(error)) from None
        try:
            if ops_address:
                log.info("serving ops", address=ops_address, paths=" ".join(PATHS))
            if admin_address:
                log.info("serving admin", address=admin_address)
            if settings.tls_cert is None and not listen_address(settings.xds_address).is_loopback:
                log.warning(
                    "xDS is plaintext and asks nobody who they are: whoever reaches this address reads every tenant's"
                    " configuration; --tls-cert, --tls-key and --tls-client-ca mend it",
                    address=settings.xds_address,
                )
            await control_plane.run(stop)
        finally:
            await control_plane.stop()


@asynccontextmanager
async def _ops(control_plane: ControlPlane, address: str) -> AsyncIterator[str]:
    """Answer probes and scrapes, from before the control plane starts until after it has stopped; yield where, if anywhere."""
    if address == OFF:
        yield ""
        return
    ops = OpsServer(registry=control_plane.registry, unready=control_plane.unready)
    try:
        port = await ops.start(address)
    except AddressError as error:
        raise UserError(f"{error}: give --ops-address another one, or {OFF}") from None
    try:
        yield f"{address.rpartition(':')[0]}:{port}"
    finally:
        await ops.stop()


@asynccontextmanager
async def _admin(control_plane: ControlPlane, settings: ServeSettings) -> AsyncIterator[str]:
    """Answer those who run it, for as long as `_ops` answers; yield where, if anywhere."""
    address = settings.admin_address
    if address == OFF:
        yield ""
        return
    tls = tls_files(settings, settings.admin_client_ca)
    admin = AdminServer(
        unready=control_plane.unready,
        services=control_plane.admin_services,
        credentials=tls.credentials() if tls else None,
    )
    try:
        port = await admin.start(address)
    except AddressError as error:
        raise UserError(f"{error}: give --admin-address another one, or {OFF}") from None
    following = asyncio.create_task(tls.follow(), name="admin TLS files") if tls else None
    try:
        yield f"{address.rpartition(':')[0]}:{port}"
    finally:
        if following is not None:
            following.cancel()
        await admin.stop()


def _stop_at_signals(stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()

    def begin() -> None:
        stop.set()
        for number in SIGNALS:
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)

    for number in SIGNALS:
        loop.add_signal_handler(number, begin)
