"""When evidence holds and when it does not, and that a row is no better than its worst evidence."""

import dataclasses
from collections.abc import AsyncIterator, Mapping
from types import SimpleNamespace
from typing import Any, cast

import pytest

from xds.app.demo import evidence
from xds.app.demo.access_log import AccessLogEntry
from xds.app.demo.backends import Connection
from xds.app.demo.client import Attempt, Outcome
from xds.app.demo.evidence import Caption, Evidence, Exchange, Row, Seen
from xds.app.demo.recorder import Recording
from xds.app.demo.rows import Scene, perform
from xds.app.demo.stage import Site, Stage
from xds.app.demo.waiting import Journal, NotSeenError
from xds.app.demo.wire import TlsRecords

LINE = b"hello 0\n"
RECORD = b"\x16\x03\x01\x00\x01\x01"
"""A TLS handshake record with one byte in it."""


def _attempt(outcome: Outcome = Outcome.REPLY, reply: bytes = LINE) -> Attempt:
    return Attempt(outcome, reply, "127.0.0.1:40000", started=0.0, milliseconds=1.0)


def _connection(received: bytes = LINE, **fields: Any) -> Connection:
    return Connection("127.0.0.1:40001", 0.0, received=bytearray(received), **{"closed": True} | fields)


def _exchange(fields: Mapping[str, Any] | None = None, *, arrived: Connection | None = None) -> Exchange:
    """Return an exchange that went well without TLS, but for these fields of the attempt and the access log."""
    logged: dict[str, Any] = {"bytes_sent": len(LINE), "response_flags": "-"} | dict(fields or {})
    attempt = logged.pop("attempt", None)
    entry = AccessLogEntry(**logged)
    return Exchange(LINE, attempt or _attempt(), entry, arrived)


def _site(*, connections: tuple[Connection, ...] = (), wire: tuple[bytes, ...] = ()) -> Site:
    """Return a site at which backend and recorder have seen this."""
    seen: Journal[Connection] = Journal("connections")
    for connection in connections:
        seen.add(connection)
    recordings = []
    for data in wire:
        records = TlsRecords()
        records.feed(data)
        recordings.append(Recording("127.0.0.1:40002", 0.0, to_backend=records, closed=True))
    backend = SimpleNamespace(connections=seen, received=b"".join(each.received for each in connections))
    recorder = SimpleNamespace(
        recordings=recordings,
        in_the_clear=[each for each in recordings if not each.to_backend.only_tls],
    )
    example = SimpleNamespace(asked="Verify", resource="web")
    return cast("Site", SimpleNamespace(example=example, backend=backend, recorder=recorder))


def _stage(**counters: int) -> Stage:
    """Return a stage whose Envoy has these counters of the cluster `web`; `__` stands for a dot."""

    async def stats(pattern: str) -> dict[str, int]:
        assert pattern == r"^cluster\.web\."
        return {f"cluster.web.{name.replace('__', '.')}": value for name, value in counters.items()}

    envoy = SimpleNamespace(admin=SimpleNamespace(stats=stats))
    return cast("Stage", SimpleNamespace(envoy=envoy, sites={"web": _site()}))


def test_a_reply_over_tls() -> None:
    """The access log shows the version, no flags, and as many bytes back as were sent."""
    seen = evidence.replied(_exchange({"upstream_tls_version": "TLSv1.3"}), tls="TLSv1.3")
    assert seen == Evidence("access log", "flags -, TLSv1.3, 8 bytes back", holds=True)


@pytest.mark.parametrize(
    "fields",
    [
        {"upstream_tls_version": "TLSv1.2"},
        {"upstream_tls_version": None},
        {"response_flags": "UF"},
        {"bytes_sent": 7},
        {"attempt": _attempt(reply=b"hello 1\n")},
        {"attempt": _attempt(Outcome.RESET, b"")},
    ],
)
def test_no_such_reply(fields: dict[str, Any]) -> None:
    """One thing that differs is enough, and the client's own word is told then."""
    seen = evidence.replied(_exchange({"upstream_tls_version": "TLSv1.3"} | fields), tls="TLSv1.3")
    assert not seen.holds
    assert "the client says: re" in seen.text


