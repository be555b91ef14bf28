"""Requests to an API server: whole answers, writes, and watches as lines. Loads the credentials anew when they are refused.

It knows paths and bytes, no objects; it repeats nothing but what a refusal of the credentials calls for. When to try again
is for its callers to decide.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from types import MappingProxyType
from typing import Final, Literal, Self, TypeVar

import aiohttp
import msgspec
import structlog

from kube.client.access import Access
from kube.client.errors import AccessError, ApiError, Unreachable
from kube.client.lines import MAX_LINE, LineSplitter, LineTooLong
from kube.client.transport import Content, Transport

TIMEOUT: Final = 60.0
"""Seconds for a whole answer: what the API server itself allows a request that is no watch."""

RELOAD_PAUSE: Final = 2.0
"""Seconds between two loads of credentials while the server refuses them: a plugin may be slow and costly."""

JSON: Final = "application/json"
"""An object as it is to be, for POST and PUT, and the options of a DELETE."""

MERGE_PATCH: Final = "application/merge-patch+json"
"""What is to change (RFC 7396): null removes a field, a list replaces a list."""

APPLY: Final = "application/apply-patch+yaml"
"""The fields that the ``fieldManager`` of the parameters wants to own (server-side apply); JSON is YAML."""

_NO_PARAMS: Final[Mapping[str, str]] = MappingProxyType({})
_UNAUTHORIZED: Final = 401
_Result = TypeVar("_Result")

log: structlog.typing.FilteringBoundLogger = structlog.get_logger("kube.client")


class KubeApi:
    """The API server that an Access leads to, while its context is entered.

    A refusal of the credentials (401, or a TLS handshake that fails) loads them anew, once for all requests that met it, and
    repeats the request. Watches that run go on with the old ones.
    """

    def __init__(self, access: Access, *, timeout: float = TIMEOUT) -> None:
        self._access = access
        self._timeout = timeout
        self._transport: Transport | None = None
        self._retired: set[Transport] = set()
        self._loading = asyncio.Lock()
        self._no_load_before = 0.0
        self._server = ""
        self._requests = 0

    async def __aenter__(self) -> Self:
        """Load the credentials; raise AccessError. Nothing is sent yet."""
        self._take(await self._access.transport())
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close every connection; what still waits for an answer gets Unreachable."""
        transport, self._transport = self._transport, None
        for each in (transport, *self._retired):
            if each is not None:
                await each.close()
        self._retired = set()

    @property
    def server(self) -> str:
        """Where it is: https://host:port, and the path before every other if there is one."""
        return self._server

    @property
    def requests(self) -> int:
        """How many requests were made, repeated ones among them."""
        return self._requests

    async def get(
        self, path: str, params: Mapping[str, str] = _NO_PARAMS, *, within: float | None = None
    ) -> bytes:
        """Return the whole body of an answer; raise ApiError and Unreachable. `path` is not percent-encoded yet.

        `within`: seconds for the answer if they are not to be the client's; loading credentials anew does not count.
        """
        limit = within or self._timeout
        return await self._tried(lambda transport: transport.get(path, params, within=limit))

    async def send(
        self,
        method: Literal["POST", "PUT", "PATCH", "DELETE"],
        path: str,
        body: object = None,
        *,
        params: Mapping[str, str] = _NO_PARAMS,
        content_type: str | None = None,
        within: float | None = None,
    ) -> bytes:
        """Write, and return the whole body of the answer; raise ApiError and Unreachable.

        `body` is anything that msgspec encodes as JSON, and None for no body. `content_type` is MERGE_PATCH for PATCH and JSON
        for all else, unless given. After Unreachable the server may have done it or not: nothing is repeated here
        but what was refused with 401 or by TLS, before anything was done. ApiError.status 409 is a conflict, 404 something
        that is gone, 422 something invalid.
        """
        media_type = content_type or (MERGE_PATCH if method == "PATCH" else JSON)
        content = None if body is None else Content(media_type, msgspec.to_builtins(body, str_keys=True))
        limit = within or self._timeout
        return await self._tried(
            lambda transport: transport.send(method, path, params, content, within=limit)
        )

    @asynccontextmanager
    async def watch(
        self, path: str, params: Mapping[str, str], silence: float
    ) -> AsyncGenerator[AsyncIterator[bytes], None]:
        """Give an answer's lines as they come, without their newlines; raise ApiError and Unreachable.

        They end when the server ends the answer. What follows the last newline is dropped: it may be half a line.
        """

        async def opened(transport: Transport) -> tuple[Transport, aiohttp.ClientResponse]:
            return transport, await transport.open(path, params, within=self._timeout)

        transport, response = await self._tried(opened)
        try:
            yield _Lines(transport, response, silence)
        finally:
            await transport.done(response)

    async def _tried(self, attempt: Callable[[Transport], Awaitable[_Result]]) -> _Result:
        """Make an attempt, and a second one with new credentials if they are what the first failed by."""
        transport = self._current()
        try:
            return await self._counted(attempt, transport)
        except ApiError as error:
            if error.status != _UNAUTHORIZED:
                raise
            refused: ApiError | Unreachable = error
        except Unreachable as error:
            if not error.by_tls:
                raise
            refused = error
        return await self._counted(attempt, await self._renewed(transport, refused))

    async def _counted(
        self, attempt: Callable[[Transport], Awaitable[_Result]], transport: Transport
    ) -> _Result:
        self._requests += 1
        result = await attempt(transport)
        self._no_load_before = 0.0
        return result

    async def _renewed(self, transport: Transport, refused: ApiError | Unreachable) -> Transport:
        """Return a transport with newer credentials than this one; raise why that one was refused if there is none."""
        async with self._loading:
            if self._transport is not transport:  # loaded for another request meanwhile, or closed
                return self._current()
            now = asyncio.get_running_loop().time()
            if now < self._no_load_before:
                raise refused
            self._no_load_before = now + RELOAD_PAUSE
            log.info("credentials refused: loading them anew", server=self._server, reason=str(refused))
            try:
                renewed = await self._access.transport()
            except AccessError as error:
                raise _add(refused, f"the credentials cannot be loaded anew: {error}") from error
            if self._transport is not transport:
                await renewed.close()
                return self._current()
            self._retired = {each for each in self._retired if not each.closed} | {transport}
            self._take(renewed)
            await transport.retire()
            return renewed

    def _take(self, transport: Transport) -> None:
        self._transport = transport
        self._server = transport.server

    def _current(self) -> Transport:
        if self._transport is None:
            raise Unreachable("this client is closed")
        return self._transport


class _Lines:
    """The lines of an answer, as they come."""

    def __init__(self, transport: Transport, response: aiohttp.ClientResponse, silence: float) -> None:
        self._transport = transport
        self._response = response
        self._silence = silence
        self._splitter = LineSplitter()
        self._lines: deque[bytes] = deque()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        while not self._lines:
            chunk = await self._transport.chunk(self._response, silence=self._silence)
            if not chunk:
                raise StopAsyncIteration
            try:
                self._lines.extend(self._splitter.feed(chunk))
            except LineTooLong:
                raise Unreachable(
                    f"{self._transport.server} sent a line of more than {MAX_LINE} bytes"
                ) from None
        return self._lines.popleft()


def _add(refused: ApiError | Unreachable, text: str) -> ApiError | Unreachable:
    if isinstance(refused, ApiError):
        return ApiError(refused.status, refused.reason, f"{refused.message}; {text}", refused.retry_after)
    return Unreachable(f"{refused}; {text}", by_tls=True)
