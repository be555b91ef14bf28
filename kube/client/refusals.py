"""An answer that is no success, as an ApiError: from a Status where there is one, else from whatever came. Pure."""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from math import isfinite
from typing import Final, Literal

import msgspec

from kube.client.errors import LONGEST, ApiError, short

LONGEST_MESSAGE: Final = 1000
"""Characters of a Status' message that are kept: those on invalid objects list every field."""

LONGEST_WAIT: Final = 600.0
"""Seconds that a server may ask us to wait: a mistaken proxy is not to stop the control plane for a day."""


class _Details(msgspec.Struct):
    retry_after: float | None = msgspec.field(default=None, name="retryAfterSeconds")


class _Status(msgspec.Struct):
    kind: Literal["Status"]
    reason: str | None = None
    message: str | None = None
    details: _Details | None = None


_STATUS: Final = msgspec.json.Decoder(_Status)


def refusal(status: int, headers: Mapping[str, str], body: bytes, *, now: datetime | None = None) -> ApiError:
    """Return what an answer says. `headers` are looked up in any case by their mapping; `body` may be cut."""
    wait = _retry_after(headers.get("Retry-After", ""), now or datetime.now(UTC))
    try:
        answer = _STATUS.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        text = short(body[: 8 * LONGEST].decode(errors="replace"))
        return ApiError(status, "", text or _phrase(status), wait)
    details = answer.details or _Details()
    if wait is None and details.retry_after:
        wait = _bounded(details.retry_after)
    message = short(answer.message or "", LONGEST_MESSAGE) or _phrase(status)
    return ApiError(status, short(answer.reason or ""), message, wait)


def redirect(status: int, location: str) -> ApiError:
    """Return the refusal to follow a redirect; what may be a secret in it is left out."""
    target = short(location.partition("?")[0].rpartition("@")[2]) or "nowhere"
    return ApiError(status, "", f"redirected to {target}, which is not followed: no API server does that")


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "no reason given"


def _retry_after(value: str, now: datetime) -> float | None:
    """Read the header: seconds, or an HTTP date."""
    value = value.strip()
    if not value:
        return None
    if value.isascii() and value.isdigit():
        return _bounded(float(value))
    try:
        date = parsedate_to_datetime(value)
    except ValueError:
        return None
    return _bounded((date.replace(tzinfo=date.tzinfo or UTC) - now).total_seconds())


def _bounded(seconds: float) -> float:
    return min(max(seconds, 0.0), LONGEST_WAIT) if isfinite(seconds) else LONGEST_WAIT
