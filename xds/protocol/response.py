"""A response before it is bytes, and how it becomes them: by joining what was encoded once.

Field numbers are those of ``envoy/service/discovery/v3/discovery.proto``; a test holds them against the message classes.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import Final, NamedTuple

from xds.snapshot import Resource, delta_bytes, sotw_bytes
from xds.snapshot.resource import delimited


@lru_cache(maxsize=1024)
def _text(tag: bytes, text: str) -> bytes:
    """Return a field that holds a text: many streams are sent the same versions and types."""
    return tag + delimited(text.encode())


class _Same(NamedTuple):
    """What makes two responses with everything the same bytes."""

    joined: bytes
    version: str
    nonce: str
    type_url: str
    control_plane: bytes


_LAST: Final[dict[_Same, bytes]] = {}
"""The newest message with everything, which is megabytes: streams that have lived through the same have the same nonce."""


class Response(NamedTuple):
    """What one type on one stream is sent."""

    type_url: str
    nonce: str
    # The version of the type: ``version_info`` or ``system_version_info``.
    version: str
    resources: tuple[Resource, ...]
    # What the response brings that the client did not have: in state of the world most of ``resources`` may be old.
    changed: tuple[str, ...]
    # Names that the client is to forget; in state of the world it does by their absence.
    removed: tuple[str, ...]
    delta: bool
    # The resources as they stand in the response, where they were joined for all streams.
    joined: bytes = b""

    @property
    def size(self) -> int:
        """About how many bytes it takes."""
        return len(self.joined) or sum(len(resource.body) for resource in self.resources)

    def encode(self, control_plane: bytes) -> bytes:
        """Return the encoded ``DiscoveryResponse`` or ``DeltaDiscoveryResponse``.

        ``control_plane`` is the encoded ``envoy.config.core.v3.ControlPlane``.
        """
        if not self.joined:
            return b"".join(self._parts(control_plane))
        same = _Same(self.joined, self.version, self.nonce, self.type_url, control_plane)
        message = _LAST.get(same)
        if message is None:
            message = b"".join(self._parts(control_plane))
            _LAST.clear()
            _LAST[same] = message
        return message

    def _parts(self, control_plane: bytes) -> Iterator[bytes]:
        yield _text(b"\x0a", self.version)
        yield self.joined or (delta_bytes if self.delta else sotw_bytes)(self.resources)
        yield _text(b"\x22", self.type_url)
        yield _text(b"\x2a", self.nonce)
        if self.delta:
            for name in self.removed:
                yield b"\x32" + delimited(name.encode())
            yield b"\x3a" + delimited(control_plane)
        else:
            yield b"\x32" + delimited(control_plane)
