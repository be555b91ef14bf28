"""What Envoy answered to the control plane's pushes, and when: the demo measures how fast a change arrives by it.

An observer of the server, which logs as the usual one does. It does not know what is pushed, nor why.
"""

import time
from dataclasses import dataclass

from xds.app.demo.waiting import Journal
from xds.protocol import Outcome
from xds.server import LoggingObserver, StreamInfo


@dataclass(frozen=True, slots=True)
class Answer:
    """Envoy's word on one push.

    `changed` names what the push brought and `removed` what it took away, `moment` is when the answer was there (`time.monotonic`), `error`
    is why Envoy refused: empty when it did not.
    """

    type_url: str
    changed: frozenset[str]
    removed: frozenset[str]
    moment: float
    error: str


class Updates(LoggingObserver):
    """Logs as usual, and keeps in `answers` what was ACKed and what was refused."""

    def __init__(self) -> None:
        super().__init__()
        self.answers: Journal[Answer] = Journal("Envoy's answers to the control plane")

    @property
    def refused(self) -> list[Answer]:
        """The NACKs."""
        return [answer for answer in self.answers if answer.error]

    async def acked(self, type_url: str, name: str, *, since: float, within: float = 5.0) -> Answer:
        """Return the first ACK, since a moment (`time.monotonic`), of a push that brought this resource.

        Raises `NotSeenError` when none comes `within` seconds.
        """
        return await self.answers.first(
            lambda answer: (
                answer.type_url == type_url
                and name in answer.changed
                and answer.moment >= since
                and not answer.error
            ),
            within=within,
            what=f"Envoy's ACK of {name}",
        )

    def answered(self, stream: StreamInfo, type_url: str, outcome: Outcome, seconds: float) -> None:
        """Log it, and keep it when it answers a push."""
        super().answered(stream, type_url, outcome, seconds)
        if outcome.push is not None:
            response = outcome.push.response
            error = (outcome.error or "for no given reason") if outcome.kind == "nack" else ""
            self.answers.add(
                Answer(
                    response.type_url,
                    frozenset(response.changed),
                    frozenset(response.removed),
                    time.monotonic(),
                    error,
                )
            )