CUT = {
    "attempt": _attempt(Outcome.RESET, b""),
    "bytes_sent": 0,
    "response_flags": "UF,URX",
    "upstream_transport_failure_reason": "TLS_error:|268435581:SSL_routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED:"
    "verify_cert:_unable_to_get_local_issuer_certificate:TLS_error_end",
}


def test_a_cut() -> None:
    """The access log shows the flags, that nothing came back, and BoringSSL's name of the reason."""
    seen = evidence.cut(_exchange(CUT), "UF", reason="CERTIFICATE_VERIFY_FAILED")
    assert seen.holds
    assert seen.text == "flags UF,URX, 0 bytes back, CERTIFICATE_VERIFY_FAILED"


@pytest.mark.parametrize(
    "fields",
    [
        {"attempt": _attempt()},
        {"attempt": _attempt(Outcome.TIMEOUT, b"")},
        {"attempt": _attempt(Outcome.RESET, b"h")},
        {"bytes_sent": 1},
        {"response_flags": "UH"},
        {"upstream_transport_failure_reason": None},
    ],
)
def test_no_such_cut(fields: dict[str, Any]) -> None:
    """A reply, a connection that hangs, another flag or another reason is no such cut."""
    assert not evidence.cut(_exchange(CUT | fields), "UF", reason="CERTIFICATE_VERIFY_FAILED").holds


@pytest.mark.parametrize(
    ("arrived", "text", "holds"),
    [
        (_connection(tls_version="TLSv1.3", presented="old"), "8 bytes over TLSv1.3, cert 'old'", True),
        (_connection(tls_version="TLSv1.3", presented="new"), "8 bytes over TLSv1.3, cert 'new'", False),
        (_connection(tls_version="TLSv1.2", presented="old"), "8 bytes over TLSv1.2, cert 'old'", False),
        (_connection(), "8 bytes in the clear, cert ''", False),
        (
            _connection(LINE * 2, tls_version="TLSv1.3", presented="old"),
            "16 bytes over TLSv1.3, cert 'old'",
            False,
        ),
        (None, "the client's bytes did not arrive", False),
    ],
)
def test_what_a_backend_received(arrived: Connection | None, text: str, *, holds: bool) -> None:
    """The line, all of it and nothing else, over that version and under that certificate."""
    seen = evidence.received(_exchange(arrived=arrived), tls="TLSv1.3", presented="old")
    assert (seen.text, seen.holds) == (text, holds)


@pytest.mark.parametrize(
    ("connections", "text", "holds"),
    [
        ((_connection(b"", failure="UNKNOWN_CA"),) * 2, "UNKNOWN_CA, 0 bytes", True),
        (
            (_connection(b"", failure="UNKNOWN_CA"), _connection(b"")),
            "UNKNOWN_CA, no failure, 0 bytes",
            False,
        ),
        ((_connection(LINE, failure="UNKNOWN_CA"),), "UNKNOWN_CA, 8 bytes", False),
        ((_connection(b"", failure="BAD_CERTIFICATE"),), "BAD_CERTIFICATE, 0 bytes", False),
        ((), "no connection, 0 bytes", False),
    ],
)
async def test_handshakes_that_failed(connections: tuple[Connection, ...], text: str, *, holds: bool) -> None:
    """There were some, all of them ended with that alert, and none with a byte of the client's."""
    seen = await evidence.handshakes_failed(_site(connections=connections), "UNKNOWN_CA")
    assert (seen.text, seen.holds) == (text, holds)


@pytest.mark.parametrize(
    ("arrived", "connections", "holds"),
    [
        (None, (_connection(RECORD),), True),
        (_connection(), (_connection(),), False),
        (None, (), False),
    ],
)
def test_a_backend_that_speaks_no_tls(
    arrived: Connection | None, connections: tuple[Connection, ...], *, holds: bool
) -> None:
    """It was connected to, and never got the client's bytes."""
    assert evidence.not_received(_site(connections=connections), _exchange(arrived=arrived)).holds is holds


