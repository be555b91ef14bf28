"""What one stream knows and wants of one type, whichever variant of the protocol it speaks.

A state machine without I/O: requests and changes of the snapshot go in, and what is owed to the client lies ready in
``upserts``, ``removals`` and ``denied`` until ``respond`` makes a response of it. When that may happen, and which type
goes first, is the sequencer's business.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, Final, Literal, NamedTuple

from xds.protocol.response import Response
from xds.protocol.subscription import Subscription
from xds.snapshot import Resource, ResourceSet

# Stands for "the client may hold something under this name, and it is to be sent again".
_STALE: Final = ""
# Responses that wait for an ACK, remembered so that it can be told what was ACKed; a client that never ACKs is forgotten
# piece by piece.
_MAX_IN_FLIGHT: Final = 16
# What a resource's name is made of, for finding names in the text of a NACK.
_NAME_CHARACTER: Final = r"[A-Za-z0-9_.:/\-]"


class Push(NamedTuple):
    """A response that was sent and is not yet answered."""

    response: Response
    sent_at: float


class Outcome(NamedTuple):
    """What a request turned out to be, for logs and statistics."""

    kind: Literal["subscribe", "ack", "nack", "stale"]
    # The response that is ACKed or refused.
    push: Push | None = None
    # Of a NACK: the client's words, and the names that are held back until their content changes.
    error: str = ""
    held: tuple[str, ...] = ()


class TypeState(ABC):
    """One type on one stream. ``now`` is in seconds of any steady clock."""

    #: Whether a resource's absence from a response deletes it at the client.
    full: bool

    def __init__(self, type_url: str) -> None:
        self.type_url = type_url
        self.subscription = Subscription()
        self.started = False
        self._compared = False
        # Insertion-ordered sets: names to send, names that are gone, names asked for that do not exist.
        self.upserts: dict[str, None] = {}
        self.removals: dict[str, None] = {}
        self.denied: dict[str, None] = {}
        # A response is due even if it is empty.
        self.must_answer = False
        self.in_flight: dict[str, Push] = {}
        # What the client holds once it has applied everything sent: the resource itself, or the version that it
        # presented when it came.
        self._known: dict[str, Resource | str] = {}
        # Digests of what the client refused, by name.
        self._refused: dict[str, int] = {}

    @property
    def pending(self) -> bool:
        """Whether anything is owed to the client."""
        return bool(self.upserts or self.removals or self.denied or self.must_answer)

    @property
    def last_sent_at(self) -> float | None:
        """When the newest unanswered response went out, if there is one."""
        newest = next(reversed(self.in_flight.values()), None)
        return newest.sent_at if newest else None

    @abstractmethod
    def request(self, request: Any, resources: ResourceSet | None) -> Outcome:
        """Take a request of the client; ``resources`` is the type's current set, None while there is none."""

    @abstractmethod
    def respond(self, nonce: str, now: float, resources: ResourceSet, *, removals: bool) -> Response:
        """Make a response of what is owed, removals only where they are allowed, and count it as sent."""

    def settle(self, names: Iterable[str], resources: ResourceSet) -> None:
        """Compare names with the set, those that changed in it or in the subscription; the first time, all."""
        if self._compared:
            for name in names:
                self._weigh(name, resources)
        else:
            self._compared = True
            self.refresh(resources)

    def refresh(self, resources: ResourceSet) -> None:
        """Compare everything that the client wants or holds with the set."""
        wanted = resources.names if self.subscription.wildcard else self.subscription.names
        for name in [*self._known, *wanted]:
            self._weigh(name, resources)

    def resend(self, name: str, resources: ResourceSet) -> None:
        """Send a name again even though the client has it (rule 30); one that it was never sent is left alone."""
        if name in self._known:
            self._known[name] = _STALE
            self._weigh(name, resources)

    def _weigh(self, name: str, resources: ResourceSet) -> None:
        """Decide whether a name is to be sent, to be removed, or neither."""
        resource = resources.get(name)
        if resource is None:
            self.upserts.pop(name, None)
            self._refused.pop(name, None)
            if name in self._known:
                self._gone(name)
            return
        self.removals.pop(name, None)
        self.denied.pop(name, None)
        if (
            self.subscription.covers(name)
            and not self._is_current(name, resource)
            and self._refused.get(name) != resource.digest
        ):
            self.upserts[name] = None
        else:
            self.upserts.pop(name, None)

    @abstractmethod
    def _gone(self, name: str) -> None:
        """Take note that what the client holds no longer exists."""

    def _is_current(self, name: str, resource: Resource) -> bool:
        known = self._known.get(name)
        if known is None or isinstance(known, str):
            return known == resource.version
        return known.digest == resource.digest

    def _want(self, name: str) -> None:
        """Note that a name was asked for: it is sent whatever is believed of it, refused content too."""
        self._refused.pop(name, None)
        if name in self._known:
            self._known[name] = _STALE

    def _forget(self, name: str) -> None:
        """Note that the client no longer wants a name, and drops it by itself."""
        for held in (self._known, self.upserts, self.removals, self.denied, self._refused):
            held.pop(name, None)

    def _sent(self, response: Response, now: float) -> None:
        self.must_answer = False
        while len(self.in_flight) >= _MAX_IN_FLIGHT:
            del self.in_flight[next(iter(self.in_flight))]
        self.in_flight[response.nonce] = Push(response, now)

    def _answered(self, request: Any, resources: ResourceSet | None) -> Outcome:
        """Take an ACK or a NACK of a response in flight."""
        push = self.in_flight.pop(request.response_nonce)
        # A NACK is the presence of error_detail, nothing else (rule 5).
        if not request.HasField("error_detail"):
            return Outcome("ack", push)
        text: str = request.error_detail.message
        changed = push.response.changed
        if self.full:
            # Whatever the next change brings has to carry these again: absence would delete them.
            held = named_in(text, (resource.name for resource in push.response.resources)) or changed
        else:
            held = named_in(text, changed) or changed
            digests = {resource.name: resource.digest for resource in push.response.resources}
            self._refused.update((name, digests[name]) for name in held)
            # The client may have applied none of it: what it did not name goes out again, without what it did.
            self._known.update(dict.fromkeys(changed, _STALE))
            if resources is not None:
                self.settle(changed, resources)
        return Outcome("nack", push, text, held)


def named_in(text: str, names: Iterable[str]) -> tuple[str, ...]:
    """Return the names that a NACK's text names, as whole words: ``web`` is not in ``my-web refused``."""
    return tuple(
        name
        for name in names
        if name in text
        and re.search(rf"(?<!{_NAME_CHARACTER}){re.escape(name)}(?!{_NAME_CHARACTER}*[A-Za-z0-9])", text)
    )
