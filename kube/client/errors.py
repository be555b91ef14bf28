"""The three things that go wrong between us and an API server: no credentials, no answer, or a refusal.

Every exception of kubernetes.aio, aiohttp, ssl and yaml becomes one of these where it appears. Each text fits in one line
and holds no token.
"""

from typing import Final

LONGEST: Final = 200
"""Characters of a foreign text that an error quotes."""


class AccessError(Exception):
    """The credentials cannot be used; the text names the file, the field, what is wrong with it, and the remedy."""


class Unreachable(Exception):  # noqa: N818  # the state of the server, not of the program
    """There is no answer, or not the whole of one; the text says what happened, and where.

    `by_tls`: the TLS handshake failed, so that newer certificates may help.
    """

    def __init__(self, text: str, *, by_tls: bool = False) -> None:
        super().__init__(text)
        self.by_tls = by_tls


class ApiError(Exception):
    """The API server's refusal.

    `reason` is the Status' (empty when the answer is no Status), `retry_after` is in seconds from now.
    """

    def __init__(self, status: int, reason: str, message: str, retry_after: float | None = None) -> None:
        super().__init__(f"{status} {reason}: {message}" if reason else f"{status}: {message}")
        self.status = status
        self.reason = reason
        self.message = message
        self.retry_after = retry_after


def short(text: str, longest: int = LONGEST) -> str:
    """Return a foreign text as one line of at most so many characters, all of them printable."""
    line = " ".join(text[: 4 * longest].split())
    line = "".join(character if character.isprintable() else "�" for character in line)
    return line if len(line) <= longest else line[: longest - 1] + "…"
