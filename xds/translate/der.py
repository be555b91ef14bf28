"""What Envoy asks of an encoding beyond what `cryptography` checks.

Envoy loads certificates with BoringSSL, which reads every name as it loads; `cryptography` looks at a name
only when asked, and by other rules. It also lets a certificate of version 1 have fields of version 3. One
certificate that only `cryptography` takes makes Envoy reject the whole bundle, so both have to agree. The
rules are those of BoringSSL's crypto/x509 (x509_parse_name, X509_parse, d2i_X509_CERT_AUX), compared with
Envoy 1.40 on mutated certificates and CRLs.

What comes here was parsed by `cryptography` before: this is not a second parser of all of X.509.
"""

from functools import lru_cache
from typing import Final, NamedTuple, TypeAlias

Name: TypeAlias = tuple[frozenset[tuple[bytes, str]], ...]
"""A distinguished name as BoringSSL compares it: string type, case and extra spaces do not count.

One set of (attribute type, value) pairs for each relative name.
"""
_Element: TypeAlias = tuple[int, int, int]
"""The tag of an encoded value, and where its contents start and end."""

_INTEGER: Final = 0x02
_NULL: Final = 0x05
_OBJECT_IDENTIFIER: Final = 0x06
_OCTET_STRING: Final = 0x04
_UTF8_STRING: Final = 0x0C
_BMP_STRING: Final = 0x1E
_SEQUENCE: Final = 0x30
_CONTEXT_0: Final = 0xA0
_STRINGS: Final = {
    _UTF8_STRING: "utf-8",
    0x12: "latin-1",  # NumericString
    0x13: "latin-1",  # PrintableString
    0x14: "latin-1",  # T61String; BoringSSL reads it so, as it is mostly meant
    0x16: "latin-1",  # IA5String
    0x1A: "latin-1",  # VisibleString
    0x1C: "utf-32-be",  # UniversalString
    _BMP_STRING: "utf-16-be",
}
_CONSTRUCTED: Final = 0x20
_EMPTY_SEQUENCE: Final = b"\x30\x00"
_LONG_FORM: Final = 0x80
_NAMING_EXTENSIONS: Final = (b"\x55\x1d\x1c", b"\x55\x1d\x23")
"""issuingDistributionPoint and authorityKeyIdentifier, which may hold names."""


class DerError(ValueError):
    """An encoding that Envoy rejects, or that only it would take. The message ends a sentence: "it …"."""


class Names(NamedTuple):
    """Who issued a certificate, and to whom."""

    issuer: Name
    subject: Name


def certificate_names(der: bytes) -> Names:
    """Return the names of a certificate that `cryptography` parsed. Raises DerError."""
    _, start, _ = _element(der, 0)
    _, at, end_of_signed = _element(der, start)
    tag, _, end = _element(der, at)
    has_version = tag == _CONTEXT_0
    if has_version:
        _, _, end = _element(der, end)
    algorithm = _algorithm(der, end)
    issuer = _element(der, algorithm)
    _, _, end_of_validity = _element(der, issuer[2])
    subject = _element(der, end_of_validity)
    _, start, end_of_key = _element(der, subject[2])
    _algorithm(der, start)
    _algorithm(der, end_of_signed)
    if not has_version and end_of_key != end_of_signed:
        raise DerError("says that it is of version 1, but has fields of version 3")
    name = _name(der, issuer)
    if der[issuer[1] : issuer[2]] == der[subject[1] : subject[2]]:
        return Names(name, name)
    return Names(name, _name(der, subject))


def revocation_list_issuer(der: bytes) -> Name:
    """Return the issuer of a CRL that `cryptography` parsed. Raises DerError.

    BoringSSL looks at extensions while it loads a CRL (crypto/x509/x_crl.cc), so this does as well.
    """
    _, start, _ = _element(der, 0)
    signed = _element(der, start)
    first, *others = _elements(der, signed)
    has_version = first[0] == _INTEGER
    algorithm_at = first[2] if has_version else signed[1]
    issuer, *others = others[1:] if has_version else others
    _algorithm(der, algorithm_at)
    _algorithm(der, signed[2])
    for part in others:
        if part[0] == _SEQUENCE:
            _check_revoked(der, part, may_have_extensions=has_version)
        elif part[0] == _CONTEXT_0:
            extensions = _elements(der, _element(der, part[1]))
            if not extensions:
                raise DerError("has an empty list of extensions")
            if not has_version:
                raise DerError("says that it is of version 1, but has extensions")
            for extension in extensions:
                (_, start, end), *_, (_, value, _) = _elements(der, extension)
                if der[start:end] in _NAMING_EXTENSIONS:
                    _check_texts(der, _element(der, value))
    return _name(der, issuer)


