"""One resource, encoded once.

A discovery response is a concatenation of encoded fields, so a resource's share of it can be prepared when the resource
changes and be joined into the responses of every stream as it is. Nothing here knows who asks for it.
"""

import hashlib
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final, Self

from xds.messages import Any_, Cluster, ClusterLoadAssignment
from xds.messages import type_url as type_url_of
from xds.snapshot.types import CLUSTER, ENDPOINT

_BYTES_OF_VERSION: Final = 8
_EDS: Final = 3  # envoy.config.cluster.v3.Cluster.DiscoveryType
_WILDCARD: Final = "*"
_ONE_BYTE: Final = tuple(bytes((number,)) for number in range(0x80))
"""By far the most of the numbers are that small."""


class InvalidResourceError(ValueError):
    """What was given cannot be served; the text names the resource, what is wrong with it, and the remedy."""


class Resource:
    """A named resource of one type: its bytes, its version and its share of a response. Immutable.

    ``version`` is a hash of the content unless the maker gave one (rule 34: the same on every replica and after a
    restart); it is never empty. ``hashed`` says which: a version of the maker's own does not vouch for the content. ``body`` is the encoded ``google.protobuf.Any``, whose type is the resource's by
    construction (rule 11). ``sotw_head + body`` is the resource as an element of ``DiscoveryResponse.resources``,
    ``delta_head + body`` as one of ``DeltaDiscoveryResponse.resources``. ``digest`` stands for name, version and content.

    Of a cluster, ``eds_name`` names the ClusterLoadAssignment that it waits for, if it does (rule 30). Of a
    ClusterLoadAssignment, ``without_endpoints`` says whether it empties its cluster (rule 31).
    """

    __slots__ = (
        "body",
        "delta_head",
        "digest",
        "eds_name",
        "hashed",
        "name",
        "sotw_head",
        "type_url",
        "version",
        "without_endpoints",
    )

    def __init__(self, *, type_url: str, name: str, value: bytes, version: str = "") -> None:
        """Take an encoded message; ``version`` is the maker's own.

        Raises ``InvalidResourceError`` where the name is none, and ``google.protobuf.message.DecodeError`` where a
        cluster's or an assignment's bytes are none.
        """
        if name in ("", _WILDCARD):
            raise InvalidResourceError(
                f"a resource of type {type_url} is named {name!r}: nobody can ask for that"
            )
        self.type_url = type_url
        self.name = name
        # google.protobuf.Any: type_url = 1, value = 2.
        self.body = _any_head(type_url) + varint(len(value)) + value
        content = hashlib.blake2b(self.body, digest_size=_BYTES_OF_VERSION)
        self.hashed = not version
        self.version = version or content.hexdigest()
        # Each part with its length: no two resources run into the same text.
        identity = delimited(name.encode()) + delimited(self.version.encode()) + content.digest()
        self.digest = int.from_bytes(hashlib.blake2b(identity, digest_size=_BYTES_OF_VERSION).digest())
        # Field 2 of either response, length-delimited.
        self.sotw_head = b"\x12" + varint(len(self.body))
        # envoy.service.discovery.v3.Resource: name = 3, version = 1, resource = 2.
        inner = (
            b"\x1a" + delimited(name.encode()) + b"\x0a" + delimited(self.version.encode()) + self.sotw_head
        )
        self.delta_head = b"\x12" + varint(len(inner) + len(self.body)) + inner
        self.eds_name = _eds_name(value) if type_url == CLUSTER else None
        self.without_endpoints = type_url == ENDPOINT and _without_endpoints(value)

    @classmethod
    def of(cls, name: str, message: Any, *, version: str = "") -> Self:
        """Encode a message (of ``xds.messages``) under a name."""
        value = message.SerializeToString(deterministic=True)
        return cls(type_url=type_url_of(message), name=name, value=value, version=version)

    def message(self, cls: type[Any]) -> Any:
        """Decode the resource into a message of ``cls``."""
        return cls.FromString(Any_.FromString(self.body).value)

    def __repr__(self) -> str:
        return f"Resource({self.type_url.rpartition('.')[2]} {self.name!r}, {len(self.body)} bytes, {self.version})"


def keys_of(given: Iterable[Any]) -> list[tuple[str, str]]:
    """Return (type URL, name) pairs as a list. Raises ``InvalidResourceError`` for what is no such pair."""
    keys = list(given)
    for key in keys:
        pair = isinstance(key, tuple) and len(key) == 2  # noqa: PLR2004 — a type URL and a name
        if not pair or not all(isinstance(part, str) for part in key):
            raise InvalidResourceError(f"{key!r} names no resource: write (type URL, name)")
    return keys


def _eds_name(encoded: bytes) -> str | None:
    cluster = Cluster.FromString(encoded)
    if cluster.type != _EDS:
        return None
    name: str = cluster.eds_cluster_config.service_name or cluster.name
    return name


def _without_endpoints(encoded: bytes) -> bool:
    localities = ClusterLoadAssignment.FromString(encoded).endpoints
    return not any(
        locality.lb_endpoints
        or locality.load_balancer_endpoints.lb_endpoints
        or locality.HasField("leds_cluster_locality_config")
        for locality in localities
    )


@lru_cache(maxsize=64)
def _any_head(type_url: str) -> bytes:
    return b"\x0a" + delimited(type_url.encode()) + b"\x12"


def varint(number: int) -> bytes:
    """Encode a non-negative number as protobuf's base-128 varint."""
    if number < len(_ONE_BYTE):
        return _ONE_BYTE[number]
    out = bytearray()
    while number > 0x7F:  # noqa: PLR2004 — seven bits a byte
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def delimited(content: bytes) -> bytes:
    """Encode a length-delimited field's value: its length, then its bytes."""
    return varint(len(content)) + content