@pytest.mark.parametrize(
    ("site", "text", "holds"),
    [
        (_site(), "no connections, no bytes", True),
        (_site(wire=(RECORD,)), "1 connection, TLS records: 1 handshake", False),
        (_site(connections=(_connection(b""),)), "no connections, no bytes", False),
    ],
)
def test_a_backend_that_nobody_connected_to(site: Site, text: str, *, holds: bool) -> None:
    """Not even a connection without a byte, past the recorder or not, is untouched."""
    seen = evidence.untouched(site)
    assert (seen.text, seen.holds) == (text, holds)


@pytest.mark.parametrize(
    ("wire", "text", "holds"),
    [
        ((RECORD, b"", RECORD), "12 bytes, all in TLS records", True),
        ((RECORD, LINE), r"in the clear from byte 0: b'hello 0\n'", False),
        ((RECORD + LINE,), r"in the clear from byte 6: b'\x16\x03\x01\x00\x01\x01hello 0\n'", False),
        ((b"",), "0 bytes, all in TLS records", False),
    ],
)
def test_nothing_but_tls_on_the_wire(wire: tuple[bytes, ...], text: str, *, holds: bool) -> None:
    """A single byte in the clear on any connection shows, and no bytes at all prove nothing."""
    seen = evidence.only_tls(_site(wire=wire))
    assert (seen.text, seen.holds) == (text, holds)


@pytest.mark.parametrize(
    ("wire", "text", "holds"),
    [
        ((b"", LINE), r"readable: b'hello 0\n'", True),
        ((RECORD,), "nothing readable", False),
        ((LINE, b"hello 1\n"), r"readable: b'hello 0\n hello 1\n'", False),
    ],
)
def test_a_line_in_the_clear(wire: tuple[bytes, ...], text: str, *, holds: bool) -> None:
    """The wire shows the very line that was sent, and health checks that send nothing beside it."""
    seen = evidence.in_the_clear(_site(wire=wire), _exchange())
    assert (seen.text, seen.holds) == (text, holds)


async def test_counters() -> None:
    """Some are to have counted and some are not; one that Envoy does not have is zero."""
    stage = _stage(ssl__handshake=2, ssl__connection_error=1)
    seen = await evidence.counted(
        stage.envoy.admin,
        _site().example,
        some=["ssl.handshake", "ssl.sent"],
        none=["ssl.connection_error", "ssl.fail"],
    )
    assert [(each.text, each.holds) for each in seen] == [
        ("ssl.handshake 2", True),
        ("ssl.sent 0", False),
        ("ssl.connection_error 1", False),
        ("ssl.fail 0", True),
    ]


@pytest.mark.parametrize(
    ("fields", "alive", "holds"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"closed": True}, True, False),
        ({"presented": "new"}, True, False),
        ({"received": bytearray(b"line 7\n")}, True, False),
    ],
)
async def test_a_connection_that_goes_on(fields: dict[str, Any], *, alive: bool, holds: bool) -> None:
    """The client's end lives, and so does the backend's, which began under the old certificate."""

    class Talk:
        async def goes_on(self) -> bool:
            return alive

    begun = Connection("127.0.0.1:40001", 0.0, presented="old", received=bytearray(b"line 0\nline 1\n"))
    site = _site(connections=(dataclasses.replace(begun, **fields),))
    assert (await evidence.goes_on(site, cast("Any", Talk()), presented="old")).holds is holds


def test_a_row_is_as_expected_when_all_of_it_holds() -> None:
    """One piece of evidence that does not hold is enough; what happens in between proves nothing."""
    good, bad = Evidence("backend", "8 bytes", holds=True), Evidence("wire", "in the clear", holds=False)
    assert Row("web", "Verify", "reached", (good, Caption("later:"), good)).as_expected
    assert not Row("web", "Verify", "reached", (good, Caption("later:"), bad)).as_expected


async def test_what_is_waited_for_in_vain_ends_a_row_and_does_not_hold() -> None:
    """What was seen before it stays, and the row tells what is missing."""
    good = Evidence("backend", "8 bytes", holds=True)

    async def play(_stage: Stage, _site: Site) -> AsyncIterator[Seen]:
        yield good
        raise NotSeenError("no ACK within 3 s")

    row = await perform(Scene("web", "reached", play), _stage())
    assert row.seen == (good, Evidence("missing", "no ACK within 3 s", holds=False))
    assert not row.as_expected
