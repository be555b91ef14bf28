"""Envoy's transport sockets for the way to the backends: TLS in its three kinds, and the PROXY header outside.

It builds messages and decides nothing: which socket a LoadBalancer gets is told by `upstream_tls`.
"""

from typing import Any, Final

from xds.messages import (
    ProxyProtocolUpstreamTransport,
    RawBuffer,
    TransportSocket,
    UpstreamTlsContext,
    from_dict,
    pack,
)

_NOBODYS_FINGERPRINT: Final = "00" * 32
"""A SHA-256 that no certificate has: a list with this alone refuses everyone (envoy-tls.md, "Fail closed")."""


def _tls(validation_context: dict[str, Any]) -> Any:
    return from_dict(
        UpstreamTlsContext,
        {
            "common_tls_context": {
                # Envoy's default upstream is TLS 1.2, and a backend that wants 1.3 refuses it (envoy-tls.md).
                "tls_params": {"tls_maximum_protocol_version": "TLSv1_3"},
                "validation_context": validation_context,
            }
        },
    )


def _socket(name: str, config: Any) -> Any:
    return TransportSocket(name=f"envoy.transport_sockets.{name}", typed_config=pack(config))


_VERIFY: Final = _tls({})
_RAW: Final = _socket("raw_buffer", RawBuffer())
_PROXY_V2: Final = {"version": "V2"}

INSECURE: Final = _socket("tls", _tls({"trust_chain_verification": "ACCEPT_UNTRUSTED"}))
"""TLS that takes any certificate."""

NOTHING_PASSES: Final = _socket("tls", _tls({"verify_certificate_hash": [_NOBODYS_FINGERPRINT]}))
"""TLS that takes no certificate at all: for a cluster that has to fail closed."""


def verify(pem: bytes) -> Any:
    """Return TLS that takes what chains to one of these CA certificates; neither SNI nor names are checked."""
    context = UpstreamTlsContext()
    context.CopyFrom(_VERIFY)
    context.common_tls_context.validation_context.trusted_ca.inline_bytes = pem
    return _socket("tls", context)


def with_proxy_header(inner: Any | None) -> Any:
    """Return a socket that sends the PROXY v2 header in the clear, and then goes on as `inner` (None: plain)."""
    transport = from_dict(ProxyProtocolUpstreamTransport, {"config": _PROXY_V2})
    transport.transport_socket.CopyFrom(_RAW if inner is None else inner)
    return _socket("upstream_proxy_protocol", transport)
