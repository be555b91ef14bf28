"""What a user has to put right in the folders, and the log lines when it comes and when it is over.

It knows neither how anything is found nor what becomes of it, and shows no contents: a manifest may be a
Secret.
"""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import structlog

from kube.objects import InvalidObject
from kube.sources.claims import Duplicate, FileKey
from kube.sources.parsed import Unparsable
from kube.sources.reading import Reading

log: structlog.typing.FilteringBoundLogger = structlog.get_logger("kube.sources")


class Problem(NamedTuple):
    """Something to put right; `line` counts from 1, and is None where all of `path` is meant."""

    path: str
    line: int | None
    reason: str

    def __str__(self) -> str:
        return (
            f"{self.path}: {self.reason}" if self.line is None else f"{self.path}:{self.line}: {self.reason}"
        )

    @property
    def place(self) -> tuple[str, int]:
        """What problems are ordered by."""
        return self.path, self.line or 0


def printable(path: Path) -> str:
    """Return a path as every log can take it: names are bytes, of any kind."""
    text = str(path)
    return text if text.isprintable() else ascii(text)[1:-1]


class Problems:
    """Everything that is wrong at the moment. `path_of` gives the path of a file, or of a whole folder."""

    def __init__(self, path_of: Callable[[FileKey], Path]) -> None:
        self._path_of = path_of
        self._in_files: dict[FileKey, tuple[Problem, ...]] = {}
        self._unseen: dict[FileKey, Problem] = {}
        self._duplicates: frozenset[Problem] = frozenset()

    def all(self) -> tuple[Problem, ...]:
        """Return everything that is wrong, in the order of path and line."""
        in_files = [problem for problems in self._in_files.values() for problem in problems]
        return tuple(
            sorted((*in_files, *self._unseen.values(), *self._duplicates), key=lambda problem: problem.place)
        )

    def gone(self, key: FileKey) -> None:
        """Forget what was wrong in a file that is gone."""
        self._in_files.pop(key, None)

    def unparsable(self, key: FileKey, error: Unparsable, *, kept: int) -> None:
        """Take note of a file that could not be parsed, whose last good objects, `kept` in number, stay."""
        problem = Problem(self._shown(key), error.line, error.reason)
        self._in_files[key] = (problem,)
        log.warning("manifest not parsed: its last good objects stay", **problem._asdict(), kept=kept)

    def read(self, key: FileKey, reading: Reading) -> None:
        """Take note of what is wrong within a file that was parsed."""
        path = self._shown(key)
        if self._in_files.get(key) and not (reading.strays or reading.repeated):
            log.info("manifest is in order again", path=path)
        strays = [Problem(path, *stray) for stray in reading.strays]
        repeated = [Problem(path, *stray) for stray in reading.repeated]
        for problem in strays:
            log.warning("manifest holds something that is no object", **problem._asdict())
        for problem in repeated:
            log.warning("object given twice: the first one counts", **problem._asdict())
        self._in_files.pop(key, None)
        if strays or repeated:
            self._in_files[key] = (*strays, *repeated)
        for ref, entry in reading.entries.items():
            if isinstance(entry.value, InvalidObject):
                log.warning(
                    "object is invalid: its last good version stays",
                    path=path,
                    line=entry.line,
                    object=str(ref),
                    faults=[str(fault) for fault in entry.value.faults],
                )
        for line, kind, api_version in reading.skipped:
            log.debug(
                "document of another kind skipped", path=path, line=line, kind=kind, api_version=api_version
            )

    def unseen(self, reasons: Mapping[FileKey, str]) -> None:
        """Take note of all that cannot be seen or read now, and why; a whole folder has an empty path."""
        problems = {key: Problem(self._shown(key), None, reason) for key, reason in reasons.items()}
        for key, problem in problems.items():
            if problem == self._unseen.get(key):
                continue
            if key.path:
                log.warning("manifest not read: its last good objects stay", **problem._asdict())
            else:
                log.error("manifests folder not read: its last good objects stay", **problem._asdict())
        for key in self._unseen.keys() - problems.keys():
            log.info("no longer in the way", path=self._unseen[key].path)
        self._unseen = problems

    def duplicates(self, duplicates: Iterable[Duplicate]) -> None:
        """Take note of all objects that several files give now."""
        problems = frozenset(
            Problem(
                self._shown(duplicate.other),
                duplicate.line,
                f"{duplicate.ref} is in {self._shown(duplicate.holder)} too, which counts: remove one",
            )
            for duplicate in duplicates
        )
        for problem in sorted(problems - self._duplicates, key=lambda problem: problem.place):
            log.warning("object given by two files: the first one counts", **problem._asdict())
        self._duplicates = problems

    def _shown(self, key: FileKey) -> str:
        return printable(self._path_of(key))
