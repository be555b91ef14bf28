"""Who hears what happens on the streams: one line of log for each thing that an operator asks about.

Metrics, conditions and a library user's own hooks are further observers. An observer is called on the event loop and is to
return at once.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple, TypeAlias

import structlog

from xds.protocol import Outcome, Response
from xds.snapshot.types import short

_MOST_NAMES: Final = 100
_LONGEST_ERROR: Final = 8192
"""Characters of a NACK's text and names of what is held back that stand in a line of log."""


@dataclass(slots=True)
class StreamInfo:
    """Which stream it is, and whose. The node is known from the first request on.

    ``only_type`` is the type URL of a stream that carries one type, "" of an aggregated one.
    """

    stream: int
    peer: str
    delta: bool
    node: str = ""
    tenant: str = ""
    only_type: str = ""


#: The names of ``grpc.StatusCode`` that a stream ends with; CANCELLED where nobody is left to be told.
Status: TypeAlias = Literal[
    "OK",
    "CANCELLED",
    "INVALID_ARGUMENT",
    "UNAUTHENTICATED",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "INTERNAL",
]


class End(NamedTuple):
    """How and why a stream ended. ``type_url`` is that of the request which ended it, "" where none did."""

    status: Status
    reason: str
    type_url: str = ""


class Observer:
    """Hears what happens on every stream: derive from it, and override what you want to hear.

    It is called on the event loop, and is to return at once. What it raises is logged and ends nothing. ``seconds`` are those
    since the change that is pushed, or since the push that is answered.
    """

    def opened(self, stream: StreamInfo, *, known: bool) -> None:
        """Take note of a stream whose node is known now; ``known`` says whether its tenant has any resource."""

    def requested(self, stream: StreamInfo, request: Any) -> None:
        """Take note of a ``DiscoveryRequest`` or ``DeltaDiscoveryRequest`` as it came, before anything is done with it."""

    def pushed(self, stream: StreamInfo, response: Response, seconds: float) -> None:
        """Take note of a response that was written."""

    def answered(self, stream: StreamInfo, type_url: str, outcome: Outcome, seconds: float) -> None:
        """Take note of what a request turned out to be: a subscription, an ACK, a NACK, or a stale one."""

    def closed(self, stream: StreamInfo, end: End) -> None:
        """Take note of a stream's end; one that ends before its node is known was never ``opened``."""


_EVENTS: Final = ("opened", "requested", "pushed", "answered", "closed")


class LoggingObserver(Observer):
    """Writes one line for each push, ACK and NACK, and for each stream's beginning and end."""

    def __init__(self, log: Any = None, *, complete: Callable[[], bool] = lambda: True) -> None:
        """``complete`` says whether everything is known that is to be served: before that, nothing is no surprise."""
        self._log = log or structlog.get_logger("xds.server")
        self._complete = complete

    def opened(self, stream: StreamInfo, *, known: bool) -> None:
        """Log the stream; a tenant that has nothing is a warning, since a wrong name looks just like that."""
        variant = "delta" if stream.delta else "sotw"
        fields = {
            "node": stream.node,
            "tenant": stream.tenant,
            "peer": stream.peer,
            "variant": variant,
            "type": short(stream.only_type) or "ADS",
        }
        if known:
            self._log.info("stream opened", **fields)
        elif not self._complete():
            self._log.info("stream opened: it is answered once everything is known", **fields)
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
            # Both may be of any length: they are the client's words.
            held, error = outcome.held[:_MOST_NAMES], outcome.error[:_LONGEST_ERROR]
            self._log.warning("NACK", **fields, held=held, error=error)
        else:
            self._log.info("ACK", **fields)

    def closed(self, stream: StreamInfo, end: End) -> None:
        """Log the end of a stream; a warning where it was not the client's wish nor the server's stop."""
        fields = {"node": stream.node, "tenant": stream.tenant, "peer": stream.peer, "reason": end.reason}
        if end.status in ("OK", "CANCELLED"):
            self._log.info("stream closed", **fields)
        else:
            self._log.warning("stream ended", type=short(end.type_url), status=end.status, **fields)


class Guarded(Observer):
    """Passes on to observers what there is to hear. Their faults are logged, and change nothing on the stream."""

    def __init__(self, *observers: Observer) -> None:
        # By what there is to hear those who do something about it: most hear little, and every push and ACK comes by here.
        self._hearing: dict[str, list[tuple[Observer, Callable[..., None]]]] = {
            event: [] for event in _EVENTS
        }
        self._log = structlog.get_logger("xds.server")
        for observer in observers:
            self.add(observer)

    def add(self, observer: Observer) -> None:
        """Pass on to this one as well, after those that are there."""
        for event, hearing in self._hearing.items():
            hear = getattr(observer, event)
            if getattr(hear, "__func__", None) is not getattr(Observer, event):
                hearing.append((observer, hear))

    def opened(self, stream: StreamInfo, *, known: bool) -> None:
        """Pass it on."""
        self._pass_on("opened", stream, known=known)

    def requested(self, stream: StreamInfo, request: Any) -> None:
        """Pass it on."""
        self._pass_on("requested", stream, request)

    def pushed(self, stream: StreamInfo, response: Response, seconds: float) -> None:
        """Pass it on."""
        self._pass_on("pushed", stream, response, seconds)

    def answered(self, stream: StreamInfo, type_url: str, outcome: Outcome, seconds: float) -> None:
        """Pass it on."""
        self._pass_on("answered", stream, type_url, outcome, seconds)

    def closed(self, stream: StreamInfo, end: End) -> None:
        """Pass it on."""
        self._pass_on("closed", stream, end)

    def _pass_on(self, event: str, *arguments: Any, **options: Any) -> None:
        for observer, hear in self._hearing[event]:
            try:
                hear(*arguments, **options)
            except Exception:  # noqa: BLE001 — logged with its traceback
                self._log.exception("an observer failed", observer=type(observer).__qualname__)


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 1)
