"""`status`: how each Envoy stands to what it is to have, as a table for people, with every NACK in full below it."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp
from rich.box import HORIZONTALS
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from xds.app.inspect.moments import ago
from xds.messages import debug_pb2 as pb
from xds.snapshot.types import ORDER, short

WORDS: Final = {
    pb.STATUS_SYNCED: ("SYNCED", "green"),
    pb.STATUS_NOT_SENT: ("NOT SENT", "yellow"),
    pb.STATUS_STALE: ("STALE", "yellow"),
    pb.STATUS_NACK: ("NACK", "red"),
}
"""A status as it is written, and its colour."""


def is_synced(envoys: Sequence[pb.Envoy]) -> bool:
    """Whether every Envoy has ACKed everything that it asked for, and asked for all types that there are."""
    return all(of_type.status == pb.STATUS_SYNCED for envoy in envoys for of_type in envoy.types)


def status_view(envoys: Sequence[pb.Envoy], now: datetime) -> list[RenderableType]:
    """Return the table, and below it a line for each thing that is not synced."""
    if not envoys:
        return [Text("No Envoy is connected to this replica.", "yellow")]
    types = types_of(envoys)
    table = Table(box=HORIZONTALS)
    table.add_column("Tenant", overflow="fold")
    table.add_column("Envoy", overflow="fold")
    table.add_column("Connected")
    for type_url in types:
        table.add_column(short(type_url))
    for envoy in envoys:
        by_type = {of_type.type_url: of_type for of_type in envoy.types}
        table.add_row(
            Text(envoy.tenant),
            Text(f"{envoy.node}\n{envoy.build or 'unknown release'}, {'delta' if envoy.delta else 'sotw'}"),
            Text(f"{ago(envoy.connected_at, now)}\n{envoy.peer.removeprefix('ipv4:')}"),
            *(
                _cell(by_type[type_url], now) if type_url in by_type else Text("-", "dim")
                for type_url in types
            ),
        )
    return [table, *open_lines(envoys, now)]


def types_of(envoys: Sequence[pb.Envoy]) -> list[str]:
    """Return the types that there is a column for, in order."""
    types = dict.fromkeys(of_type.type_url for envoy in envoys for of_type in envoy.types)
    return [*(each for each in ORDER if each in types), *(each for each in types if each not in ORDER)]


def _cell(of_type: pb.TypeStatus, now: datetime) -> Text:
    word, style = WORDS[of_type.status]
    text = Text(word, style)
    text.append(f" {of_type.synced}/{of_type.resources}", "")
    what, moment = since(of_type)
    if moment is not None:
        text.append(f"\n{what}{ago(moment, now)}", "dim")
    return text


def since(of_type: pb.TypeStatus) -> tuple[str, Timestamp | None]:
    """Return since when a type is as it is, None where that is not known, and a word that goes before how long ago that was."""
    if of_type.status == pb.STATUS_NACK:
        refused = [state.refusal.at for state in of_type.open if state.status == pb.STATUS_NACK]
        return "", max(refused, key=lambda at: at.ToNanoseconds())
    if of_type.HasField("waiting_since"):
        return "sent ", of_type.waiting_since
    return "", of_type.acked_at if of_type.HasField("acked_at") else None


def open_lines(envoys: Sequence[pb.Envoy], now: datetime) -> Iterator[Text]:
    """Yield a line for each resource that is refused or waits, and for each type that is not asked for."""
    for envoy in envoys:
        for of_type in envoy.types:
            where = f"{envoy.tenant} {envoy.node} {short(of_type.type_url)}"
            if of_type.status == pb.STATUS_NOT_SENT:
                yield _line(
                    pb.STATUS_NOT_SENT,
                    f"{where}: the Envoy has not asked for it, as it does once its clusters are warm",
                )
            for state in of_type.open:
                yield _line(
                    state.status, f"{where} {state.name or 'as a whole'}: {_why(state, of_type, now)}"
                )
            more = of_type.open_total - len(of_type.open)
            if more:
                yield Text(f"{where}: and {more} more", "dim")


def _line(status: pb.Status, text: str) -> Text:
    word, style = WORDS[status]
    return Text.assemble((word, style), f" {text}")


def _why(state: pb.ResourceStatus, of_type: pb.TypeStatus, now: datetime) -> str:
    has = f"it has {state.acked_version}" if state.acked_version else "it has none"
    if state.status == pb.STATUS_NACK:
        text = " ".join(state.refusal.text.split())
        return f"refused {ago(state.refusal.at, now)}, {has}: {text}"
    gone = "" if state.served_version else "is to be removed, "
    since = f"sent {ago(of_type.waiting_since, now)}" if of_type.HasField("waiting_since") else "not sent yet"
    return f"{gone}{since}, {has}"
