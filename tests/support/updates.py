"""What a control plane pushed to an Envoy and what that answered, each with its moment, for a test to wait for."""

import time

from xds.app.demo import updates
from xds.app.demo.updates import Answer
from xds.app.demo.waiting import Journal
from xds.protocol import Response
from xds.server import StreamInfo


class Updates(updates.Updates):
    """Keeps, beside Envoy's answers, its streams and what it was sent; all moments are `time.monotonic`'s."""

    def __init__(self) -> None:
        super().__init__()
        self.streams: Journal[float] = Journal("the streams that Envoy opened")
        self.pushes: Journal[tuple[float, Response]] = Journal("the control plane's pushes")

    async def pushed_since(self, type_url: str, name: str, *, since: float) -> None:
        """Wait for a push after ``since`` that brings this resource."""
        await self.pushes.first(
            lambda push: push[1].type_url == type_url and name in push[1].changed and push[0] >= since,
            what=f"a push of {name}",
        )

    async def acked_removal(self, type_url: str, name: str, *, since: float) -> Answer:
        """Return the first ACK after ``since`` of a push that took this resource away."""
        return await self.answers.first(
            lambda answer: answer.type_url == type_url and name in answer.removed and answer.moment >= since,
            what=f"an ACK of the removal of {name}",
        )

    async def acked_any(self, type_url: str, *, since: float, within: float = 15.0) -> Answer:
        """Return the first answer of this type after ``since``."""
        return await self.answers.first(
            lambda answer: answer.type_url == type_url and answer.moment >= since,
            within=within,
            what="an ACK",
        )

    def opened(self, stream: StreamInfo, *, known: bool) -> None:
        """Keep the stream."""
        super().opened(stream, known=known)
        self.streams.add(time.monotonic())

    def pushed(self, stream: StreamInfo, response: Response, seconds: float) -> None:
        """Keep the push."""
        super().pushed(stream, response, seconds)
        self.pushes.add((time.monotonic(), response))
