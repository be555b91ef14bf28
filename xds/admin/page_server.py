"""The status page's listener: pages for a browser, and word of each change, so that an open page stays true without reloading.

Loopback keeps other machines out, and not what a browser on this one was sent: so a request has to name this machine in its Host
(a name that somebody else's DNS leads here does not), nothing can be changed by a request, and an answer allows its page nothing but
its own scripts and styles, and no other page to frame or to read it. What the pages show is known elsewhere.
"""

import asyncio
import ipaddress
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple, Protocol
from urllib.parse import urlsplit

from aiohttp import web

from xds.admin.changes import Changes
from xds.admin.http import HttpListener, only_reading, text

CHANGES: Final = "/changes"
"""The path of the server-sent events: one for each change, with the page's new revision, at most one a second."""

EVERY: Final = 1.0
"""Seconds between two events, whatever happens."""
SILENCE: Final = 10.0
"""Seconds without one after which the connection is tried with a comment, which a browser ignores."""
PATIENCE: Final = 30.0
"""Seconds for which an event may find no room, as its reader does not read, before the connection is ended."""

CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self';"
    " base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: Final = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""What every answer has."""


class Page(NamedTuple):
    """An answer: a status, a media type, and the content."""

    status: int
    content_type: str
    body: bytes


class Site(Protocol):
    """Makes the pages."""

    @property
    def changes(self) -> Changes:
        """Word of what makes pages other ones."""
        ...

    async def page(self, path: str, query: Mapping[str, str]) -> Page:
        """Return what is at a path, which is decoded."""
        ...


class PageServer:
    """Serves a site over HTTP/1.1.

    ``look`` returns what changes without a word of it; it is asked some times a minute for each page that is open, and another answer
    than before is a change.
    """

    def __init__(self, site: Site, *, look: Callable[[], object] = lambda: None) -> None:
        self._site = site
        self._look = look
        self._looked = look()
        self._http = HttpListener(self._answer, headers=HEADERS)
        self._host = ""

    async def start(self, address: str) -> int:
        """Listen on ``host:port`` (port 0: any free one) and return the port.

        Raises ``xds.listening.AddressError`` where that is not to be had.
        """
        self._host = address.rpartition(":")[0].strip("[]").lower()
        return await self._http.start(address)

    async def stop(self) -> None:
        """Listen no longer, and end every connection."""
        await self._http.stop()

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        refused = only_reading(request)
        if refused is not None:
            return refused
        if not is_host(request.headers.getall("Host", []), self._host):
            return text(
                "this is not the host that was asked for: write the address that it listens on, or localhost",
                status=421,
            )
        if request.path == CHANGES:
            return await self._tell(request)
        page = await self._site.page(request.path, request.rel_url.query)
        return web.Response(status=page.status, body=page.body, headers={"Content-Type": page.content_type})

    async def _tell(self, request: web.BaseRequest) -> web.StreamResponse:
        """Send word of each change, until the client has gone or does not read."""
        changes = self._site.changes
        response = web.StreamResponse(
            headers={**HEADERS, "Server": "kubelb-xds", "Content-Type": "text/event-stream"}
        )
        response.force_close()
        await response.prepare(request)
        if request.method == "HEAD":
            return response
        self._http.let_stay(request)
        seen = _revision(request)
        try:
            # At once, so that a browser knows that it is heard.
            await response.write(b"retry: 1000\n\n")
            while True:
                try:
                    async with asyncio.timeout(SILENCE):
                        seen = await changes.after(seen)
                    event = f"id: {seen}\ndata: {seen}\n\n"
                except TimeoutError:
                    event = ":\n\n"
                async with asyncio.timeout(PATIENCE):
                    await response.write(event.encode())
                await asyncio.sleep(EVERY)
                self._look_again()
        except TimeoutError:
            return response
        finally:
            if request.transport is not None:
                request.transport.abort()

    def _look_again(self) -> None:
        looked = self._look()
        if looked != self._looked:
            self._looked = looked
            self._site.changes.tell()


def is_host(given: list[str], listening: str) -> bool:
    """Whether a request's Host headers name this machine: loopback, or the host that is listened on; whatever the port.

    Where that is every address, any address is right: a name is what somebody else's DNS could lead here.
    """
    if len(given) != 1:
        return False
    try:
        host = urlsplit(f"//{given[0]}").hostname or ""
    except ValueError:
        return False
    if host in {"localhost", listening} and host:
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    try:
        everywhere = ipaddress.ip_address(listening).is_unspecified
    except ValueError:
        everywhere = False
    return address.is_loopback or everywhere


def _revision(request: web.BaseRequest) -> int:
    """Return the revision that a page has, by what its browser says of it."""
    given: str = request.headers.get("Last-Event-ID") or request.rel_url.query.get("after") or ""
    return int(given) if given.isascii() and given.isdecimal() and len(given) < 20 else 0  # noqa: PLR2004
