"""How fast one stream's requests are taken: a client that floods the server waits for itself, and nobody else does.

Requests cost very different amounts of work (to ask for everything again costs some thousand ACKs), so what is counted is
the time of the CPU, not requests, and the responses that were asked for count as well; changes are not the client's doing,
and their responses do not. Time in which the machine ran something else is nobody's doing either: a container at its CPU
limit stands still for a tenth of a second at a time. A stream that has used up its share is not read from for a while, and
HTTP/2's flow control holds its client back.
"""

from typing import Final

_SHARE: Final = 0.05
"""Seconds of work a second that one stream may go on causing: some 300 ACKs a second."""
_BURST: Final = 0.25
"""Seconds of work at once: ten times what the connect of an Envoy with 10,000 clusters takes (18 ms, measured)."""
# What gRPC's own part of a message costs, which is not seen on the event loop's thread alone (grpcio 1.85, measured).
_REQUEST: Final = 0.0001
_RESPONSE_BYTE: Final = 1e-9


class Pace:
    """One stream's account: work fills it, time empties it. ``work`` is in seconds of CPU, ``now`` on any steady clock."""

    def __init__(self, now: float, *, share: float = _SHARE, burst: float = _BURST) -> None:
        self._share = share
        self._burst = burst
        self._debt = 0.0
        self._at = now

    def request(self, work: float, now: float) -> float:
        """Take note of the work that a request took, and return for how long to take no other."""
        self._add(work + _REQUEST, now)
        return max(0.0, self._debt - self._burst) / self._share

    def response(self, work: float, size: int, now: float) -> None:
        """Take note of the work that a response of ``size`` bytes took, which was asked for."""
        self._add(work + size * _RESPONSE_BYTE, now)

    def _add(self, work: float, now: float) -> None:
        self._debt = max(0.0, self._debt - (now - self._at) * self._share) + work
        self._at = now
