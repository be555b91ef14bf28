"""When an Envoy ACKed what, kept for whoever asks later: at most some names a type and stream, whatever is served.

An ACK costs one entry. Times are passed in; what is held now is known elsewhere.
"""

from collections import deque
from collections.abc import Collection
from datetime import datetime
from typing import Final

_MOST_NAMES: Final = 64
"""Names whose moment is known exactly. An Envoy's first ACK brings thousands; those of later changes are the ones asked about."""


class Acks:
    """The ACKs of one type on one stream: the newest, and of which names it and those before it were."""

    __slots__ = ("_names", "_older", "_recent", "at", "version")

    def __init__(self) -> None:
        self.at: datetime | None = None
        #: The type's version that was ACKed last.
        self.version = ""
        self._recent: deque[tuple[datetime, tuple[str, ...]]] = deque()
        self._names = 0
        self._older: datetime | None = None

    def add(self, now: datetime, version: str, names: Collection[str]) -> None:
        """Take note of an ACK and of the names that it is about."""
        self.at, self.version = now, version
        if len(names) > _MOST_NAMES:
            self._recent.clear()
            self._names, self._older = 0, now
        elif names:
            self._recent.append((now, tuple(names)))
            self._names += len(names)
            while self._names > _MOST_NAMES:
                self._older, forgotten = self._recent.popleft()
                self._names -= len(forgotten)

    def when(self, name: str) -> datetime | None:
        """Return when a name was ACKed last; where that is long ago, a moment before which it was."""
        return next((at for at, names in reversed(self._recent) if name in names), self._older)
