"""Listening on an address with a gRPC server."""

from collections.abc import Sequence
from typing import Any

import grpc

from xds.listening import AddressError, bound


def listen(
    address: str, credentials: grpc.ServerCredentials | None, options: Sequence[tuple[str, int]]
) -> tuple[Any, int]:
    """Return a ``grpc.aio`` server that is to listen on ``host:port`` (port 0: any free one), and the port; it is not started.

    It is plaintext without credentials. Raises ``AddressError`` where the address is not to be had.
    """
    # For a moment: gRPC tells the reason of a refusal to its own log only.
    bound(address).close()
    server = grpc.aio.server(options=options)
    try:
        port: int = (
            server.add_insecure_port(address)
            if credentials is None
            else server.add_secure_port(address, credentials)
        )
    except RuntimeError:
        raise AddressError(f"cannot listen on {address}: gRPC refused it") from None
    return server, port
