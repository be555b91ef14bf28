"""Certificates and CRLs written byte by byte, for what no library would write; and mutations of sound ones."""

import copy
import random
from collections.abc import Iterator, Sequence
from typing import Any, Final

COMMON_NAME: Final = bytes.fromhex("550403")
BASIC_CONSTRAINTS: Final = bytes.fromhex("551d13")
UTF8: Final = 0x0C
TRUE, FALSE = b"\x01\x01\xff", b"\x01\x01\x00"
_ECDSA_WITH_SHA256: Final = bytes.fromhex("300a06082a8648ce3d040302")
_PUBLIC_KEY: Final = bytes.fromhex("300d 3007 0605 2a03040506 0302 00ff")
"""A key of an algorithm that nobody knows: Envoy decodes keys when it needs them."""
_START, _END = b"260101000000Z", b"360101000000Z"


def _length(length: int) -> bytes:
    if length < 0x80:
        return bytes([length])
    size = (length.bit_length() + 7) // 8
    return bytes([0x80 | size]) + length.to_bytes(size)


def tlv(tag: int, *contents: bytes) -> bytes:
    """Encode a value."""
    joined = b"".join(contents)
    return bytes([tag]) + _length(len(joined)) + joined


def name(value: bytes = b"x", tag: int = UTF8, attribute: bytes = COMMON_NAME) -> bytes:
    """Encode a name of one attribute."""
    return tlv(0x30, tlv(0x31, tlv(0x30, tlv(6, attribute), tlv(tag, value))))


def extension(identifier: bytes, value: bytes, critical: bytes = b"") -> bytes:
    """Encode an extension; `critical` is the flag's encoding, if it is there."""
    return tlv(0x30, tlv(6, identifier), critical, tlv(4, value))


def certificate(
    *,
    version: bytes = b"\xa0\x03\x02\x01\x02",
    serial: bytes = b"\x02\x01\x05",
    subject: bytes = name(),
    algorithm: bytes = _ECDSA_WITH_SHA256,
    times: Sequence[bytes] = (tlv(0x17, _START), tlv(0x17, _END)),
    public_key: bytes = _PUBLIC_KEY,
    unique_id: bytes = b"",
    extensions: Sequence[bytes] | None = None,
) -> bytes:
    """Encode a certificate that names itself as issuer; its signature is none."""
    added = b"" if extensions is None else tlv(0xA3, tlv(0x30, *extensions))
    signed = tlv(
        0x30, version, serial, algorithm, subject, tlv(0x30, *times), subject, public_key, unique_id, added
    )
    return tlv(0x30, signed, algorithm, tlv(3, b"\x00\x30\x00"))


def crl(
    *,
    version: bytes = b"\x02\x01\x01",
    issuer: bytes = name(),
    algorithm: bytes = _ECDSA_WITH_SHA256,
    entries: Sequence[bytes] | None = None,
    extensions: Sequence[bytes] | None = None,
) -> bytes:
    """Encode a CRL; its signature is none."""
    revoked = b"" if entries is None else tlv(0x30, *entries)
    added = b"" if extensions is None else tlv(0xA0, tlv(0x30, *extensions))
    signed = tlv(0x30, version, algorithm, issuer, tlv(0x17, _START), tlv(0x17, _END), revoked, added)
    return tlv(0x30, signed, algorithm, tlv(3, b"\x00\x30\x00"))


def crl_entry(*extensions: bytes, serial: bytes = b"\x02\x01\x05", empty: bool = False) -> bytes:
    """Encode an entry of a CRL; `empty`: with a list of no extensions."""
    added = tlv(0x30, *extensions) if extensions or empty else b""
    return tlv(0x30, serial, tlv(0x17, _START), added)


def mutations(seeds: Sequence[bytes], *, seed: int) -> Iterator[bytes]:
    """Yield mutated copies without end, the same in every run: of bytes, and of the tree that they encode."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    while True:
        der = chance.choice(seeds)
        yield _of_bytes(der, chance) if chance.random() < 0.3 else _of_tree(der, chance)


def _of_bytes(der: bytes, chance: random.Random) -> bytes:
    changed = bytearray(der)
    at = chance.randrange(len(changed))
    if chance.random() < 0.8:
        changed[at] = chance.randrange(256)
    elif chance.random() < 0.5:
        del changed[at]
    else:
        changed.insert(at, chance.randrange(256))
    return bytes(changed)


_TAGS: Final = bytes.fromhex("0102030405060a0c1213141617181a1c1e303180818284a0a1a2a3")
_TIME_TAGS: Final = (0x17, 0x18)
_STRANGE_TIMES: Final = (
    *(b"2601010000Z", b"260101000000+0100", b"20260101000000Z", b"20260101000000.5Z", b"260230000000Z"),
    *(b"00000101000000Z", b"99991231235959Z", b"260101235960Z", b"20260101000000", b"490101000000Z"),
)


def _of_tree(der: bytes, chance: random.Random) -> bytes:
    tree = _parse(der)
    for _ in range(chance.choice((1, 1, 2))):
        siblings, index = chance.choice(list(_places(tree)))
        node = siblings[index]
        match chance.randrange(6):
            case 0:
                del siblings[index]
            case 1:
                siblings.insert(index, copy.deepcopy(node))
            case 2:
                node[0] = chance.choice(_TAGS)
            case 3 if isinstance(node[1], list):
                chance.shuffle(node[1])
            case _ if isinstance(node[1], bytes):
                node[1] = _of_value(node[0], node[1], chance)
            case _:
                node[1] = []
        if not tree:
            return b""
    return _encode(tree)


def _of_value(tag: int, value: bytes, chance: random.Random) -> bytes:
    if tag in _TIME_TAGS:
        return chance.choice(_STRANGE_TIMES)
    noise = chance.randbytes(chance.randrange(4))
    at = chance.randrange(len(value) + 1)
    return chance.choice(
        (b"", value + noise, value[:-1], noise, b"\x00" + value, value[:at] + noise + value[at + 1 :])
    )


def _parse(der: bytes) -> list[list[Any]]:
    """Return the tree of an encoding: lists of [tag, bytes or subtree]."""
    nodes: list[list[Any]] = []
    at = 0
    while at < len(der):
        tag, length, start = der[at], der[at + 1], at + 2
        if length > 0x80:
            start += length - 0x80
            length = int.from_bytes(der[at + 2 : start])
        contents = der[start : start + length]
        nodes.append([tag, _parse(contents) if tag & 0x20 else contents])
        at = start + length
    return nodes


def _places(nodes: list[list[Any]]) -> Iterator[tuple[list[list[Any]], int]]:
    for index, (_, contents) in enumerate(nodes):
        yield nodes, index
        if isinstance(contents, list):
            yield from _places(contents)


def _encode(nodes: list[list[Any]]) -> bytes:
    return b"".join(
        tlv(tag, contents if isinstance(contents, bytes) else _encode(contents)) for tag, contents in nodes
    )
