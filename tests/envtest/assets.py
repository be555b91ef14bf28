"""Where the API server, etcd and kubectl of the tests are; they are built from this folder's Go module when nobody has yet.

`python -m tests.envtest.assets` prints the folder. This module does not know how the programs are run.
"""

import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

from tests.support.go_programs import GoPrograms, ProgramsError

PROGRAMS = ("kube-apiserver", "etcd", "kubectl")

_MODULE = Path(__file__).parent
_VARIABLE = "KUBEBUILDER_ASSETS"
"""What controller-runtime's envtest calls a folder of such programs."""
_VERSION_PACKAGE = "k8s.io/component-base/version"


def assets(say: Callable[[str], None] = lambda _: None) -> Path:
    """Return the folder with kube-apiserver, etcd and kubectl; `say` is told what is built, and how long that took.

    Raises `ProgramsError`.
    """
    programs = _programs()
    if given := os.environ.get(_VARIABLE):
        if lacking := programs.lacking(Path(given)):
            raise ProgramsError(f"{_VARIABLE} is {given}, which has no {' and no '.join(lacking)}")
        return Path(given)
    return programs.built(say)


def _programs() -> GoPrograms:
    """Return how they are built. Raises `ProgramsError`."""
    required = re.search(
        r"^\tk8s\.io/kubernetes (v1\.(\d+)\.\d+)$", _MODULE.joinpath("go.mod").read_text(), re.MULTILINE
    )
    if required is None:
        raise ProgramsError(f"{_MODULE / 'go.mod'} names no release of k8s.io/kubernetes")
    version = {
        "gitVersion": required[1],
        "gitMajor": "1",
        "gitMinor": required[2],
    }  # kubectl complains without
    return GoPrograms(
        module=_MODULE,
        packages=tuple(f"./cmd/{program}" for program in PROGRAMS),
        programs=PROGRAMS,
        title="the API server of the tests",
        duration="3 minutes",
        cache="envtest",
        release=required[1],
        variables={f"{_VERSION_PACKAGE}.{key}": value for key, value in version.items()},
    )


def _main() -> None:
    def say(line: str) -> None:
        sys.stderr.write(f"{line}\n")

    try:
        sys.stdout.write(f"{assets(say)}\n")
    except ProgramsError as error:
        sys.exit(f"{error}")


if __name__ == "__main__":
    _main()
