"""`serve`: runs the control plane until a signal says stop, and says in one line what keeps it from starting.

What is served and how is known to the control plane; this is the process around it.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from xds.admin.grpc_admin import AdminServer
from xds.admin.ops import PATHS
from xds.app import process
from xds.app.address import listen_address
from xds.app.control_plane import ControlPlane, tls_files
from xds.app.errors import UserError
from xds.app.settings import OFF, ServeSettings
from xds.listening import AddressError

log: structlog.typing.FilteringBoundLogger = structlog.get_logger("xds.app")


def serve(settings: ServeSettings) -> int:
    """Serve until SIGTERM or SIGINT, drain, and return the exit code. Raises UserError when it cannot start.

    A second signal ends the process at once.
    """
    return process.run(lambda stop: _serve(settings, stop))


async def _serve(settings: ServeSettings, stop: asyncio.Event) -> None:
    control_plane = ControlPlane(settings)
    async with (
        process.ops(control_plane.registry, control_plane.unready, settings.ops_address) as ops_address,
        _admin(control_plane, settings) as admin_address,
        _status_page(control_plane, settings.status_page_address) as page_address,
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
            if page_address:
                log.info("serving the status page", url=f"http://{page_address}/")
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
async def _admin(control_plane: ControlPlane, settings: ServeSettings) -> AsyncIterator[str]:
    """Answer those who run it, for as long as `process.ops` answers; yield where, if anywhere."""
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


@asynccontextmanager
async def _status_page(control_plane: ControlPlane, address: str) -> AsyncIterator[str]:
    """Show it to a browser, for as long as the others answer; yield where, if anywhere."""
    if address == OFF:
        yield ""
        return
    from xds.admin.page_server import PageServer  # noqa: PLC0415 — whoever has no page does not wait for templates
    from xds.app.page.site import StatusPage  # noqa: PLC0415

    site = StatusPage(control_plane)
    server = PageServer(site, look=site.state)
    try:
        port = await server.start(address)
    except AddressError as error:
        raise UserError(f"{error}: give --status-page-address another one, or {OFF}") from None
    try:
        yield f"{address.rpartition(':')[0]}:{port}"
    finally:
        await server.stop()
