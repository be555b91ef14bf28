"""When it is worth looking at folders again.

inotify tells what changes in a directory within milliseconds, and three things it does not tell: that a
directory on the way was exchanged for another (the watch stays with the old one, and is silent), that a queue
overflowed, and what other machines do on a network file system. So each directory's identity is looked at
several times a second, and everything from time to time. Where the system has no watches left, time alone has
to do.

It does not know what a manifest is: what it says is "look", never what there is to see.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import Final, Self

import structlog
import watchfiles
from watchfiles.main import FileChange

from kube.sources.folder import Identity

STEP: Final = 10
"""Milliseconds without a further event that end a burst; also how often watchfiles looks for the first."""

BURST: Final = 50
"""Milliseconds after which a burst is reported even if it goes on."""

TICK: Final = 250
"""Milliseconds between two looks at the directories' identities."""

POLL: Final = 0.5
"""Seconds between two looks where nothing can be watched."""

RETRY: Final = 10.0
"""Seconds between two attempts at watching where nothing can be watched."""

log: structlog.typing.FilteringBoundLogger = structlog.get_logger("kube.sources")


class FolderWatch:
    """Waits for directories to change, for one task. As a context manager it ends its watches."""

    def __init__(self) -> None:
        self._watched: Mapping[Path, Identity | None] = {}
        self._events: AsyncGenerator[set[FileChange], None] | None = None
        self._blind = False
        self._next_attempt = 0.0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._close()

    async def changed(self, directories: Mapping[Path, Identity | None], *, within: float) -> None:
        """Return when something may have changed in directories, and within so many seconds (and a tick).

        `directories` are what the last look saw, with None for one that was not there. When they are other
        ones than in the call before, it returns at the first tick: what changed between the look and the
        watch is seen then.
        """
        now = asyncio.get_running_loop().time
        if now() < self._next_attempt:
            await asyncio.sleep(min(POLL, within))
            return
        if directories != self._watched:
            await self._close()
            self._watched = directories
        until = now() + (within if self._events else 0)
        self._events = self._events or _watch(directories)
        try:
            while not (changes := await anext(self._events)):
                if now() >= until or await asyncio.to_thread(self._is_exchanged):
                    break
        except FileNotFoundError:  # a directory went between the look and the watch
            await self._close()
            await asyncio.sleep(TICK / 1000)
        except (OSError, RuntimeError, ExceptionGroup) as error:
            # Each of the system's limits comes out of watchfiles as another kind of error.
            await self._close()
            self._next_attempt = now() + RETRY
            self._note_blind(error.exceptions[0] if isinstance(error, ExceptionGroup) else error)
        else:
            self._note_seeing()
            gone = {Path(path) for kind, path in changes if kind is watchfiles.Change.deleted}
            if not gone.isdisjoint(path.absolute() for path in self._watched):
                # The watch is dead, even if a directory of the same name and inode is there already.
                await self._close()

    def _is_exchanged(self) -> bool:
        return any(Identity.at(path) != identity for path, identity in self._watched.items())

    def _note_blind(self, error: Exception) -> None:
        if not self._blind:
            log.warning(
                "the folders cannot be watched: looking at them twice a second instead",
                reason=str(error),
                remedy="raise fs.inotify.max_user_watches and fs.inotify.max_user_instances with sysctl",
            )
        self._blind = True

    def _note_seeing(self) -> None:
        if self._blind:
            log.info("the folders are watched again")
        self._blind = False

    async def _close(self) -> None:
        if self._events is not None:
            await self._events.aclose()
            self._events = None


def _watch(directories: Mapping[Path, Identity | None]) -> AsyncGenerator[set[FileChange], None]:
    """Return the events in directories, and an empty set at each tick.

    Not recursive: watchfiles would follow a link to anywhere, `/` included, and a directory that is exchanged
    below another one would be as silent as the topmost.
    """
    return watchfiles.awatch(
        *(path for path, identity in directories.items() if identity is not None),
        watch_filter=None,
        step=STEP,
        debounce=BURST,
        rust_timeout=TICK,
        yield_on_timeout=True,
        recursive=False,
        ignore_permission_denied=False,  # True leaves out what cannot be watched, for any reason, in silence
    )
