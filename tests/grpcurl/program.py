"""Where the real grpcurl of the tests is; it is built from this folder's Go module when nobody has yet.

`python -m tests.grpcurl.program` prints its path.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tests.support.go_programs import GoPrograms, ProgramsError

GRPCURL: Final = GoPrograms(
    module=Path(__file__).parent,
    packages=("github.com/fullstorydev/grpcurl/cmd/grpcurl",),
    programs=("grpcurl",),
    title="the tests' grpcurl",
    duration="90 seconds",
    cache="grpcurl",
)


def grpcurl(say: Callable[[str], None] = lambda _: None) -> Path:
    """Return the program. Raises `ProgramsError`."""
    return GRPCURL.built(say) / "grpcurl"


def _main() -> None:
    def say(line: str) -> None:
        sys.stderr.write(f"{line}\n")

    try:
        sys.stdout.write(f"{grpcurl(say)}\n")
    except ProgramsError as error:
        sys.exit(f"{error}")


if __name__ == "__main__":
    _main()
