"""Who hears what happens on the streams: one line of log for each thing that an operator asks about.

Metrics, conditions and a library user's own hooks are further observers. An observer is called on the event loop and is to
return at once.
"""

from dataclasses import dataclass
from typing import Any, Protocol

import structlog

from xds.protocol import Outcome, Response
from xds.snapshot.types import short


@dataclass(slots=True)
class StreamInfo:
    """Which stream it is, and whose. The node is known from the first request on."""

    stream: int
    peer: str
    delta: bool
    node: str = ""
    tenant: str = ""


class Observer(Protocol):
    """What can be heard. ``seconds`` are those since the change that is pushed, or since the push that is answered."""

    def opened(self, stream: StreamInfo, *, known: bool) -> None:
        """Take note of a stream whose node is known now; ``known`` says whether its tenant has any resource."""

    def pushed(self, stream: StreamInfo, response: Response, seconds: float) -> None:
        """Take note of a response that was written."""

    def answered(self, stream: StreamInfo, type_url: str, outcome: Outcome, seconds: float) -> None:
        """Take note of a request: a subscription, an ACK, a NACK, or a stale one."""

    def closed(self, stream: StreamInfo, reason: str) -> None:
        """Take note of a stream's end."""


class LoggingObserver:
    """Writes one line for each push, ACK and NACK, and for each stream's beginning and end."""

    def __init__(self, log: Any = None) -> None:
        self._log = log or structlog.get_logger("xds.server")

    def opened(self, stream: StreamInfo, *, known: bool) -> None:
        """Log the stream; a tenant that has nothing is a warning, since a wrong name looks just like that."""
        variant = "delta" if stream.delta else "sotw"
        fields = {"node": stream.node, "tenant": stream.tenant, "peer": stream.peer, "variant": variant}
        if known:
            self._log.info("stream opened", **fields)
        else:
            self._log.warning(
                "stream opened for a tenant that has nothing: check node.cluster in Envoy's bootstrap",
                **fields,
            )

    def pushed(self, stream: StreamInfo, response: Response, seconds: float) -> None:
        """Log a push."""
        self._log.info(
            "push",
            node=stream.node,
            tenant=stream.tenant,
            type=short(response.type_url),
            version=response.version,
            count=len(response.resources),
            removed=len(response.removed),
            ms=_milliseconds(seconds),
        )

    def answered(self, stream: StreamInfo, type_url: str, outcome: Outcome, seconds: float) -> None:
        """Log an ACK or a NACK; a subscription only for those who debug."""
        fields: dict[str, Any] = {"node": stream.node, "tenant": stream.tenant, "type": short(type_url)}
        if outcome.push is None:
            self._log.debug("subscribe" if outcome.kind == "subscribe" else "stale request", **fields)
            return
        response = outcome.push.response
        fields |= {
            "version": response.version,
            "count": len(response.resources),
            "ms": _milliseconds(seconds),
        }
        if outcome.kind == "nack":
            self._log.warning("NACK", **fields, held=outcome.held, error=outcome.error)
        else:
            self._log.info("ACK", **fields)

    def closed(self, stream: StreamInfo, reason: str) -> None:
        """Log the end of a stream."""
        self._log.info(
            "stream closed", node=stream.node, tenant=stream.tenant, peer=stream.peer, reason=reason
        )


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 1)
