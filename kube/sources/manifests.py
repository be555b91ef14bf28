"""Folders of manifests as a source: what their files say is what the store holds.

A folder is edited by hand, by scripts and by kubelet, and must never be taken by its word too early. So a
change counts once it holds still, what cannot be read or understood keeps the last that could, and only what
is certainly gone is removed. Everything that is noticed together reaches the store in one transaction, so
that a port may move from one file to another. Looking, reading and parsing are done in a thread; what they
found is put together on the event loop.

It does not know what the objects mean.
"""

import asyncio
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, TypeAlias

import structlog

from kube.informer.store import Store
from kube.objects import ObjectRef
from kube.sources.claims import Claims, FileKey
from kube.sources.folder import Identity, Look, Stamp, contents, look_at
from kube.sources.parsed import Unparsable
from kube.sources.problems import Problem, Problems, printable
from kube.sources.reading import Entry, Reading, read
from kube.sources.watch import FolderWatch

SOURCE: Final = "manifests"
"""The name under which the store waits for this source."""

RESCAN: Final = 10.0
"""Seconds after which everything is looked at even if no event came."""

SETTLE: Final = 0.02
"""Seconds for which a changed file has to hold still before it is read: editors truncate, then write."""

SETTLE_GONE: Final = 0.15
"""The same for a file that is gone or empty: scripts delete, then copy; a shell's `>` precedes its command."""

MAX_LOOKS: Final = 10
"""Looks after which what holds still is taken although something else does not."""

EXCHANGED_FOR_EMPTY: Final = (
    "an empty folder is in its place, as when a mount is gone: put a manifest into it"
)

log: structlog.typing.FilteringBoundLogger = structlog.get_logger("kube.sources")

_Difference: TypeAlias = dict[FileKey, Stamp | None]
"""The files that are not as they were when they were read last; None for one that is gone."""

_Outcome: TypeAlias = Reading | Unparsable | OSError


