"""`make soak`: two thousand clients on one server, and everything that goes wrong; then what had to hold, and whether it did.

Objects change all the time. Clients vanish, hang, refuse what they are sent, come back all at once; the server is stopped
and started. The server is the control plane that `kubelb-xds serve` runs, in a process of its own; the clients are the Go program in
crowd/, which applies every response and judges whether it was needed.

The same seed makes the same choices, though not the same moments. Exit code 1 where a promise does not hold.
"""

import argparse
import asyncio
import random
import sys
import tempfile
from pathlib import Path

from bench.soak.parts import CROWD
from bench.soak.run import LOAD_BALANCERS, TENANTS, Plan, Soak
from tests.support.go_programs import ProgramsError


def _say(line: str) -> None:
    print(line, flush=True)


def main() -> int:
    """Run one soak as the command line says."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.soak", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=300, help="of all phases together (default: 300)")
    parser.add_argument("--streams", type=int, default=2000, help="clients, one stream each (default: 2000)")
    parser.add_argument("--seed", type=int, help="of all choices (default: a new one, which is printed)")
    parser.add_argument("--rate", type=float, default=4, help="changes a second (default: 4)")
    arguments = parser.parse_args()
    seed = random.randrange(1 << 31) if arguments.seed is None else arguments.seed  # noqa: S311 — not secret
    plan = Plan(arguments.seconds, arguments.streams, seed, arguments.rate)
    try:
        program = CROWD.built(_say) / "crowd"
    except ProgramsError as error:
        sys.exit(str(error))
    _say(
        f"soak: {plan.streams:,} streams, half of them delta, of {TENANTS} tenants with {LOAD_BALANCERS} LoadBalancers each;"
        f" {plan.seconds:g} s, {plan.rate:g} changes a second, seed {plan.seed}"
    )
    with tempfile.TemporaryDirectory(prefix="kubelb-xds-soak-") as folder:
        soak = Soak(plan, program, Path(folder), _say)
        asyncio.run(soak.run())
        _say("")
        for line in soak.promises.lines:
            _say(line)
    broken = soak.promises.broken
    _say("")
    _say(f"{len(broken)} promises are broken." if broken else "Every promise held.")
    if broken:
        _say(
            f"The same choices again: make soak ARGS='--seconds {plan.seconds:g} --streams {plan.streams} --seed {seed}'"
        )
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
