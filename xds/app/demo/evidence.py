"""What a row of the demo is made of, and how each witness is asked.

A row is believed for what was seen: every piece of evidence is read from a backend's recording, the recorder's view of the wire, Envoy's
access log, its counters or its ACK, and says whether that is as it should be. This module does not know the rows.
"""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import TypeAlias

from xds.app.demo.access_log import AccessLogEntry
from xds.app.demo.admin import Admin
from xds.app.demo.backends import Backend, Connection
from xds.app.demo.client import Attempt, Conversation, Outcome, ask
from xds.app.demo.envoy import Envoy
from xds.app.demo.examples import Example
from xds.app.demo.ports import LOOPBACK
from xds.app.demo.recorder import Recording
from xds.app.demo.stage import Site, Stage
from xds.app.demo.updates import Answer
from xds.app.demo.waiting import NotSeenError

CHANGED_WITHIN = 3.0
"""Seconds within which a change of a file has to show at Envoy and at the backend: it takes a tenth of one."""

_ENDED_WITHIN = 2.0
"""Seconds after a connection's end by which everyone on its way has recorded it; Envoy's access log is flushed every 10 ms."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one witness saw, in a few words; `holds` tells whether it is as it should be."""

    witness: str
    text: str
    holds: bool


@dataclass(frozen=True, slots=True)
class Caption:
    """What happens between what was seen before it and what is seen after it."""

    text: str


Seen: TypeAlias = Evidence | Caption


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table: which LoadBalancer asked for what, what is expected, what was seen."""

    loadbalancer: str
    asked: str
    expected: str
    seen: tuple[Seen, ...]

    @property
    def as_expected(self) -> bool:
        """Whether every piece of evidence holds."""
        return all(seen.holds for seen in self.seen if isinstance(seen, Evidence))


@dataclass(frozen=True, slots=True)
class Exchange:
    """A line that a client sent through Envoy on a connection of its own, as everyone on its way recorded it.

    `arrived` is the backend's record of the connection on which the line arrived, or `None` when it did not.
    """

    line: bytes
    attempt: Attempt
    logged: AccessLogEntry
    arrived: Connection | None


async def exchange(stage: Stage, site: Site) -> Exchange:
    """Send a line through Envoy to a LoadBalancer, and gather what was recorded of it; raises what `exchanged` does."""
    return await exchanged(stage.envoy, site.backend, site.example.port)


async def exchanged(envoy: Envoy, backend: Backend, port: int, *, host: str = LOOPBACK) -> Exchange:
    """Send a line through an Envoy that listens on this port, to this backend, and gather what was recorded of it.

    Raises `NotSeenError` when Envoy does not listen, or logs no such connection.
    """
    log = envoy.access_log
    before = len(log)
    line = f"hello {before}\n".encode()
    attempt = await ask(port, line, host=host, at_least=len(line))
    if attempt.outcome is Outcome.REFUSED:
        raise NotSeenError(f"nothing listens on port {port}")
    logged = await log.first(
        lambda entry: entry.downstream_remote_address == attempt.address,
        since=before,
        within=_ENDED_WITHIN,
        what=f"a connection to port {port} (the client says: {attempt.outcome})",
    )
    arrived = next((each for each in backend.connections if line in each.received), None)
    return Exchange(line, attempt, logged, arrived)


def replied(seen: Exchange, *, tls: str = "") -> Evidence:
    """Return the access log's word on a line that came back whole, over this version of TLS to the backend, or none."""
    entry = seen.logged
    return _logged(
        seen,
        holds=seen.attempt.reply == seen.line
        and entry.bytes_sent == len(seen.line)
        and not entry.flags
        and (entry.upstream_tls_version or "") == tls,
    )


def cut(seen: Exchange, flag: str, *, reason: str = "") -> Evidence:
    """Return the access log's word on a connection that Envoy ended without a reply, with this flag and for this reason."""
    entry = seen.logged
    return _logged(
        seen,
        holds=seen.attempt.cut
        and not seen.attempt.reply
        and entry.bytes_sent == 0
        and flag in entry.flags
        and reason in (entry.upstream_transport_failure_reason or ""),
    )


_REASON = re.compile(r"[A-Z0-9]+(?:_[A-Z0-9]+)+")
"""BoringSSL's name of an error within Envoy's transport failure reason, such as `CERTIFICATE_VERIFY_FAILED`."""


def _logged(seen: Exchange, *, holds: bool) -> Evidence:
    entry = seen.logged
    told = _REASON.search(entry.upstream_transport_failure_reason or "")
    words = (
        f"flags {entry.response_flags or '-'}",
        entry.upstream_tls_version or "",
        f"{entry.bytes_sent} bytes back",
        told[0] if told else "",
        "" if holds else f"the client says: {seen.attempt.outcome}",
    )
    return Evidence("access log", ", ".join(filter(None, words)), holds)


