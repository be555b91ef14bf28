"""Ports that are free, and stay so until they are bound.

The kernel hands out "any free port" and the local ports of outgoing connections from one range, so a free port of that range may be
gone a moment later, taken by a client's own connection; and a connection to a closed port of that range can even meet itself. Ports
chosen here lie below that range. This module does not know what the ports are for.
"""

import contextlib
import secrets
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Protocol = Literal["TCP", "UDP"]

LOOPBACK = "127.0.0.1"
_EVERYWHERE = "0.0.0.0"  # noqa: S104  # Envoy's listeners bind it: a port is free only when it is free on every address

_FIRST = 10000
_SPOKEN_FOR = range(18000, 22000)
"""Ports that the examples name, for the control plane, for Envoy, for its listeners and for backends."""
_EPHEMERAL_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_EPHEMERAL_DEFAULT = 49152
"""IANA's first dynamic port (RFC 6335), where the kernel does not tell."""
_FEWEST = 1000
"""With fewer ports than these below the kernel's range, choosing there would collide more often than it helps."""
_TRIES = 100


_share: tuple[int, int] = (0, 1)


def share(index: int, of: int) -> None:
    """Choose from now on among this share of the ports only: no two of so many processes choose the same one."""
    global _share  # noqa: PLW0603 — the ports are the machine's, not an object's
    _share = (index, of)


def _candidates() -> Iterator[int]:
    """Yield ports to try, at random; 0 (the kernel chooses) when its own range leaves no room."""
    try:
        end = int(_EPHEMERAL_RANGE.read_text(encoding="ascii").split()[0])
    except OSError:
        end = _EPHEMERAL_DEFAULT
    index, of = _share
    for _ in range(_TRIES):
        if end - _FIRST < _FEWEST:
            yield 0
        elif (port := _FIRST + secrets.randbelow((end - _FIRST) // of) * of + index) not in _SPOKEN_FOR:
            yield port


def bound(protocol: Protocol = "TCP", *, host: str = LOOPBACK, port: int | None = None) -> socket.socket:
    """Return a non-blocking socket bound to `port`, or to a free one; a TCP socket does not listen yet.

    Raises `OSError` when the given port cannot be had.
    """
    refusal = OSError("no free port found")
    for candidate in _candidates() if port is None else (port,):
        kind = socket.SOCK_STREAM if protocol == "TCP" else socket.SOCK_DGRAM
        bound_socket = socket.socket(socket.AF_INET, kind)
        try:
            if protocol == "TCP":
                bound_socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound_socket.bind((host, candidate))
            bound_socket.setblocking(False)
        except OSError as error:
            bound_socket.close()
            refusal = error
        else:
            return bound_socket
    raise refusal


def _unavailable(protocol: Protocol, port: int | None) -> OSError | int:
    """Return why the port cannot be had, or else its number; it is bound for a moment to find out."""
    try:
        with contextlib.closing(bound(protocol, host=_EVERYWHERE, port=port)) as probe:
            if protocol == "TCP":
                probe.listen()  # only listening tells: SO_REUSEADDR lets two sockets bind as long as neither listens
            return int(probe.getsockname()[1])
    except OSError as error:
        return error


@dataclass(frozen=True, slots=True)
class PortChoice:
    """A port for one purpose; `replaces` is the port that was wanted when it could not be had, `reason` says why not."""

    purpose: str
    protocol: Protocol
    number: int
    replaces: int | None = None
    reason: str = ""

    def __str__(self) -> str:
        """Say the port, and what it replaces: one line for the user."""
        if self.replaces is None:
            return f"{self.protocol} port {self.number} for {self.purpose}"
        return (
            f"{self.protocol} port {self.replaces} for {self.purpose} cannot be had ({self.reason}): "
            f"using {self.number} instead"
        )


@dataclass(slots=True)
class Ports:
    """Chooses ports, none of them twice; `choices` keeps what was chosen."""

    choices: list[PortChoice] = field(default_factory=list)

    def choose(self, purpose: str, wanted: int | None = None, protocol: Protocol = "TCP") -> PortChoice:
        """Take the wanted port when it is free on every address, else a free one.

        Raises `OSError` when no port at all can be had.
        """
        given = {(choice.protocol, choice.number) for choice in self.choices}
        reason = ""
        if wanted is not None:
            found = _unavailable(protocol, wanted)
            if (protocol, wanted) in given:
                reason = "chosen already"
            elif isinstance(found, OSError):
                reason = found.strerror or str(found)
            else:
                return self._keep(PortChoice(purpose, protocol, wanted))
        for _ in range(_TRIES):
            found = _unavailable(protocol, None)
            if isinstance(found, OSError):
                raise found
            if (protocol, found) not in given:
                return self._keep(PortChoice(purpose, protocol, found, wanted, reason))
        raise OSError("no free port found")

    @property
    def replaced(self) -> list[PortChoice]:
        """The choices that are not what was wanted."""
        return [choice for choice in self.choices if choice.replaces is not None]

    def _keep(self, choice: PortChoice) -> PortChoice:
        self.choices.append(choice)
        return choice
