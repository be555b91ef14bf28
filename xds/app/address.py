"""HOST:PORT as operators write it, parsed once and strictly: a mistake here would show much later, as silence.

It knows neither the command line nor gRPC, and resolves no names.
"""

import ipaddress
from dataclasses import dataclass

_MAX_PORT = 65535


@dataclass(frozen=True, slots=True)
class HostPort:
    """A host (an IP address without brackets, or a hostname) and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def ip(self) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
        """The host as an IP address, or None when it is a name."""
        try:
            return ipaddress.ip_address(self.host)
        except ValueError:
            return None

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine reaches it, as far as can be told without resolving names."""
        return self.host.lower() == "localhost" if self.ip is None else self.ip.is_loopback


def listen_address(text: str) -> HostPort:
    """Parse an address to listen on; port 0 stands for any free port. Raises ValueError with the remedy."""
    return _parse(text, lowest_port=0)


def target_address(text: str) -> HostPort:
    """Parse an address to connect to. Raises ValueError with the remedy."""
    address = _parse(text, lowest_port=1)
    if address.ip is not None and address.ip.is_unspecified:
        raise ValueError(
            f"{text!r}: a server may listen there, nobody can connect there; name the server's own host"
        )
    return address


def server_name(text: str) -> str:
    """Return a host name or an IP address as it stands in a server's certificate. Raises ValueError with the remedy."""
    from kube.objects.hosts import refuse_host  # noqa: PLC0415 — as below

    if reason := refuse_host(text):
        raise ValueError(f"{text!r}: it {reason}")
    return text.rstrip(".").lower()


def ip_literal(text: str) -> str:
    """Return an IP address that Envoy can bind as it was written. Raises ValueError for anything else."""
    try:
        zone = getattr(ipaddress.ip_address(text), "scope_id", None)
    except ValueError:
        raise ValueError(f"{text!r} is no IP address: write one such as 0.0.0.0, 127.0.0.1 or ::") from None
    if zone is not None:
        raise ValueError(f"{text!r}: Envoy takes no address with a zone; leave out %{zone}")
    return text


def _parse(text: str, *, lowest_port: int) -> HostPort:
    # Parsing an address is rare, and --help is to stay light.
    from kube.objects.hosts import refuse_host  # noqa: PLC0415

    host, colon, port = text.rpartition(":")
    if not colon or not host:
        raise ValueError(f"{text!r} is not HOST:PORT, such as 127.0.0.1:18000")
    if not (port.isascii() and port.isdecimal() and lowest_port <= int(port) <= _MAX_PORT):
        raise ValueError(f"{text!r}: the port must be a number from {lowest_port} to {_MAX_PORT}")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if reason := refuse_host(bare):
        raise ValueError(f"{text!r}: the host {reason}")
    if (bare != host) != (":" in bare):
        raise ValueError(
            f"{text!r}: brackets go around an IPv6 address and nothing else, such as [::1]:18000"
        )
    return HostPort(bare, int(port))
