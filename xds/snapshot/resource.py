"""One resource, encoded once.

A discovery response is a concatenation of encoded fields, so a resource's share of it can be prepared when the resource
changes and be joined into the responses of every stream as it is. Nothing here knows who asks for it.
"""

import hashlib
from typing import Any, Self

from xds.messages import Any_, pack
from xds.snapshot.types import CLUSTER

_BYTES_OF_VERSION = 8
_EDS = 3  # envoy.config.cluster.v3.Cluster.DiscoveryType


class Resource:
    """A named resource of one type: its bytes, its version and its share of a response. Immutable.

    ``version`` is a hash of the content unless the maker gave one (rule 34: the same on every replica and after a
    restart). ``body`` is the encoded ``google.protobuf.Any``. ``sotw_head + body`` is the resource as an element of
    ``DiscoveryResponse.resources``, ``delta_head + body`` as one of ``DeltaDiscoveryResponse.resources``.
    ``eds_name`` names the ClusterLoadAssignment that a cluster waits for, if it does (rule 30).
    """

    __slots__ = ("body", "delta_head", "digest", "eds_name", "name", "sotw_head", "type_url", "version")

    def __init__(
        self,
        *,
        type_url: str,
        name: str,
        body: bytes,
        version: str | None = None,
        eds_name: str | None = None,
    ) -> None:
        content = hashlib.blake2b(body, digest_size=_BYTES_OF_VERSION)
        self.type_url = type_url
        self.name = name
        self.body = body
        self.version = content.hexdigest() if version is None else version
        self.eds_name = eds_name
        # Both sides of what makes a set of resources what it is: names, and what stands under them.
        self.digest = int.from_bytes(
            hashlib.blake2b(
                b"\0".join((name.encode(), self.version.encode(), content.digest())),
                digest_size=_BYTES_OF_VERSION,
            ).digest()
        )
        # Field 2 of either response, length-delimited.
        self.sotw_head = b"\x12" + varint(len(body))
        # envoy.service.discovery.v3.Resource: name = 3, version = 1, resource = 2.
        inner = (
            b"\x1a" + delimited(name.encode()) + b"\x0a" + delimited(self.version.encode()) + self.sotw_head
        )
        self.delta_head = b"\x12" + varint(len(inner) + len(body)) + inner

    @classmethod
    def of(cls, name: str, message: Any, *, version: str | None = None) -> Self:
        """Encode a message (of ``xds.messages``) under a name."""
        packed = pack(message)
        return cls(
            type_url=packed.type_url,
            name=name,
            body=packed.SerializeToString(),
            version=version,
            eds_name=_eds_name(message) if packed.type_url == CLUSTER else None,
        )

    def message(self, cls: type[Any]) -> Any:
        """Decode the resource into a message of ``cls``."""
        return cls.FromString(Any_.FromString(self.body).value)

    def __repr__(self) -> str:
        return f"Resource({self.type_url.rpartition('.')[2]} {self.name!r}, {len(self.body)} bytes, {self.version})"


def _eds_name(cluster: Any) -> str | None:
    if cluster.type != _EDS:
        return None
    name: str = cluster.eds_cluster_config.service_name or cluster.name
    return name


def varint(number: int) -> bytes:
    """Encode a non-negative number as protobuf's base-128 varint."""
    out = bytearray()
    while number > 0x7F:  # noqa: PLR2004 — seven bits a byte
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def delimited(content: bytes) -> bytes:
    """Encode a length-delimited field's value: its length, then its bytes."""
    return varint(len(content)) + content
