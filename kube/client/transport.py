"""kubernetes.aio's HTTP client, with what it lacks: dead peers are noticed, redirects refused, waits bounded, writes sent once.

One transport holds one set of credentials. When they are loaded anew another takes its place, and it closes as soon as the
last request on it has ended; watches on it are left alone.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from typing import Any, Final, NamedTuple
from urllib.parse import quote, urlencode, urlsplit

import aiohttp
from aiohttp.client_middlewares import ClientHandlerType
from aiohttp.connector import AddrInfoType
from kubernetes.aio.client.rest import RESTClientObject
from yarl import URL

from kube.client.errors import ApiError, Unreachable
from kube.client.failures import CONNECT_TIMEOUT, unreachable
from kube.client.refusals import redirect, refusal

KEEPALIVE_IDLE: Final = 15
KEEPALIVE_INTERVAL: Final = 5
KEEPALIVE_PROBES: Final = 3
"""After 15 s of silence a probe each 5 s; a peer that leaves three unanswered is dead: noticed after 30 s."""

UNSENT: Final = 30_000
"""Milliseconds that sent bytes may stay unacknowledged (TCP_USER_TIMEOUT)."""

MAX_REFUSAL: Final = 64 * 1024
"""Bytes that are read of an answer that is no success."""

REFUSAL_TIMEOUT: Final = 5.0
"""Seconds that its body may take."""

_HEADERS: Final = {
    "Accept": "application/json",
    # aiohttp would ask for gzip, which API servers do for lists over 128 KiB. 500 Secrets (1.3 MB) take 0.9 ms as they are
    # and 6.7 ms compressed, before the 30 ms that the server needs to compress them; the wire between is a local one.
    "Accept-Encoding": "identity",
    "User-Agent": "kubelb-xds",
}
_OK: Final = range(200, 201)
_SUCCESS: Final = range(200, 300)
_REDIRECTS: Final = range(300, 400)
_PAGES: Final = ("text/html", "application/xhtml+xml")
_FAILURES: Final = (aiohttp.ClientError, OSError)  # TimeoutError is an OSError
_SENT: Final = ContextVar("_SENT", default=False)
"""Whether the request that this task makes has gone out already."""


class Content(NamedTuple):
    """What a request carries: its media type, and what is encoded as JSON."""

    media_type: str
    document: object


class _Client(RESTClientObject):
    """The library's client; its connections are watched by TCP, and as many as are wanted."""

    def _create_connector(self) -> aiohttp.TCPConnector:
        return aiohttp.TCPConnector(limit=0, ssl=self.ssl_context, socket_factory=_socket)


