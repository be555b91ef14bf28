"""The demo's rows as a client of an Envoy that runs elsewhere sees them, at a moment and as they change.

A row is believed for what a backend says that it saw, and for the counters of Envoy's admin interface; whoever runs this has to reach
both. What a row needs to be changed for is left to the reader. It starts nothing, and does not know how anything was deployed.
"""

import asyncio
import re
import time
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from typing import Final, NamedTuple, NoReturn

from xds.app.demo import evidence, parts
from xds.app.demo.admin import Admin, AdminError
from xds.app.demo.client import Attempt, Outcome, ask
from xds.app.demo.evidence import Evidence, Row
from xds.app.demo.examples import Example
from xds.app.errors import UserError

OVER_TLS: Final = "over TLSv1.3"
IN_THE_CLEAR: Final = "over plain TCP"

LEGEND: Final = (
    "client: what the backend says that it saw, as the client got it",
    "counter: Envoy's own, since it started; health checks included",
)

_PATIENCE: Final = 15.0
"""Seconds after which a row counts as seen that is not as expected: a backend that was away is back after two health checks of 5 s."""
_REQUEST: Final = b"GET / HTTP/1.0\r\n\r\n"
_WHOLE_ANSWER: Final = 1 << 16
"""More bytes than an answer has: it ends with its connection."""
_BODY: Final = re.compile(rb"\r\n\r\n(.+)\n$", re.DOTALL)


class Expected(NamedTuple):
    """What is to be seen of a LoadBalancer that nobody changes.

    `over` ends the backend's answer; "" stands for a connection that is cut without one. Of Envoy's counters `some` are above
    zero and `none` are zero.
    """

    loadbalancer: str
    text: str
    over: str
    some: Collection[str] = ()
    none: Collection[str] = ()


_HANDSHAKE, _UNVERIFIED, _NO_TLS = "ssl.handshake", "ssl.fail_verify_error", "ssl.connection_error"
_UNHEALTHY, _SENT = "health_check.failure", "upstream_cx_tx_bytes_total"
_HOSTS = "membership_total"

EXPECTED: Final = (
    Expected(parts.PLAIN, "reached in the clear", IN_THE_CLEAR, [_SENT], [_HANDSHAKE]),
    Expected(parts.INSECURE, "reached, though self-signed", OVER_TLS, [_HANDSHAKE, _SENT], [_UNVERIFIED]),
    Expected(parts.VERIFY, "reached: ca.crt has its CA", OVER_TLS, [_HANDSHAKE, _SENT], [_UNVERIFIED]),
    Expected(
        *(parts.INTERMEDIATE, "reached: ca.crt has the intermediate", OVER_TLS),
        *([_HANDSHAKE, _SENT], [_UNVERIFIED]),
    ),
    Expected(
        *(parts.WRONG_CA, "refused: ca.crt has another CA", ""),
        *([_UNVERIFIED, _UNHEALTHY], [_HANDSHAKE, _SENT]),
    ),
    Expected(parts.WITHOUT_REF, "reached in the clear, as documented", IN_THE_CLEAR, [_SENT], [_HANDSHAKE]),
    Expected(parts.MISSING_SECRET, "refused, nothing is sent", "", [], [_HOSTS, _HANDSHAKE, _SENT]),
    Expected(
        *(parts.PLAIN_BACKEND, "reset: the backend speaks no TLS", ""),
        *([_NO_TLS, _UNHEALTHY], [_HANDSHAKE, _SENT]),
    ),
    Expected(parts.ROTATION, "reached: nothing is rotated yet", OVER_TLS, [_HANDSHAKE, _SENT], [_UNVERIFIED]),
)
"""The rows in the order of the table."""


async def prove(loadbalancers: Mapping[str, Example], admin: Admin) -> list[Row]:
    """Return each row as it is once it is as expected, or else as it still is after `_PATIENCE`. Raises `UserError`."""
    if missing := {expected.loadbalancer for expected in EXPECTED} - loadbalancers.keys():
        raise UserError(
            f"there is no LoadBalancer {min(missing)}, of which the proof has a row: `git checkout` brings it back"
        )
    deadline = time.monotonic() + _PATIENCE
    return [
        await _settled(expected, loadbalancers[expected.loadbalancer], admin, deadline)
        for expected in EXPECTED
    ]


async def _settled(expected: Expected, example: Example, admin: Admin, deadline: float) -> Row:
    while True:
        row = await _look(expected, example, admin)
        if row.as_expected or time.monotonic() >= deadline:
            return row
        await asyncio.sleep(0.2)


async def _look(expected: Expected, example: Example, admin: Admin) -> Row:
    attempt = await _asked(example)
    said = _said(attempt, example)
    holds = said == f"reached {expected.over}" if expected.over else attempt.cut and not attempt.reply
    seen = [Evidence("client", said, holds)]
    try:
        seen += await evidence.counted(admin, example, some=expected.some, none=expected.none)
    except AdminError as error:
        seen.append(Evidence("missing", str(error), holds=False))
    return Row(example.name, example.asked, expected.text, tuple(seen))


async def watch(loadbalancers: Mapping[str, Example], say: Callable[[str], None]) -> NoReturn:
    """Say of each LoadBalancer what a client sees, and once a second whether it sees something else now."""
    told: dict[str, str] = {}
    while True:
        for name, example in loadbalancers.items():
            said = _said(await _asked(example), example)
            if told.get(name) != said:
                told[name] = said
                say(f"{datetime.now(UTC):%H:%M:%S}  {name:<26} {said}")
        await asyncio.sleep(1)


async def _asked(example: Example) -> Attempt:
    return await ask(example.port, _REQUEST, at_least=_WHOLE_ANSWER)


def _said(attempt: Attempt, example: Example) -> str:
    """Return the backend's answer, of which its own name is left out, or how the connection ended without one."""
    if body := _BODY.search(attempt.reply):
        return body[1].decode(errors="replace").removeprefix(f"{example.name}, ")
    return str(Outcome.CLOSED if attempt.cut else attempt.outcome)
