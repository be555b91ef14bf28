"""A response before it is bytes, and how it becomes them: by joining what was encoded once.

Field numbers are those of ``envoy/service/discovery/v3/discovery.proto``; a test holds them against the message classes.
"""

from collections.abc import Iterator
from typing import NamedTuple

from xds.snapshot import Resource, sotw_bytes
from xds.snapshot.resource import delimited


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
    # State of the world: the resources as they stand in the response, where they were joined for all streams.
    joined: bytes = b""

    def encode(self, control_plane: bytes) -> bytes:
        """Return the encoded ``DiscoveryResponse`` or ``DeltaDiscoveryResponse``.

        ``control_plane`` is the encoded ``envoy.config.core.v3.ControlPlane``.
        """
        return b"".join(self._parts(control_plane))

    def _parts(self, control_plane: bytes) -> Iterator[bytes]:
        yield b"\x0a" + delimited(self.version.encode())
        if self.delta:
            for resource in self.resources:
                yield resource.delta_head
                yield resource.body
        else:
            yield self.joined or sotw_bytes(self.resources)
        yield b"\x22" + delimited(self.type_url.encode())
        yield b"\x2a" + delimited(self.nonce.encode())
        if self.delta:
            for name in self.removed:
                yield b"\x32" + delimited(name.encode())
            yield b"\x3a" + delimited(control_plane)
        else:
            yield b"\x32" + delimited(control_plane)