class Transport:
    """Sends requests with one set of credentials. `trust` says where the server's authorities come from.

    Its constructor raises what the ssl module does about the certificates. All else raises ApiError and Unreachable.
    """

    def __init__(self, configuration: Any, *, trust: str) -> None:
        configuration.client_session_kwargs = {
            "trust_env": False,
            "middlewares": (_send_once, _refuse_redirects),
        }
        self._configuration = configuration
        self._client = _Client(configuration)
        self._trust = trust
        self._open = 0
        self._limits: set[asyncio.Timeout] = set()
        self._retired = False
        self._aborted = False
        self.closed = False
        url = urlsplit(configuration.host)
        self.server = f"{url.scheme}://{url.netloc}{url.path}"

    def __repr__(self) -> str:
        return f"Transport({self.server}, open={self._open}, retired={self._retired})"

    async def retire(self) -> None:
        """Close as soon as no request is open."""
        self._retired = True
        await self._close_unused()

    async def close(self) -> None:
        """Close every connection at once. What waits for an answer ends: aiohttp itself would leave some waiting."""
        self._aborted = True
        now = asyncio.get_running_loop().time()
        for limit in self._limits:
            if not limit.expired():
                limit.reschedule(now)
        await self._shut()

    async def get(self, path: str, params: Mapping[str, str], *, within: float) -> bytes:
        """Return the whole body of a success, which must come within so many seconds."""
        return await self.send("GET", path, params, None, within=within)

    async def send(
        self, method: str, path: str, params: Mapping[str, str], content: Content | None, *, within: float
    ) -> bytes:
        """Return what a success answers to any request. Unreachable does not tell whether the server has done it."""
        async with self._failures(within, f"no answer from {self.server} within {within:g} s"):
            response = await self._send(method, path, params, content, _SUCCESS)
            try:
                return await response.read()
            finally:
                await self.done(response)

    async def open(self, path: str, params: Mapping[str, str], *, within: float) -> aiohttp.ClientResponse:
        """Return an answer of status 200 as soon as its headers are there; the caller hands it back to `done`."""
        async with self._failures(within, f"no answer from {self.server} within {within:g} s"):
            return await self._send("GET", path, params, None, _OK)

    async def chunk(self, response: aiohttp.ClientResponse, *, silence: float) -> bytes:
        """Return the next bytes of an answer's body, none at its end; wait for them for so many seconds."""
        async with self._failures(silence, f"nothing came from {self.server} for {silence:g} s"):
            return await response.content.readany()

    async def done(self, response: aiohttp.ClientResponse | None) -> None:
        """Take back an answer: its connection serves others if it was read to the end, else it closes."""
        if response is not None and response.content.at_eof():
            response.release()
        elif response is not None:
            response.close()
        self._open -= 1
        await self._close_unused()

    @asynccontextmanager
    async def _failures(self, within: float, late: str) -> AsyncIterator[None]:
        """Turn what goes wrong, the time being over among it, into Unreachable."""
        limit = asyncio.timeout(within)
        try:
            async with limit:
                self._limits.add(limit)
                yield
        except _FAILURES as error:
            if self._aborted:
                raise Unreachable("the connection was closed by this program") from None
            if limit.expired():
                raise Unreachable(late) from None
            raise unreachable(error, self.server, self._trust) from None
        finally:
            self._limits.discard(limit)

    async def _send(
        self, method: str, path: str, params: Mapping[str, str], content: Content | None, accepted: range
    ) -> aiohttp.ClientResponse:
        """Return a success whose body is still to come, and count it as open."""
        self._open += 1
        response: aiohttp.ClientResponse | None = None
        try:
            response = await self._request(method, path, params, content)
            await self._check(response, accepted)
        except BaseException:
            await self.done(response)
            raise
        return response

    async def _check(self, response: aiohttp.ClientResponse, accepted: range) -> None:
        if response.status not in accepted:
            raise await _refusal(response)
        if response.content_type in _PAGES:
            raise Unreachable(
                f"what answers at {self.server} is no Kubernetes API server: it sent a web page, perhaps a proxy's or a "
                "login: correct the cluster's server"
            )

    async def _request(
        self, method: str, path: str, params: Mapping[str, str], content: Content | None
    ) -> aiohttp.ClientResponse:
        if self.closed:
            raise ConnectionAbortedError
        headers = dict(_HEADERS)
        for setting in (await self._configuration.auth_settings()).values():
            headers[setting["key"]] = setting["value"].strip()
        document = None
        if content is not None:
            headers["Content-Type"] = content.media_type
            document = content.document
        query = f"?{urlencode(params, quote_via=quote, safe='')}" if params else ""
        url = URL(f"{self._configuration.host}{quote(path)}{query}", encoded=True)
        timeout = aiohttp.ClientTimeout(connect=CONNECT_TIMEOUT, sock_connect=CONNECT_TIMEOUT)
        _SENT.set(False)
        answer = await self._client.request(  # type: ignore[no-untyped-call]
            method, url, headers=headers, body=document, _request_timeout=timeout
        )
        response: aiohttp.ClientResponse = answer.response
        return response

    async def _close_unused(self) -> None:
        if self._retired and not self._open:
            await self._shut()

    async def _shut(self) -> None:
        self.closed = True
        await self._client.close()


async def _refusal(response: aiohttp.ClientResponse) -> ApiError:
    """Read what a refusal says, and be content with a part of it."""
    body = bytearray()
    with suppress(*_FAILURES):
        async with asyncio.timeout(REFUSAL_TIMEOUT):
            while len(body) < MAX_REFUSAL and (chunk := await response.content.readany()):
                body += chunk
    return refusal(response.status, response.headers, bytes(body[:MAX_REFUSAL]))


async def _send_once(request: aiohttp.ClientRequest, handler: ClientHandlerType) -> aiohttp.ClientResponse:
    """Keep aiohttp from repeating a PUT or a DELETE when a used connection breaks: the server may have done it."""
    if request.method != "GET":
        if _SENT.get():
            raise aiohttp.ServerDisconnectedError
        _SENT.set(True)
    return await handler(request)


async def _refuse_redirects(
    request: aiohttp.ClientRequest, handler: ClientHandlerType
) -> aiohttp.ClientResponse:
    """Keep aiohttp from following: the library has no other way to ask for it."""
    response = await handler(request)
    if response.status in _REDIRECTS:
        response.close()
        raise redirect(response.status, response.headers.get("Location", ""))
    return response


def _socket(address: AddrInfoType) -> socket.socket:
    family, kind, protocol, _, _ = address
    made = socket.socket(family, kind, protocol)
    made.setblocking(False)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_IDLE)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, KEEPALIVE_INTERVAL)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, KEEPALIVE_PROBES)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNSENT)
    return made
