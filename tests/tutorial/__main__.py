"""`python -m tests.tutorial`."""

import argparse
import sys

from tests.tutorial.run import run_tutorial

if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.tutorial", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave everything running, and say what to try")
    sys.exit(run_tutorial(keep=parser.parse_args().keep))
