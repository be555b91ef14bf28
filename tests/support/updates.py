"""What a control plane pushed to an Envoy and what that answered, each with its moment, for a test to wait for."""

import time
from dataclasses import dataclass

from xds.app.demo.waiting import Journal
from xds.protocol import Outcome, Response
from xds.server import LoggingObserver, StreamInfo


@dataclass(frozen=True, slots=True)
class Update:
    """A push, or Envoy's word on one: what it brought and took away; ``moment`` is `time.monotonic`'s.

    ``error`` are Envoy's words when it refused the push.
    """

    type_url: str
    changed: frozenset[str]
    removed: frozenset[str]
    moment: float
    error: str = ""


def _update(response: Response, error: str = "") -> Update:
    return Update(
        response.type_url, frozenset(response.changed), frozenset(response.removed), time.monotonic(), error
    )


class Updates(LoggingObserver):
    """Logs as `serve` does, and keeps streams, pushes, ACKs and NACKs in the order in which they came."""

    def __init__(self) -> None:
        super().__init__()
        self.streams: Journal[float] = Journal("the streams that Envoy opened")
        self.pushes: Journal[Update] = Journal("the control plane's pushes")
        self.acks: Journal[Update] = Journal("Envoy's ACKs")
        self.refused: list[Update] = []

    async def pushed_since(self, type_url: str, name: str, *, since: float) -> Update:
        """Return the first push after ``since`` that brought this resource."""
        return await self.pushes.first(
            lambda push: push.type_url == type_url and name in push.changed and push.moment >= since,
            what=f"a push of {name}",
        )

    async def acked(self, type_url: str, name: str, *, since: float, within: float = 5.0) -> Update:
        """Return the first ACK after ``since`` of a push that brought this resource."""
        return await self.acks.first(
            lambda ack: ack.type_url == type_url and name in ack.changed and ack.moment >= since,
            within=within,
            what=f"an ACK of {name}",
        )

    async def removed(self, type_url: str, name: str, *, since: float) -> Update:
        """Return the first ACK after ``since`` of a push that took this resource away."""
        return await self.acks.first(
            lambda ack: ack.type_url == type_url and name in ack.removed and ack.moment >= since,
            what=f"an ACK of the removal of {name}",
        )

    async def acked_any(self, type_url: str, *, since: float, within: float = 15.0) -> Update:
        """Return the first ACK of this type after ``since``."""
        return await self.acks.first(
            lambda ack: ack.type_url == type_url and ack.moment >= since, within=within, what="an ACK"
        )

    def opened(self, stream: StreamInfo, *, known: bool) -> None:
        """Keep the stream."""
        super().opened(stream, known=known)
        self.streams.add(time.monotonic())

    def pushed(self, stream: StreamInfo, response: Response, seconds: float) -> None:
        """Keep the push."""
        super().pushed(stream, response, seconds)
        self.pushes.add(_update(response))

    def answered(self, stream: StreamInfo, type_url: str, outcome: Outcome, seconds: float) -> None:
        """Keep an ACK or a NACK."""
        super().answered(stream, type_url, outcome, seconds)
        if outcome.push is None:
            return
        if outcome.kind == "nack":
            self.refused.append(_update(outcome.push.response, outcome.error))
        else:
            self.acks.add(_update(outcome.push.response))
