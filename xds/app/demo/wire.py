"""What bytes on a connection are: TLS records or not, and the PROXY protocol's header in front of them.

The demo proves that nothing leaves Envoy in the clear by looking at the bytes themselves, not at what a TLS library makes of them.
Pure: this module reads no socket.
"""

import ipaddress
import struct
from dataclasses import dataclass, field
from typing import NamedTuple

HANDSHAKE = 22
"""TLS content type of a handshake record (RFC 8446, section 5.1); the first byte of every TLS connection, 0x16."""

_CONTENT_TYPES = {20: "change_cipher_spec", 21: "alert", HANDSHAKE: "handshake", 23: "application_data"}
_RECORD_HEADER = 5
_MAJOR_VERSION = 3
_LONGEST_RECORD = (1 << 14) + 2048
"""The longest ciphertext that TLS 1.2 allows (RFC 5246, section 6.2.3); TLS 1.3 allows less."""

_KEPT = 64


@dataclass(slots=True)
class TlsRecords:
    """One direction of a connection, cut into TLS records as its bytes arrive.

    `first` keeps the first 64 bytes, `content_types` one number for each record begun, `size` counts bytes. As soon as bytes do not
    begin a TLS record, `cleartext_at` is their offset, and nothing after them is looked at.
    """

    first: bytes = b""
    size: int = 0
    content_types: list[int] = field(default_factory=list)
    cleartext_at: int | None = None
    _header: bytes = b""
    _remaining: int = 0

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the connection, cut anywhere."""
        self.first += data[: _KEPT - len(self.first)]
        start = self.size
        self.size += len(data)
        position = 0
        while position < len(data) and self.cleartext_at is None:
            if self._remaining:
                taken = min(self._remaining, len(data) - position)
                self._remaining -= taken
            else:
                taken = min(_RECORD_HEADER - len(self._header), len(data) - position)
                self._header += data[position : position + taken]
                self._begin_record(start + position + taken - len(self._header))
            position += taken

    def _begin_record(self, offset: int) -> None:
        """Judge as much of a record's header as is there, so that even a single byte in the clear is seen."""
        if self._header[0] not in _CONTENT_TYPES or self._header[1:2] not in (b"", bytes((_MAJOR_VERSION,))):
            self.cleartext_at = offset
        elif len(self._header) == _RECORD_HEADER:
            content_type, _, length = struct.unpack("!BHH", self._header)
            if length > _LONGEST_RECORD:
                self.cleartext_at = offset
                return
            self.content_types.append(content_type)
            self._header, self._remaining = b"", length

    @property
    def only_tls(self) -> bool:
        """Whether every byte so far belongs to TLS records, a handshake first; true of a connection without bytes."""
        return self.cleartext_at is None and self.first[:1] in (b"", bytes((HANDSHAKE,)))

    def __str__(self) -> str:
        """Say in one line what was seen: how many records of which kind, or the bytes in the clear."""
        if not self.size:
            return "no bytes"
        if not self.only_tls:
            return f"in the clear from byte {self.cleartext_at or 0}: {self.first!r}"
        kinds = (
            f"{self.content_types.count(number)} {name}"
            for number, name in _CONTENT_TYPES.items()
            if number in self.content_types
        )
        return f"TLS records: {', '.join(kinds)}"


PROXY_SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
"""First 12 bytes of a PROXY protocol v2 header (haproxy's proxy-protocol.txt, section 2.2)."""
PROXY_PREFIX = 16
"""Bytes up to and with the length of what follows."""

_VERSION_2 = 2
_LOCAL, _PROXY = 0, 1
_LAYOUTS = {0x11: "!4s4sHH", 0x21: "!16s16sHH"}
"""Source and destination address and port, by address family: TCP over IPv4, TCP over IPv6."""


class ProxyHeader(NamedTuple):
    """Addresses of a PROXY protocol v2 header, as `ip:port` (`[ip]:port` for IPv6); both empty for the LOCAL command."""

    source: str
    destination: str


def proxy_header_rest(prefix: bytes) -> int:
    """Return how many bytes follow the 16 bytes of `prefix`. Raises `ValueError` when they begin no v2 header."""
    if not prefix.startswith(PROXY_SIGNATURE) or prefix[12] >> 4 != _VERSION_2:
        raise ValueError(f"no PROXY protocol v2 header: {prefix!r}")
    return int.from_bytes(prefix[14:16], "big")


def parse_proxy_header(header: bytes) -> ProxyHeader:
    """Parse a whole header, prefix included. Raises `ValueError` on anything that is not TCP over IPv4 or IPv6, or LOCAL."""
    proxy_header_rest(header[:PROXY_PREFIX])
    command, family = header[12] & 0x0F, header[13]
    if command == _LOCAL:
        return ProxyHeader("", "")
    if command != _PROXY or family not in _LAYOUTS:
        raise ValueError(f"unknown PROXY protocol command {command} or address family {family:#x}")
    layout = _LAYOUTS[family]
    if len(header) < PROXY_PREFIX + struct.calcsize(layout):
        raise ValueError(f"PROXY protocol header of {len(header)} bytes is too short for its addresses")
    source, destination, source_port, destination_port = struct.unpack_from(layout, header, PROXY_PREFIX)
    return ProxyHeader(_joined(source, source_port), _joined(destination, destination_port))


def _joined(packed: bytes, port: int) -> str:
    ip = ipaddress.ip_address(packed)
    return f"[{ip}]:{port}" if isinstance(ip, ipaddress.IPv6Address) else f"{ip}:{port}"
