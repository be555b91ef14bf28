"""Envoy's access log as typed entries.

The format is the one that the translation gives its listeners (`xds.translate.listener`): one JSON object a line on stdout. What Envoy has
nothing to say about is null, here `None`.
"""

import msgspec


class AccessLogEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One connection, written when it ends.

    `start_time` is ISO 8601 in UTC; addresses are `ip:port`; `upstream_tls_version` is such as `TLSv1.3`. `response_flags` is `UF,URX` and the
    like, `-` or empty when all went well.
    """

    start_time: str | None = None
    upstream_cluster: str | None = None
    upstream_host: str | None = None
    upstream_tls_version: str | None = None
    downstream_remote_address: str | None = None
    downstream_local_address: str | None = None
    bytes_received: int | None = None
    bytes_sent: int | None = None
    duration_ms: int | None = None
    response_flags: str | None = None
    upstream_transport_failure_reason: str | None = None
    connection_termination_details: str | None = None

    @property
    def flags(self) -> frozenset[str]:
        """The response flags, one by one."""
        return frozenset((self.response_flags or "").split(",")) - {"", "-"}


_decoder = msgspec.json.Decoder(AccessLogEntry)


def parse(line: bytes) -> AccessLogEntry | None:
    """Return the entry on a line; `None` for a line of any other format. Keys that are not known are ignored."""
    try:
        return _decoder.decode(line)
    except msgspec.DecodeError:
        return None
