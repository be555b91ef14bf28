"""Where the bench's two Go programs are, `peer` and `load`; they are built from this folder's Go module when nobody has yet.

`python -m bench.programs` prints the folder.
"""

import sys
from pathlib import Path
from typing import Final

from tests.support.go_programs import GoPrograms, ProgramsError

PROGRAMS: Final = GoPrograms(
    module=Path(__file__).parent,
    packages=("./peer", "./load"),
    programs=("peer", "load"),
    title="the bench's programs",
    duration="2 minutes",
    cache="bench",
    sources=("*/*.go", "*/*.pem"),
)


def say(line: str) -> None:
    """Tell people what goes on, aside from what is printed."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    try:
        sys.stdout.write(f"{PROGRAMS.built(say)}\n")
    except ProgramsError as error:
        sys.exit(f"{error}")
