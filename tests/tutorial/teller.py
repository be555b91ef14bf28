"""What the tutorial says: headings, commands as they are typed, what they answer, and what was seen. Knows no cluster."""

import shlex
from collections.abc import Callable, Sequence

_WIDTH = 100


class Teller:
    """Says everything through one function, a line at a time."""

    def __init__(self, line: Callable[[str], object]) -> None:
        self._line = line
        self._steps = 0

    def step(self, text: str) -> None:
        """Begin a step."""
        self._steps += 1
        self._line("")
        self._line(f"── {self._steps}. {text} ".ljust(_WIDTH, "─"))

    def say(self, text: str) -> None:
        """Say something in between."""
        self._line(text)

    def file(self, text: str) -> None:
        """Show a manifest."""
        for line in text.strip().splitlines():
            self._line(f"  | {line}")

    def command(self, side: str, arguments: Sequence[str]) -> None:
        """Show a command as it is typed on one of the clusters."""
        self._line(f"{side}$ kubectl {shlex.join(arguments)}")

    def answer(self, text: str) -> None:
        """Show what a command answered."""
        for line in text.strip().splitlines():
            self._line(f"  {line}")

    def seen(self, witness: str, text: str) -> None:
        """Show what somebody saw who cannot know what is expected."""
        self._line(f"  ok  {witness:<12} {text}")
