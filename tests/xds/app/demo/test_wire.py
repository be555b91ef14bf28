"""Bytes are told apart: TLS records, anything else, and the PROXY protocol's header."""

import ipaddress
import struct
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xds.app.demo.wire import (
    PROXY_PREFIX,
    PROXY_SIGNATURE,
    ProxyHeader,
    TlsRecords,
    parse_proxy_header,
    proxy_header_rest,
)

_records = st.lists(
    st.tuples(st.sampled_from((20, 21, 22, 23)), st.binary(max_size=40)), min_size=1, max_size=8
)


def _record(content_type: int, body: bytes) -> bytes:
    return struct.pack("!BBBH", content_type, 3, 3, len(body)) + body


def _fed(stream: bytes, cuts: list[int]) -> TlsRecords:
    records = TlsRecords()
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    for start, end in pairwise(edges):
        records.feed(stream[start:end])
    return records


@given(_records, st.lists(st.integers(0, 400), max_size=20))
def test_records_are_found_however_the_bytes_are_cut(
    bodies: list[tuple[int, bytes]], cuts: list[int]
) -> None:
    """A stream of records is seen as these records, wherever the network cuts it."""
    stream = b"".join(_record(*each) for each in bodies)
    records = _fed(stream, cuts)
    assert records.content_types == [content_type for content_type, _ in bodies]
    assert records.cleartext_at is None
    assert (records.size, records.first) == (len(stream), stream[:64])


@given(
    _records,
    st.binary(min_size=1).filter(lambda data: data[0] not in (20, 21, 22, 23)),
    st.lists(st.integers(0, 400)),
)
def test_a_byte_in_the_clear_is_seen_wherever_it_stands(
    bodies: list[tuple[int, bytes]], clear: bytes, cuts: list[int]
) -> None:
    """The first byte that begins no record is found at its offset, also behind good records."""
    stream = b"".join(_record(*each) for each in bodies)
    records = _fed(stream + clear, cuts)
    assert records.cleartext_at == len(stream)
    assert not records.only_tls


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "no bytes"),
        (_record(22, b"hello") + _record(20, b"\1") + _record(23, b"x") * 2,
         "TLS records: 1 change_cipher_spec, 1 handshake, 2 application_data"),
        (b"ping\n", "in the clear from byte 0: b'ping\\n'"),
        (b"\x16\x02", "in the clear from byte 0: b'\\x16\\x02'"),
        (b"\x16\x03\x03\xff\xff", "in the clear from byte 0: b'\\x16\\x03\\x03\\xff\\xff'"),
        (_record(23, b"x"), "in the clear from byte 0: b'\\x17\\x03\\x03\\x00\\x01x'"),
    ],
    ids=["nothing", "TLS", "text", "another protocol", "too long", "no handshake first"],
)  # fmt: skip
def test_what_was_seen_is_said_in_one_line(data: bytes, said: str) -> None:
    """The summary names the records by kind, or shows the bytes that are none."""
    records = TlsRecords()
    records.feed(data)
    assert str(records) == said
    assert records.only_tls == said.startswith(("no", "TLS"))


def _header(command: int, family: int, addresses: bytes) -> bytes:
    return PROXY_SIGNATURE + struct.pack("!BBH", 0x20 | command, family, len(addresses)) + addresses


def _addresses(source: str, destination: str, source_port: int, destination_port: int) -> bytes:
    packed = b"".join(ipaddress.ip_address(each).packed for each in (source, destination))
    return packed + struct.pack("!HH", source_port, destination_port)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (_header(1, 0x11, _addresses("192.0.2.1", "10.0.0.7", 40000, 443)), ("192.0.2.1:40000", "10.0.0.7:443")),
        (_header(1, 0x21, _addresses("2001:db8::1", "::1", 40000, 443)), ("[2001:db8::1]:40000", "[::1]:443")),
        (_header(1, 0x11, _addresses("192.0.2.1", "10.0.0.7", 1, 2) + b"\x03\x00\x00"), ("192.0.2.1:1", "10.0.0.7:2")),
        (_header(0, 0, b""), ("", "")),
    ],
    ids=["IPv4", "IPv6", "with a TLV behind", "LOCAL"],
)  # fmt: skip
def test_a_proxy_header_tells_both_addresses(header: bytes, expected: tuple[str, str]) -> None:
    """A version 2 header yields source and destination, and says how long it is."""
    assert proxy_header_rest(header[:PROXY_PREFIX]) == len(header) - PROXY_PREFIX
    assert parse_proxy_header(header) == ProxyHeader(*expected)


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (b"PROXY TCP4 192.0.2.1 ", "no PROXY protocol v2 header"),
        (PROXY_SIGNATURE + b"\x11\x11\0\0", "no PROXY protocol v2 header"),
        (_header(1, 0x31, b""), "address family 0x31"),
        (_header(1, 0x11, b"\0" * 4), "too short"),
    ],
    ids=["version 1", "version nibble", "Unix socket", "cut short"],
)
def test_a_header_that_is_none_is_refused(header: bytes, reason: str) -> None:
    """Anything but a version 2 header for TCP over IP is an error that says why."""
    with pytest.raises(ValueError, match=reason):
        parse_proxy_header(header)