def received(seen: Exchange, *, tls: str = "", presented: str = "") -> Evidence:
    """Return the backend's record of the line: over this version of TLS, or none, and under this certificate, if given."""
    connection = seen.arrived
    if connection is None:
        return Evidence("backend", "the client's bytes did not arrive", holds=False)
    over = f"over {connection.tls_version}" if connection.tls_version else "in the clear"
    under = f", cert {connection.presented!r}" if presented else ""
    return Evidence(
        "backend",
        f"{len(connection.received)} bytes {over}{under}",
        holds=connection.received == seen.line
        and connection.tls_version == tls
        and presented in ("", connection.presented),
    )


async def handshakes_failed(site: Site, reason: str) -> Evidence:
    """Return the backend's records, of which each is to end with this alert of Envoy's, before any of the client's bytes.

    Raises `NotSeenError` when a connection goes on, health checks' included, that should have ended.
    """
    connections = site.backend.connections
    await connections.until(
        lambda: all(each.closed for each in connections),
        within=_ENDED_WITHIN,
        what="the end of every connection",
    )
    failures = {connection.failure or "no failure" for connection in connections}
    size = len(site.backend.received)
    return Evidence(
        "backend",
        f"{', '.join(sorted(failures)) or 'no connection'}, {size} bytes",
        holds=failures == {reason} and not size,
    )


def not_received(site: Site, seen: Exchange) -> Evidence:
    """Return the records of a backend without TLS, which is to have had connections, and never the client's bytes."""
    number = len(site.backend.connections)
    return Evidence(
        "backend",
        f"{_counted(number, 'TLS handshake')} it cannot answer"
        if seen.arrived is None
        else "the client's bytes arrived",
        holds=number > 0 and seen.arrived is None,
    )


def untouched(site: Site) -> Evidence:
    """Return the recorder's view, which is to be that nobody ever connected: neither to it nor to the backend behind it."""
    recordings = site.recorder.recordings
    said = str(recordings[0].to_backend) if recordings else "no bytes"
    return Evidence(
        "wire",
        f"{_counted(len(recordings), 'connection')}, {said}",
        holds=not recordings and not site.backend.connections,
    )


def only_tls(site: Site) -> Evidence:
    """Return the recorder's view of all connections, on which Envoy is to have sent TLS records and nothing else."""
    return all_tls(site.recorder.recordings)


def all_tls(recordings: Iterable[Recording]) -> Evidence:
    """Return a recorder's view of some connections, likewise."""
    seen = tuple(recordings)
    leaks = [recording for recording in seen if not recording.to_backend.only_tls]
    size = sum(recording.to_backend.size for recording in seen)
    return Evidence(
        "wire",
        str(leaks[0].to_backend) if leaks else f"{size} bytes, all in TLS records",
        holds=not leaks and size > 0,
    )


def in_the_clear(site: Site, seen: Exchange) -> Evidence:
    """Return the recorder's view of all connections, which is to show the line as it is."""
    return readable(site.recorder.recordings, seen)


def readable(recordings: Iterable[Recording], seen: Exchange) -> Evidence:
    """Return a recorder's view of some connections, likewise."""
    leaks = [each.to_backend.first for each in recordings if not each.to_backend.only_tls]
    return Evidence(
        "wire", f"readable: {b' '.join(leaks)!r}" if leaks else "nothing readable", leaks == [seen.line]
    )


async def counted(
    admin: Admin, example: Example, *, some: Collection[str] = (), none: Collection[str] = ()
) -> list[Evidence]:
    """Return Envoy's counters of the LoadBalancer's cluster: `some` are to be above zero, `none` are to be zero."""
    prefix = f"cluster.{example.resource}."
    values = await admin.stats(f"^{re.escape(prefix)}")
    return [
        Evidence("counter", f"{name} {value}", holds=bool(value) == (name in some))
        for name in (*some, *none)
        for value in (values.get(prefix + name, 0),)
    ]


def acked(answer: Answer, change: float) -> Evidence:
    """Return Envoy's ACK of a change, made at the moment `change` (`time.monotonic`)."""
    return Evidence("Envoy's ACK", f"{_ms(answer.moment - change)} after the file changed", holds=True)


async def first_served(site: Site, change: float) -> Evidence:
    """Wait for the backend's first record, since the moment `change`, of bytes that came under its present certificate.

    Raises `NotSeenError` when there is none.
    """
    presented = site.backend.presents
    first = await site.backend.connections.first(
        lambda each: each.opened >= change and each.presented == presented and bool(each.received),
        within=CHANGED_WITHIN,
        what=f"bytes on a connection under the certificate {presented!r}",
    )
    return Evidence("backend", f"first connection after {_ms(first.opened - change)}", holds=True)


async def goes_on(site: Site, conversation: Conversation, *, presented: str) -> Evidence:
    """Wait for more of a conversation, and return the backend's record of it, which is to have begun under this certificate."""
    alive = await conversation.goes_on()
    record = next((each for each in site.backend.connections if each.received.startswith(b"line 0\n")), None)
    if record is None:
        return Evidence("backend", "the connection opened before never arrived", holds=False)
    lines = record.received.count(b"\n")
    return Evidence(
        "backend",
        f"old connection {'ended after' if record.closed else 'goes on:'} {_counted(lines, 'line')}",
        holds=alive and not record.closed and record.presented == presented,
    )


def _counted(number: int, noun: str) -> str:
    return f"{number or 'no'} {noun}{'' if number == 1 else 's'}"


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"
