"""What a response does by name, and what became of it: the values that a type's state keeps and that others read.

They hold no state of a stream; what is made of them is known to `type_state`.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal, NamedTuple, TypeAlias

from xds.protocol.response import Response
from xds.snapshot import Resource

# What a client holds under a name: a resource that it was sent, or the version that it presented when it came.
Held: TypeAlias = Resource | str
# The version of what a client may hold unseen; no resource has it.
UNKNOWN: Final = ""


class Step(NamedTuple):
    """What a response does under one name: from what the client held before (None: nothing) to what it brings (None: gone)."""

    before: Held | None
    after: Resource | None


class Leaving(NamedTuple):
    """A resource that left the snapshot, and the turn in which it did."""

    resource: Resource
    turn: int


class Push(NamedTuple):
    """A response that was sent and is not yet answered, and what it does by name.

    ``turn`` is that of the oldest change that it brings.
    """

    response: Response
    sent_at: float
    steps: dict[str, Step]
    turn: int


class Outcome(NamedTuple):
    """What a request turned out to be, for logs and statistics."""

    type_url: str
    kind: Literal["subscribe", "ack", "nack", "stale"]
    # The response that is ACKed or refused.
    push: Push | None = None
    # Of a NACK: the client's words, and the names that are held back until their content or the subscription changes.
    error: str = ""
    held: tuple[str, ...] = ()
    # Whether it asks for anything that the client would not be sent otherwise: an ACK and no more does not.
    asks: bool = True


NOTHING_LEAVES: Final[Mapping[str, Leaving]] = MappingProxyType({})


def is_content(held: Held | None, resource: Resource) -> bool:
    """Return whether what a client holds is this content; of a version that is the maker's own nobody can say so."""
    if isinstance(held, Resource):
        return held.digest == resource.digest
    return resource.hashed and held == resource.version