def without_trust_settings(der: bytes) -> bytes:
    """Return the certificate of a TRUSTED CERTIFICATE block, without what OpenSSL writes behind it.

    That is X509_CERT_AUX: purposes that are trusted, purposes that are rejected, a name, a key id, each
    optional. (OpenSSL may write more; BoringSSL knows these.) Raises DerError.
    """
    _, _, end_of_certificate = _element(der, 0)
    if end_of_certificate < len(der):
        tag, start, end = _element(der, end_of_certificate)
        parts = _elements(der, (tag, start, end))
        expected = iter((_SEQUENCE, _CONTEXT_0, _UTF8_STRING, _OCTET_STRING))
        purposes = [
            purpose
            for part in parts
            if part[0] in (_SEQUENCE, _CONTEXT_0)
            for purpose in _elements(der, part)
        ]
        if (
            tag != _SEQUENCE
            or end != len(der)
            or not all(part[0] in expected for part in parts)
            or not all(_is_identifier(der, purpose) for purpose in purposes)
        ):
            raise DerError("has trust settings that are damaged")
        for tag, start, end in parts:
            if tag == _UTF8_STRING:
                _text(tag, der[start:end])
    return der[:end_of_certificate]


def _algorithm(der: bytes, at: int) -> int:
    """Check the algorithm identifier at a position, and return where it ends."""
    _, _, end = _element(der, at)
    _check_algorithm(der[at:end])
    return end


@lru_cache(maxsize=64)  # there are few, and they are the same in every certificate
def _check_algorithm(der: bytes) -> None:
    """Check the parameters, which `cryptography` leaves alone where it does not know the algorithm."""
    for tag, start, end in _elements(der, _element(der, 0))[1:]:
        is_null = tag == _NULL and start == end
        if not (is_null or tag == _SEQUENCE or _is_identifier(der, (tag, start, end))):
            raise DerError("has an algorithm with parameters of an unknown kind")


def _check_revoked(der: bytes, revoked: _Element, *, may_have_extensions: bool) -> None:
    """Check the entries of a CRL, which may be many: only where a look at the bytes leaves a doubt."""
    _, start, end = revoked
    if may_have_extensions and _EMPTY_SEQUENCE not in der[start:end]:
        return
    for entry in _elements(der, revoked):
        for _, start, end in _elements(der, entry)[2:]:
            if start == end or not may_have_extensions:
                raise DerError("has an entry with extensions that it must not have")


def _check_texts(der: bytes, element: _Element) -> None:
    """Check every text within an element as those of names are checked, however deep it stands."""
    pending = [element]
    while pending:
        tag, start, end = pending.pop()
        if tag & _CONSTRUCTED:
            pending.extend(_elements(der, (tag, start, end)))
        elif tag in _STRINGS:
            _text(tag, der[start:end])


def _name(der: bytes, name: _Element) -> Name:
    return tuple(_relative_name(der, relative) for relative in _elements(der, name))


def _relative_name(der: bytes, relative: _Element) -> frozenset[tuple[bytes, str]]:
    pairs = []
    for _, at, _ in _elements(der, relative):
        _, start, end = _element(der, at)
        tag, start_of_text, end_of_text = _element(der, end)
        text = _text(tag, der[start_of_text:end_of_text])
        pairs.append((der[start:end], " ".join(text.lower().split())))
    if not pairs:
        raise DerError("has a name with an empty part")
    return frozenset(pairs)


def _text(tag: int, value: bytes) -> str:
    encoding = _STRINGS.get(tag)
    if encoding is None:
        raise DerError("has a name with a part that is no text")
    try:
        text = value.decode(encoding)
    except UnicodeDecodeError:
        raise DerError(f"has a name with a part that is not {encoding}") from None
    if not text.isascii() and not all(_is_character(ord(letter), tag) for letter in text):
        raise DerError("has a name with a part that holds code points which are no characters")
    return text


def _is_character(code: int, tag: int) -> bool:
    """Whether BoringSSL takes a code point: no noncharacter, and in a BMPString none beyond 16 bits."""
    if tag == _BMP_STRING and code > 0xFFFF:  # noqa: PLR2004 — a surrogate pair: the type has no such thing
        return False
    return not (0xFDD0 <= code <= 0xFDEF or code & 0xFFFE == 0xFFFE)  # noqa: PLR2004 — Unicode's noncharacters


def _is_identifier(der: bytes, element: _Element) -> bool:
    """Whether this is an object identifier: its last part ends, and no part has leading zeros."""
    tag, start, end = element
    value = der[start:end]
    starts = (0, *(at + 1 for at, byte in enumerate(value[:-1]) if byte < _LONG_FORM))
    return (
        tag == _OBJECT_IDENTIFIER
        and bool(value)
        and value[-1] < _LONG_FORM
        and all(value[at] != _LONG_FORM for at in starts)
    )


def _elements(der: bytes, parent: _Element) -> list[_Element]:
    _, at, end = parent
    elements = []
    while at < end:
        element = _element(der, at)
        elements.append(element)
        at = element[2]
    if at > end:
        raise DerError("has parts that overlap")
    return elements


def _element(der: bytes, at: int) -> _Element:
    """Read the tag and the length at a position."""
    try:
        tag, length, start = der[at], der[at + 1], at + 2
    except IndexError:
        raise DerError("ends too early") from None
    if length >= _LONG_FORM:
        start += length - _LONG_FORM
        length = int.from_bytes(der[at + 2 : start])
        if length < _LONG_FORM or not der[at + 2]:
            raise DerError("has a length that is not encoded as DER wants it")
    end = start + length
    if end > len(der):
        raise DerError("ends too early")
    return tag, start, end
