"""kubelb-xds and a control plane on go-control-plane, the same work on the same machine in one run, by turns.

`python -m bench.side_by_side`, or `make bench-peer`: builds the Go programs if need be, measures every cell, and prints a table of
ratios, ours to theirs, as Markdown. Each cell has two new servers, which are both up; the streams of both stay connected, and a
bump of one follows a bump of the other. "Spread" is the range of the middle half of the pairs.
"""

import argparse
import json
import socket
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

from bench.programs import PROGRAMS, say
from tests.support.go_programs import ProgramsError

START: Final = 120.0
"""Seconds that a server may take to start."""
OURS, THEIRS = "ours", "theirs"


class Goal(NamedTuple):
    """What is aimed at, ours to theirs; None: nothing is."""

    last: float | None = None
    cpu: float | None = None
    memory: float | None = None
    connect: float | None = None


class Cell(NamedTuple):
    """One line of the table."""

    streams: int
    clusters: int
    variant: str
    bumps: int
    goal: Goal = Goal()


CELLS: Final = (
    Cell(100, 10, "delta", 60, Goal(last=1.4, cpu=1.3)),
    Cell(1000, 10, "delta", 40, Goal(last=1.4, cpu=1.5)),
    Cell(100, 1000, "delta", 60, Goal(last=0.20, cpu=0.20)),
    Cell(1000, 1000, "delta", 20, Goal(last=0.20, cpu=0.25, memory=0.3)),
    Cell(100, 10000, "delta", 20, Goal(last=0.015, cpu=0.02, memory=0.2, connect=0.25)),
    Cell(100, 10, "sotw", 60),
    Cell(1000, 10, "sotw", 40),
    Cell(100, 1000, "sotw", 20, Goal(last=0.25, cpu=0.2)),
    Cell(1000, 1000, "sotw", 20),
    Cell(100, 10000, "sotw", 20),
)


class Seen(NamedTuple):
    """What one server did in a cell: milliseconds, megabytes, seconds."""

    last: list[float]
    cpu: float
    memory: float
    peak: float
    connect: float


@contextmanager
def served(command: Sequence[str | Path], clusters: int) -> Iterator[str]:
    """Run a server until it answers; yields its addresses as `load` takes them."""
    ports = _free_port(), _free_port()
    options = ["--load-balancers", str(clusters), "--port", str(ports[0]), "--control-port", str(ports[1])]
    process = subprocess.Popen([*command, *options])  # noqa: S603 — our own programs
    try:
        _await(process, f"http://127.0.0.1:{ports[1]}/pid")
        yield f"127.0.0.1:{ports[0]},127.0.0.1:{ports[1]}"
    finally:
        process.terminate()
        process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _await(process: "subprocess.Popen[bytes]", url: str) -> None:
    deadline = time.monotonic() + START
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(url).close()  # noqa: S310 — ours
        except urllib.error.URLError:
            if process.poll() is not None:
                raise SystemExit(f"{process.args!r} ended with {process.returncode}") from None
            time.sleep(0.05)
        else:
            return
    raise SystemExit(f"{process.args!r} does not answer after {START:.0f} s")


def measured(programs: Path, cell: Cell, peer: Sequence[str]) -> dict[str, Seen]:
    """Measure one cell."""
    commands: dict[str, list[str | Path]] = {
        OURS: [sys.executable, "-m", "bench.server"],
        THEIRS: [programs / "peer", *peer],
    }
    with ExitStack() as stack:
        servers = [
            f"{name}={stack.enter_context(served(command, cell.clusters))}"
            for name, command in commands.items()
        ]
        arguments = [
            *("-streams", str(cell.streams), "-clusters", str(cell.clusters)),
            *("-variant", cell.variant, "-bumps", str(cell.bumps)),
        ]
        output = subprocess.run(  # noqa: S603 — as above
            [programs / "load", *arguments, *servers], check=True, stdout=subprocess.PIPE, text=True
        ).stdout
    lines = [json.loads(line) for line in output.splitlines()]
    return {name: _seen([line for line in lines if line["server"] == name]) for name in commands}


