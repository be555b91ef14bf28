"""Types as people write them: a type URL, or the three letters of its discovery service."""

from collections.abc import Iterable
from typing import Final

import grpc

from xds.admin.rpc import CallError
from xds.messages import TYPE_URL_PREFIX
from xds.snapshot.types import ORDER, short

_BY_SHORT: Final = {short(type_url): type_url for type_url in ORDER}


def type_urls(given: Iterable[str]) -> frozenset[str]:
    """Return types as type URLs; CDS, EDS, LDS, RDS and SDS are known in any case. Raises ``CallError`` for what is none."""
    return frozenset(map(_type_url, given))


def _type_url(text: str) -> str:
    known = _BY_SHORT.get(text.upper())
    if known is None and not text.startswith(TYPE_URL_PREFIX):
        raise CallError(
            grpc.StatusCode.INVALID_ARGUMENT,
            f"{text!r} is no type: write {', '.join(_BY_SHORT)}, or a type URL that begins with {TYPE_URL_PREFIX}",
        )
    return known or text
