"""How many examples hypothesis tries: a fifth where `make test-fast` asks for a quick answer, all of them otherwise."""

import os

FAST = "KUBELB_XDS_TEST_FAST"
"""The variable that `make test-fast` sets."""


def examples(number: int) -> int:
    """Return how many of so many examples to try."""
    return max(5, number // 5) if os.environ.get(FAST) else number
