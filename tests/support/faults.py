"""What `fault_proxy` can break, and which requests: rules, and what they do to a body. No I/O: the proxy does that."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from aiohttp import web

Body = AsyncIterator[bytes]

_REASONS = {
    410: "Expired",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
    504: "Timeout",
}
"""The API server's word for a status where it is not HTTP's without the spaces."""


@dataclass(slots=True, eq=False)
class Request:
    """A request that reached the proxy; the last four fields change as it is answered."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    moment: float
    """When it came: `time.monotonic`."""
    status: int | None = None
    """The status that the client was sent, as soon as it was."""
    lines: int = 0
    """Lines (of a watch: events) passed on so far."""
    passed: int = 0
    """Bytes of the body passed on so far."""
    over: bool = False
    """Whether it is answered to the end, or broken."""

    @property
    def is_watch(self) -> bool:
        """Whether it asks for a watch."""
        return self.query.get("watch", "").lower() in {"1", "true"}


When = Callable[[Request], bool]


def everything(_: Request) -> bool:
    """Match every request."""
    return True


def lists(plural: str) -> When:
    """Match the lists of a resource (``secrets``) in any namespace, and in all."""
    return lambda request: request.method == "GET" and not request.is_watch and _names(request, plural)


def watches(plural: str) -> When:
    """Match the watches of a resource."""
    return lambda request: request.is_watch and _names(request, plural)


def all_watches(request: Request) -> bool:
    """Match every watch."""
    return request.is_watch


def _names(request: Request, plural: str) -> bool:
    return request.path.endswith(f"/{plural}")


@dataclass(slots=True, eq=False)
class Rule:
    """Something that is broken: until it is healed, or for the first ``times`` requests that match."""

    when: When
    times: int | None = None
    answer: Callable[[], web.Response] | None = None
    """Makes the answer in the API server's place."""
    body: Callable[[Request, Body], Body] | None = None
    """Makes of the API server's body what the client gets."""
    keeps_length: bool = False
    """Whether the client is told the length of the API server's body."""
    holds: bool = False
    """Whether a request waits here until the rule is healed."""
    seconds: float = 0
    """How long a request waits here."""
    silences: bool = False
    """Whether bodies wait here, also those under way."""
    hits: int = 0
    """How many requests it broke; of a silence: how many pieces of a body it held."""
    healed: asyncio.Event = field(default_factory=asyncio.Event)

    def heal(self) -> None:
        """End it; what it held back goes on."""
        self.healed.set()

    def takes(self, request: Request) -> bool:
        """Return whether it is to break this request, and count it."""
        if self.healed.is_set() or self.hits == self.times or not self.when(request):
            return False
        self.hits += 1
        return True


class Faults:
    """What is broken at present.

    Of several rules that match a request the one added first breaks it (delays and silences come on top). Each method that adds a rule
    returns it, for its ``hits`` and to `heal` it.
    """

    def __init__(self) -> None:
        self.rules: list[Rule] = []

    def answer(
        self,
        status: int,
        body: bytes | Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        when: When = everything,
        times: int | None = None,
    ) -> Rule:
        """Answer in the API server's place; without a body, with the Status object that it would send with this status."""
        if body is None:
            phrase = HTTPStatus(status).phrase
            reason = _REASONS.get(status, phrase.replace(" ", ""))
            body = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
            body |= {"message": f"{phrase} (by the fault proxy)", "reason": reason, "code": status}
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = {"Content-Type": "application/json"} | dict(headers or {})
        return self._add(
            Rule(when, times, answer=lambda: web.Response(status=status, body=content, headers=sent))
        )

    def hang(self, when: When = everything, *, times: int | None = None) -> Rule:
        """Take requests and answer nothing; once healed, they are forwarded."""
        return self._add(Rule(when, times, holds=True))

    def delay(self, when: When, seconds: float, *, times: int | None = None) -> Rule:
        """Forward requests only after this time."""
        return self._add(Rule(when, times, seconds=seconds))

    def cut(
        self,
        when: When,
        *,
        after_lines: int | None = None,
        after_bytes: int = 0,
        mid_line: bool = False,
        reset: bool = False,
        times: int | None = None,
    ) -> Rule:
        """Break the connection after some lines of the body, or after some bytes, with a FIN or with a RST.

        With ``mid_line`` half of the line after those is still passed on, once it comes.
        """

        def body(_: Request, chunks: Body) -> Body:
            if after_lines is None:
                return cut_after_bytes(chunks, after_bytes, reset=reset)
            return cut_after_lines(chunks, after_lines, mid_line=mid_line, reset=reset)

        return self._add(Rule(when, times, body=body, keeps_length=True))

    def garbage(self, when: When, data: bytes = b'\x00\xff{"]\n', *, times: int | None = None) -> Rule:
        """Answer 200 with this as the body; in a watch, put it before the first event."""

        async def body(request: Request, chunks: Body) -> Body:
            yield data
            if request.is_watch:
                async for chunk in chunks:
                    yield chunk

        return self._add(Rule(when, times, body=body))

    def rewrite(self, when: When, change: Callable[[bytes], bytes], *, times: int | None = None) -> Rule:
        """Pass on what ``change`` makes of each event of a watch (a line, with its newline), or of any other body as a whole."""

        async def body(request: Request, chunks: Body) -> Body:
            if request.is_watch:
                async for line in lines(chunks):
                    yield change(line)
            else:
                yield change(b"".join([chunk async for chunk in chunks]))

        return self._add(Rule(when, times, body=body))

    def silence(self, when: When = all_watches) -> Rule:
        """Pass on nothing more of these bodies, open ones too, while the connections stay; once healed, they go on where they were."""
        return self._add(Rule(when, None, silences=True))

    def heal(self) -> None:
        """End all faults; what they held back goes on."""
        for rule in self.rules:
            rule.heal()
        self.rules.clear()

    def _add(self, rule: Rule) -> Rule:
        self.rules.append(rule)
        return rule


class CutError(Exception):
    """A body is to end here, and its connection with it."""

    def __init__(self, *, reset: bool) -> None:
        super().__init__()
        self.reset = reset


async def cut_after_bytes(chunks: Body, count: int, *, reset: bool) -> Body:
    """Yield so many bytes."""
    async for chunk in chunks:
        if count:
            yield chunk[:count]
        count -= min(count, len(chunk))
        if not count:
            raise CutError(reset=reset)


async def cut_after_lines(chunks: Body, count: int, *, mid_line: bool, reset: bool) -> Body:
    """Yield so many lines, and of the next one the first half if that is wanted."""
    if count or mid_line:
        async for line in lines(chunks):
            if not count:
                yield line[: len(line) // 2]
                break
            yield line
            count -= 1
            if not count and not mid_line:
                break
        else:
            return
    raise CutError(reset=reset)


async def lines(chunks: Body) -> Body:
    """Yield complete lines as they come, and at the end what is left."""
    rest = b""
    async for chunk in chunks:
        *complete, rest = (rest + chunk).split(b"\n")
        for line in complete:
            yield line + b"\n"
    if rest:
        yield rest