class ManifestSource:
    """Reads the manifests of some folders into a store, and follows what becomes of them.

    Of an object that several files give, the first file counts, in the order of the folders and then of the
    paths. `clock` gives the seconds that the store is told, `rescan` is the time in seconds after which
    everything is looked at even if no event came. The store does not count as synced until `run` has read
    everything.
    """

    def __init__(
        self,
        folders: Sequence[Path],
        store: Store,
        *,
        clock: Callable[[], float] = time.monotonic,
        rescan: float = RESCAN,
    ) -> None:
        self._folders = tuple(folders)
        self._store = store
        self._clock = clock
        self._rescan = rescan
        self._directories: Mapping[Path, Identity | None] = {}
        self._roots: dict[int, Identity | None] = {}
        self._stamps: dict[FileKey, Stamp] = {}
        self._claims = Claims()
        self._problems = Problems(self._path)
        store.expect(SOURCE)

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What is wrong with files and folders now: what is not read, not parsed, or given twice.

        What is wrong with an object is among the store's `invalid`.
        """
        return self._problems.all()

    def load(self) -> None:
        """Read every folder into the store once.

        Raises OSError when a folder is not there (FileNotFoundError), is none (NotADirectoryError) or cannot
        be listed. What is wrong with a file is among the problems.
        """
        for folder in self._folders:
            _require_folder(folder)
        for _ in range(MAX_LOOKS):
            look = self._look_again()
            difference = self._difference(look)
            outcomes = self._read(difference)
            self._take(look, difference, outcomes)
            if _is_complete(difference, outcomes):
                return

    async def run(self) -> None:
        """Read every folder, tell the store that this source has synced, and follow changes until cancelled.

        Raises what `load` raises, before it begins. From then on nothing that becomes of a folder ends it.
        """
        self.load()
        self._store.mark_synced(SOURCE)
        async with FolderWatch() as watch:
            all_taken = True
            while True:
                await watch.changed(self._directories, within=self._rescan if all_taken else 0)
                all_taken = await self._catch_up()

    async def _catch_up(self) -> bool:
        """Take what changed and holds still; return whether that is all that changed."""
        look, difference, all_steady = await self._settled()
        outcomes = await asyncio.to_thread(self._read, difference)
        self._take(look, difference, outcomes)
        return all_steady and _is_complete(difference, outcomes)

    async def _settled(self) -> tuple[Look, _Difference, bool]:
        """Look until two looks in a row agree about what changed; return that, and whether they did."""
        look = await asyncio.to_thread(self._look_again)
        difference = self._difference(look)
        steady = difference
        for _ in range(MAX_LOOKS):
            if not difference:
                break
            gone_or_empty = any(stamp is None or not stamp.size for stamp in difference.values())
            await asyncio.sleep(SETTLE_GONE if gone_or_empty else SETTLE)
            look = await asyncio.to_thread(self._look_again)
            before, difference = difference, self._difference(look)
            steady = {
                key: stamp for key, stamp in difference.items() if key in before and before[key] == stamp
            }
            if steady == difference == before:
                break
        return look, steady, steady == difference

    def _look_again(self) -> Look:
        """Look at the folders, and hide one that was exchanged for an empty one.

        That is what a mount that is gone, or a copy that has only begun, looks like.
        """
        look = look_at(self._folders)
        for index, folder in enumerate(self._folders):
            if (
                look.directories.get(folder) not in {None, self._roots.get(index)}
                and not any(key.folder == index for key in look.files)
                and any(key.folder == index for key in self._stamps)
            ):
                look.hidden[FileKey(index, "")] = EXCHANGED_FOR_EMPTY
        return look

    def _difference(self, look: Look) -> _Difference:
        """Return what is not as it was read last."""
        stamps = self._stamps
        difference: _Difference = {
            key: stamp for key, stamp in look.files.items() if stamps.get(key) != stamp
        }
        for key in stamps.keys() - look.files.keys():
            if not look.hides(key):
                difference[key] = None
        return difference

    def _read(self, difference: _Difference) -> dict[FileKey, _Outcome]:
        """Read and parse what is there, less what does not hold still."""
        outcomes: dict[FileKey, _Outcome] = {}
        for key, stamp in difference.items():
            if stamp is None:
                continue
            try:
                data = contents(self._path(key), stamp)
                if data is not None:
                    outcomes[key] = read(data, is_json=key.path.endswith(".json"))
            except (Unparsable, OSError) as error:
                outcomes[key] = error
        return outcomes

    def _take(self, look: Look, difference: _Difference, outcomes: Mapping[FileKey, _Outcome]) -> None:
        """Make what was found the present state: the store's, in one transaction, and the problems'."""
        given: dict[FileKey, Mapping[ObjectRef, Entry]] = {}
        unseen = dict(look.hidden)
        for key, stamp in difference.items():
            outcome = outcomes.get(key)
            if stamp is None:
                given[key] = {}
                del self._stamps[key]
                self._problems.gone(key)
            elif isinstance(outcome, OSError):
                unseen[key] = f"cannot be read: {outcome.strerror}"
            elif outcome is not None:
                self._stamps[key] = stamp
                before = self._claims.of_file(key)
                if isinstance(outcome, Unparsable):
                    self._problems.unparsable(key, outcome, kept=len(before))
                else:
                    self._problems.read(key, outcome)
                    # What could not be named may be one of those that were here.
                    given[key] = {**before, **outcome.entries} if outcome.strays else outcome.entries
        self._directories = look.directories
        for index, folder in enumerate(self._folders):
            if FileKey(index, "") not in look.hidden:
                self._roots[index] = look.directories.get(folder)
        self._problems.unseen(unseen)
        if given:
            delta = self._claims.update(given)
            self._problems.duplicates(self._claims.duplicates())
            changes = self._store.apply(
                now=self._clock(), upserts=delta.upserts, removals=delta.removals, invalid=delta.invalid
            )
            log.info("manifests read", files=len(given), changes=len(changes))

    def _path(self, key: FileKey) -> Path:
        return self._folders[key.folder] / key.path


def _is_complete(difference: _Difference, outcomes: Mapping[FileKey, _Outcome]) -> bool:
    """Return whether everything that is there held still until it was read."""
    return all(stamp is None or key in outcomes for key, stamp in difference.items())


def _require_folder(folder: Path) -> None:
    """Raise OSError, in words for a user, when a folder cannot be listed."""
    try:
        with os.scandir(folder):
            return
    except FileNotFoundError:
        raise FileNotFoundError(
            f"the manifests folder {printable(folder)} does not exist: create it, or name another"
        ) from None
    except NotADirectoryError:
        raise NotADirectoryError(
            f"{printable(folder)} is no folder: name the folder that holds the manifests"
        ) from None
    except OSError as error:
        raise type(error)(
            f"the manifests folder {printable(folder)} cannot be listed: {error.strerror}"
        ) from None
