"""What every process of ours does that runs until it is told to stop: signals, the ops listener, and how a fault ends it.

Does not know what runs.
"""

import asyncio
import gc
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import structlog
import uvloop
from prometheus_client import CollectorRegistry

from xds.admin.ops import OpsServer
from xds.app.errors import UserError
from xds.app.settings import OFF
from xds.listening import AddressError

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)

log: structlog.typing.FilteringBoundLogger = structlog.get_logger("xds.app")


def run(main: Callable[[asyncio.Event], Coroutine[Any, Any, None]]) -> int:
    """Run ``main`` with what SIGTERM and SIGINT set, and return the exit code. Raises UserError when it cannot start.

    A second signal ends the process at once.
    """
    # What was imported stays, and need not be gone through again and again.
    gc.freeze()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            runner.run(_main(main))
        except UserError:
            raise
        except Exception:  # the process ends, and the log has the traceback
            log.exception("stopped by a fault of the program")
            return 1
    return 0


async def _main(main: Callable[[asyncio.Event], Coroutine[Any, Any, None]]) -> None:
    stop = asyncio.Event()
    _stop_at_signals(stop)
    await main(stop)


@asynccontextmanager
async def ops(
    registry: CollectorRegistry, unready: Callable[[], Mapping[str, str]], address: str
) -> AsyncIterator[str]:
    """Answer probes and scrapes, from before anything starts until after it has stopped; yield where, if anywhere."""
    if address == OFF:
        yield ""
        return
    server = OpsServer(registry=registry, unready=unready)
    try:
        port = await server.start(address)
    except AddressError as error:
        raise UserError(f"{error}: give --ops-address another one, or {OFF}") from None
    try:
        yield f"{address.rpartition(':')[0]}:{port}"
    finally:
        await server.stop()


def _stop_at_signals(stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()

    def begin() -> None:
        stop.set()
        for number in SIGNALS:
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)

    for number in SIGNALS:
        loop.add_signal_handler(number, begin)
