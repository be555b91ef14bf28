"""Times as people read them: how long ago, how long until."""

from datetime import UTC, datetime, timedelta
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

_UNITS: Final = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))


def length(span: timedelta) -> str:
    """Return a span of time in its largest unit, such as `3m`; less than a second in milliseconds."""
    seconds = abs(span.total_seconds())
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    unit, size = next((unit, size) for unit, size in _UNITS if seconds >= size)
    return f"{int(seconds // size)} {unit}"


def ago(moment: Timestamp, now: datetime) -> str:
    """Return how long ago a moment was."""
    return f"{length(now - moment.ToDatetime(UTC))} ago"
