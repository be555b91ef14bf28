"""Ends a demo by Ctrl-C or another signal, in good order: what was started is ended, and the exit code names the signal.

It does not know what is played.
"""

import asyncio
import signal
from collections.abc import Callable, Coroutine
from typing import Any, Final

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


async def until_signal(play: Coroutine[Any, Any, int], stopped: Callable[[], None]) -> int:
    """Play to the end or to the first signal, and return the exit code: 128 + n after signal n, unless the play returned one then.

    `stopped` is called when a signal came. Those that follow are ignored, since ending takes a few seconds at most.
    """
    playing = asyncio.create_task(play)
    came: list[int] = []

    def stop(number: int) -> None:
        if not came:
            playing.cancel()
        came.append(number)

    loop = asyncio.get_running_loop()
    for number in SIGNALS:
        loop.add_signal_handler(number, stop, number)
    try:
        code = await playing
    except asyncio.CancelledError:
        if not came:
            raise
        code = 128 + came[0]
    if came:
        stopped()
    return code
