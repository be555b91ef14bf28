"""`watch`: one line for each thing that happens on the streams."""

from datetime import UTC

from rich.text import Text

from xds.messages import debug_pb2 as pb
from xds.snapshot.types import short

_STYLES = {"ACK": "green", "NACK": "red", "missed": "red", "closed": "yellow", "opened": "cyan"}


def event_line(event: pb.Event) -> Text:
    """Return an event as a line: when, who, what."""
    what, rest = _told(event)
    moment = event.at.ToDatetime(UTC).astimezone()
    text = Text(f"{moment:%H:%M:%S}.{moment.microsecond // 1000:03d} ", "dim")
    if event.node:
        text.append(f"{event.tenant} {event.node} ", "")
    text.append(f"{what:<6}", _STYLES.get(what, ""))
    of = f" {short(event.type_url)}" if event.type_url else ""
    text.append(f"{of} {rest}".rstrip(), "")
    return text


def _told(event: pb.Event) -> tuple[str, str]:
    kind = event.WhichOneof("what")
    if kind == "opened":
        known = "" if event.opened.known else ": its tenant has nothing, see node.cluster in its bootstrap"
        return (
            "opened",
            f"stream {event.stream} from {event.peer}, {'delta' if event.opened.delta else 'sotw'}{known}",
        )
    if kind == "push":
        push = event.push
        removed = f" without {', '.join(push.removed)}" if push.removed else ""
        return "push", f"{push.version}: {', '.join(push.changed) or 'nothing new'}{removed}"
    if kind == "ack":
        return "ACK", f"{event.ack.version} after {event.ack.seconds * 1000:.0f} ms"
    if kind == "nack":
        return (
            "NACK",
            f"{event.nack.version}, held back {', '.join(event.nack.held)}: {' '.join(event.nack.text.split())}",
        )
    if kind == "closed":
        return "closed", f"stream {event.stream}: {event.closed.reason}"
    return "missed", f"{event.missed.events} events, since they were not read fast enough"
