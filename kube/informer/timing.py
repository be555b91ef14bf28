"""How long an informer waits for what, in one place: operators never set it, tests do."""

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds, but for ``page``, which is the number of objects that one list request asks for.

    ``first_wait`` and ``longest_wait`` bound the pause before a reconnect. ``watch``: for how long the server is asked to
    keep a watch open, half of it at least (client-go: 5 to 10 minutes). ``silence``: after how long without a byte a watch
    counts as dead; the API server sends a bookmark about once a minute. ``relist``: after how long everything is listed
    anew, so that whatever was missed is mended.
    """

    page: int = 500
    first_wait: float = 0.2
    longest_wait: float = 10.0
    watch: float = 600.0
    silence: float = 150.0
    relist: float = 3600.0

    def watch_seconds(self) -> int:
        """Return for how long the next watch is to be kept open: jittered, so that not all of them end together."""
        return max(1, round(self.watch * random.uniform(0.5, 1.0)))  # noqa: S311 — no secret


class Backoff:
    """The pause before a reconnect: exponential with full jitter, whether the connection failed or ended in good order.

    A connection that lived for longer than the bound before it starts anew from ``first_wait``: a server that closes at
    once is asked less and less, one that closes every minute is not.
    """

    def __init__(self, timing: Timing) -> None:
        self._timing = timing
        self._bound = 0.0

    def pause(self, lived: float, *, retry_after: float | None = None) -> float:
        """Return the seconds to wait after a connection that lived for so long.

        They are no fewer than the server asks for, which `kube.client` bounds.
        """
        first, longest = self._timing.first_wait, self._timing.longest_wait
        self._bound = first if lived > self._bound else min(max(first, self._bound * 2), longest)
        wait = random.uniform(0, self._bound)  # noqa: S311 — no secret
        return max(wait, retry_after or 0.0)
