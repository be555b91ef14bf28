"""What aiohttp, ssl and the system say when there is no answer, in words that name the place and the remedy. Pure."""

import errno
import os
import ssl
from collections.abc import Callable
from typing import Any, Final

import aiohttp

from kube.client.errors import Unreachable, short

CONNECT_TIMEOUT: Final = 10.0
"""Seconds until a connection must stand, TLS and the look-up of the name included."""

_HOSTNAME_MISMATCH: Final = (62, 64)
"""OpenSSL's X509_V_ERR_HOSTNAME_MISMATCH and X509_V_ERR_IP_ADDRESS_MISMATCH."""

_UNKNOWN_ISSUER: Final = (2, 18, 19, 20, 21)
"""OpenSSL's codes for a chain that ends at no certificate we trust."""


def unreachable(error: Exception, server: str, trust: str) -> Unreachable:
    """Return what a request's failure means. `trust`: where the authorities that `server` is checked by come from."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return Unreachable(_certificate(error.certificate_error, server, trust), by_tls=True)
    if (tls := _tls_error(error)) is not None:
        return Unreachable(_tls(tls, server), by_tls=True)
    for kind, text in _TEXTS:
        if isinstance(error, kind):
            return Unreachable(text(error, server))
    return Unreachable(f"the request to {server} failed: {type(error).__name__}")


def _tls_error(error: Exception) -> BaseException | None:
    if isinstance(error, aiohttp.ClientSSLError):
        return error.os_error
    return next((each for each in (error, error.__cause__) if isinstance(each, ssl.SSLError)), None)


def _certificate(error: Exception, server: str, trust: str) -> str:
    said = short(getattr(error, "verify_message", "") or str(error)).rstrip(".")
    code = getattr(error, "verify_code", None)
    if code in _HOSTNAME_MISMATCH:
        remedy = ": give tls-server-name of the cluster in the kubeconfig, or a server by a name of its certificate"
    elif code in _UNKNOWN_ISSUER:
        remedy = f": {trust}"
    else:
        remedy = ""
    return f"the certificate of {server} failed to verify: {said}{remedy}"


def _tls(error: BaseException, server: str) -> str:
    reason = getattr(error, "reason", None)
    if reason in {"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST"}:
        return f"what answers at {server} does not speak TLS: is it an http:// server, or another port?"
    said = reason.replace("_", " ").lower() if isinstance(reason, str) else _system(error)
    return f"TLS with {server} failed: {said}"


def _connecting(error: OSError, server: str) -> str:
    number = _number(error)
    if number == errno.ECONNREFUSED:
        return f"connection refused by {server}"
    return f"no connection to {server}: {_system(error)}"


def _number(error: BaseException) -> int | None:
    """Return the errno; several addresses tried in vain have one together only in asyncio's text."""
    number = getattr(error, "errno", None)
    if number is None and f"[Errno {errno.ECONNREFUSED}]" in str(error):
        return errno.ECONNREFUSED
    return number


def _system(error: BaseException) -> str:
    number = _number(error)
    if number is not None and number in errno.errorcode:
        return os.strerror(number)
    return short(getattr(error, "strerror", None) or str(error) or type(error).__name__)


_TEXTS: Final[tuple[tuple[type[Exception], Callable[[Any, str], str]], ...]] = (
    (
        aiohttp.ClientProxyConnectionError,
        lambda error, server: (
            f"the proxy {error.host}:{error.port} on the way to {server} does not answer: {_system(error.os_error)}"
        ),
    ),
    (
        aiohttp.ClientHttpProxyError,
        lambda error, server: (
            f"the proxy refused the way to {server}: {error.status}: exempt it by NO_PROXY if it needs no proxy"
        ),
    ),
    (
        aiohttp.ClientConnectorDNSError,
        lambda error, server: f"the host of {server} is not known: {_system(error.os_error)}",
    ),
    (
        aiohttp.ConnectionTimeoutError,
        lambda _, server: f"no connection to {server} within {CONNECT_TIMEOUT:g} s",
    ),
    (aiohttp.ClientConnectorError, lambda error, server: _connecting(error.os_error, server)),
    (
        aiohttp.ClientPayloadError,
        lambda _, server: f"the connection to {server} broke in the middle of the answer",
    ),
    (
        aiohttp.ServerDisconnectedError,
        lambda _, server: (
            f"{server} closed the connection without an answer"
            # TLS 1.3 refuses a client's certificate after the handshake, and asyncio does not pass on why.
            + (": does it want another client certificate?" if server.startswith("https:") else "")
        ),
    ),
    (
        aiohttp.ClientResponseError,
        lambda error, server: f"what answers at {server} does not speak HTTP: {short(error.message)}",
    ),
    (OSError, lambda error, server: f"the connection to {server} broke: {_system(error)}"),
)
"""What each failure means, the first that fits."""
