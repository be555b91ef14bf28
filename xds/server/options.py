"""How the server keeps its connections, for whoever sets it up."""

from dataclasses import dataclass, field

from xds.protocol import Timing
from xds.server.limits import MAX_REQUEST, Limits


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """How connections are kept. Times in seconds.

    ``ping_interval``: how often a client may ping (gRPC's own default of 300 s ends the connections of Envoys that use
    keepalive). ``keepalive``: after how much silence the server pings, ``keepalive_timeout``: how long it waits for the
    answer before it takes the client for gone. ``connection_age``: after how long, give or take 10 % (gRPC's own jitter),
    a client is told to connect anew, so that several servers share the clients evenly again; 0 for never.
    ``connection_age_grace``: how long its streams go on after that. Envoy goes on using them until they end, and connects
    anew a moment later. A certificate is checked when its client connects, so with TLS that is also for how long one that has
    expired, or whose authority is gone, may still be used. ``handshake_timeout``: how long a client may take for its TLS
    handshake (gRPC's own default is 120 s). ``drain``: how long streams may take to end when the server stops.
    """

    ping_interval: float = 5
    keepalive: float = 20
    keepalive_timeout: float = 10
    connection_age: float = 1800
    connection_age_grace: float = 5
    handshake_timeout: float = 10
    drain: float = 2
    limits: Limits = field(default_factory=Limits)
    timing: Timing = field(default_factory=Timing)

    def channel_arguments(self) -> list[tuple[str, int]]:
        """Return gRPC's arguments for these options."""
        arguments = {
            "grpc.so_reuseport": 0,  # else a second process would silently share the port
            "grpc.max_receive_message_length": MAX_REQUEST,
            "grpc.max_send_message_length": -1,
            "grpc.http2.min_ping_interval_without_data_ms": _milliseconds(self.ping_interval),
            "grpc.keepalive_time_ms": _milliseconds(self.keepalive),
            "grpc.keepalive_timeout_ms": _milliseconds(self.keepalive_timeout),
            # Of pings that gRPC sends by itself while it has much to write; 60 s by default, and no keepalive meanwhile.
            "grpc.http2.ping_timeout_ms": _milliseconds(self.keepalive_timeout),
            "grpc.keepalive_permit_without_calls": 1,
            "grpc.server_handshake_timeout_ms": _milliseconds(self.handshake_timeout),
        }
        if self.connection_age:
            arguments["grpc.max_connection_age_ms"] = _milliseconds(self.connection_age)
            arguments["grpc.max_connection_age_grace_ms"] = _milliseconds(self.connection_age_grace)
        return list(arguments.items())


def _milliseconds(seconds: float) -> int:
    return int(seconds * 1000)
