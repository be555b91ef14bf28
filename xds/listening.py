"""Taking an address to listen on, and saying why where that is not to be had.

Both kinds of listener do it, gRPC's and the ops listener's; it knows neither.
"""

import contextlib
import socket


class AddressError(OSError):
    """The address to listen on cannot be had; the text says which and why."""


def bound(address: str) -> socket.socket:
    """Return a socket that listens on ``host:port`` (port 0: any free one), ``[::]`` on IPv4 as well, as gRPC does.

    Raises ``AddressError`` with the system's reason.
    """
    host, _, port = address.rpartition(":")
    with contextlib.ExitStack() as unless_bound:
        try:
            family, kind, protocol, _, where = socket.getaddrinfo(
                host.strip("[]"), int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )[0]
            taken = unless_bound.enter_context(socket.socket(family, kind, protocol))
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                taken.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            taken.bind(where)
            # Listening tells of an address in use where binding does not.
            taken.listen()
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise AddressError(f"cannot listen on {address}: {reason}") from None
        unless_bound.pop_all()
    return taken
