"""Listening on an address with a gRPC server, and saying why where that is not to be had."""

import socket
from typing import Any

import grpc


class AddressError(OSError):
    """The address to listen on cannot be had; the text says which and why."""


def listen(server: Any, address: str, credentials: grpc.ServerCredentials | None) -> int:
    """Let a ``grpc.aio`` server listen on ``host:port`` (port 0: any free one), in plaintext without credentials; return the port.

    Raises ``AddressError`` where that is not to be had.
    """
    _try(address)
    try:
        port: int = (
            server.add_insecure_port(address)
            if credentials is None
            else server.add_secure_port(address, credentials)
        )
    except RuntimeError:
        raise AddressError(f"cannot listen on {address}: gRPC refused it") from None
    return port


def _try(address: str) -> None:
    """Bind an address for a moment: gRPC tells the reason of a refusal to its own log only.

    Raises ``AddressError`` with the system's reason.
    """
    host, _, port = address.rpartition(":")
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(
            host.strip("[]"), int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(where)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise AddressError(f"cannot listen on {address}: {reason}") from None
