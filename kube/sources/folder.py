"""What stands in a folder at one moment, told by names and stamps alone, and the contents of one file.

A look costs one `stat` a file and opens none. What cannot be seen (a folder that is gone, a link into
nothing, a missing permission) is said to be hidden, which is not the same as gone: only what is gone loses
its objects. It does not know what is in the files, nor what was there before.
"""

import os
import stat
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Final, NamedTuple, Self

from kube.sources.claims import FileKey
from kube.sources.parsed import Unparsable

SUFFIXES: Final = (".yaml", ".yml", ".json")

MAX_SIZE: Final = 16 * 1024 * 1024
"""Bytes of a file: some 30,000 LoadBalancers, which take six seconds to parse."""


class Stamp(NamedTuple):
    """What tells two versions of a file apart without reading it; times are in nanoseconds.

    The time of the inode's last change is among it because nobody can set it back, as `rsync -t` does the
    other one, and because it moves when a file becomes readable.
    """

    device: int
    inode: int
    size: int
    modified: int
    changed: int

    @classmethod
    def of(cls, status: os.stat_result) -> Self:
        """Take the stamp from what `stat` says."""
        return cls(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


class Identity(NamedTuple):
    """Which directory a path leads to: one that is deleted and made again is another one."""

    device: int
    inode: int

    @classmethod
    def at(cls, path: Path) -> Self | None:
        """Return what a path leads to now, or None when there is no telling."""
        try:
            status = path.stat()
        except OSError:
            return None
        return cls(status.st_dev, status.st_ino)


class Look(NamedTuple):
    """What stood in the folders at one moment."""

    files: dict[FileKey, Stamp]
    """The manifests that are there."""
    hidden: dict[FileKey, str]
    """The files and directories of which nothing is known, and why; the path of a whole folder is empty."""
    directories: dict[Path, Identity | None]
    """Where something may change: every directory that was listed; None for a folder that could not be."""

    def hides(self, key: FileKey) -> bool:
        """Return whether a file may be there all the same: it, or a directory on its way, is hidden."""
        ways = (key.path, *map(str, PurePosixPath(key.path).parents))
        return any(FileKey(key.folder, "" if way == "." else way) in self.hidden for way in ways)


def look_at(folders: Sequence[Path]) -> Look:
    """Return what stands in some folders and their sub-folders now; it raises nothing.

    Names that begin with a dot are left out: in a mounted ConfigMap or Secret they are Kubernetes' own
    (`..data`), and the names beside them are links to what is in there. Each directory counts once, where it
    is met first. A link to a directory is followed inside its folder only (a mounted volume has such, too):
    one that leads out of it, up to `/` perhaps, is hidden.
    """
    look = Look({}, {}, {})
    for index, folder in enumerate(folders):
        _Walk(look, index, folder).run()
    return look


class _Walk:
    """Adds what stands in one folder to a look."""

    def __init__(self, look: Look, index: int, folder: Path) -> None:
        self._look = look
        self._index = index
        self._folder = folder
        self._real = os.path.realpath(folder)
        self._known = set(look.directories.values())
        self._pending = [""]

    def run(self) -> None:
        while self._pending:
            relative = self._pending.pop()
            try:
                self._enter(relative)
            except OSError as error:
                if not relative:
                    self._look.directories[self._folder] = None
                elif isinstance(error, FileNotFoundError):  # it went since its parent was listed
                    continue
                self._look.hidden[FileKey(self._index, relative)] = (
                    f"the folder cannot be listed: {error.strerror}"
                )

    def _enter(self, relative: str) -> None:
        path = self._folder / relative
        status = path.stat()
        identity = Identity(status.st_dev, status.st_ino)
        if identity in self._known:
            return
        with os.scandir(path) as listed:
            entries = list(listed)
        self._look.directories[path] = identity
        self._known.add(identity)
        inner: list[str] = []
        for entry in entries:
            if entry.name.startswith("."):
                continue
            key = FileKey(self._index, f"{relative}/{entry.name}" if relative else entry.name)
            try:
                if not entry.is_dir():
                    self._add_file(key, entry)
                elif entry.is_symlink() and not self._is_inside(entry.path):
                    self._look.hidden[key] = (
                        "a link that leads out of the folder is not followed: name its target as a folder"
                    )
                else:
                    inner.append(key.path)
            except OSError as error:
                if entry.is_symlink() or not isinstance(error, FileNotFoundError):
                    self._look.hidden[key] = _reason(error)
        self._pending += sorted(inner, reverse=True)

    def _is_inside(self, path: str) -> bool:
        return os.path.commonpath([self._real, os.path.realpath(path)]) == self._real

    def _add_file(self, key: FileKey, entry: os.DirEntry[str]) -> None:
        if not entry.name.endswith(SUFFIXES):
            return
        status = entry.stat()
        if stat.S_ISREG(status.st_mode):
            self._look.files[key] = Stamp.of(status)
        else:
            self._look.hidden[key] = "no regular file: a manifest is a file or a link to one"


def _reason(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "a link to something that is not there"
    return f"cannot be read: {error.strerror}"


def contents(path: Path, stamp: Stamp) -> bytes | None:
    """Return the version of a file that has this stamp, or None when another one is there at any time.

    Raises Unparsable when it is larger than MAX_SIZE, and OSError when it cannot be read.
    """
    if stamp.size > MAX_SIZE:
        raise Unparsable(None, f"the file has {stamp.size} bytes, more than {MAX_SIZE}: split it")
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        if Stamp.of(os.fstat(descriptor)) != stamp:
            return None
        data = file.read(stamp.size + 1)
        return data if Stamp.of(os.fstat(descriptor)) == stamp and len(data) == stamp.size else None