def _seen(lines: list[dict[str, Any]]) -> Seen:
    (connected,) = (line for line in lines if line["what"] == "connected")
    (done,) = (line for line in lines if line["what"] == "done")
    last = [line["last_ms"] for line in lines if line["what"] == "bump"]
    return Seen(last, done["cpu_ms"], done["memory_mb"], done["peak_mb"], connected["seconds"])


HEAD: Final = (
    "| streams x clusters | bumps | last stream, ms | ratio (spread) | goal | CPU a bump, ms | ratio | goal"
    " | memory, at the end and at most, MB | ratios | goal | all connect at once, s | ratio | goal |\n"
    "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"
)


def row(cell: Cell, ours: Seen, theirs: Seen) -> str:
    """Return a cell's line of the table."""
    pairs = sorted(one / other for one, other in zip(ours.last, theirs.last, strict=True))
    low, middle, high = statistics.quantiles(pairs, n=4)
    goal = cell.goal
    columns = (
        f"{cell.streams:,} x {cell.clusters:,}, {cell.variant}",
        f"{cell.bumps}",
        f"{statistics.median(ours.last):.1f} / {statistics.median(theirs.last):.1f}",
        f"{_ratio(middle, goal.last)} ({low:.2g} to {high:.2g})",
        _goal(goal.last),
        f"{ours.cpu:.1f} / {theirs.cpu:.1f}",
        _ratio(ours.cpu / theirs.cpu, goal.cpu),
        _goal(goal.cpu),
        f"{ours.memory:.0f} / {theirs.memory:.0f}, {ours.peak:.0f} / {theirs.peak:.0f}",
        f"{ours.memory / theirs.memory:.2f}, {_ratio(ours.peak / theirs.peak, goal.memory)}",
        _goal(goal.memory),
        f"{ours.connect:.2f} / {theirs.connect:.2f}",
        _ratio(ours.connect / theirs.connect, goal.connect),
        _goal(goal.connect),
    )
    return f"| {' | '.join(columns)} |"


def _ratio(seen: float, goal: float | None) -> str:
    text = f"{seen:.2g}"
    return f"**{text}**" if goal is not None and seen <= goal else text


def _goal(goal: float | None) -> str:
    return "" if goal is None else f"{goal:g}"


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--only", default="", metavar="TEXT", help="cells that have this in them, such as 100x10,delta"
    )
    parser.add_argument("--bumps", type=int, help="in each cell, instead of its own number (20 to 60)")
    parser.add_argument(
        "--cache", default="snapshot", choices=("snapshot", "linear"), help="go-control-plane's"
    )
    parser.add_argument("--output", type=Path, help="a file that gets the table as well")
    arguments = parser.parse_args()
    try:
        programs = PROGRAMS.built(say)
    except ProgramsError as error:
        sys.exit(f"{error}")
    cells = [cell for cell in CELLS if arguments.only in f"{cell.streams}x{cell.clusters},{cell.variant}"]
    lines = ["Ours / theirs; a ratio in bold reaches its goal.", "", HEAD]
    for number, planned in enumerate(cells, 1):
        cell = planned._replace(bumps=arguments.bumps or planned.bumps)
        say(
            f"{number} of {len(cells)}: {cell.streams:,} streams x {cell.clusters:,} clusters, {cell.variant} …"
        )
        began = time.monotonic()
        seen = measured(programs, cell, ["--cache", arguments.cache])
        lines.append(row(cell, seen[OURS], seen[THEIRS]))
        say(f"{lines[-1]}  ({time.monotonic() - began:.0f} s)")
    text = "\n".join(lines) + "\n"
    sys.stdout.write(text)
    if arguments.output:
        arguments.output.write_text(text)


if __name__ == "__main__":
    main()
