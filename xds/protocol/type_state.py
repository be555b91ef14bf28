"""What one stream knows and wants of one type, whichever variant of the protocol it speaks.

A state machine without I/O: requests and changes of the snapshot go in, and what is owed to the client lies ready in
``upserts``, ``removals`` and ``denied`` until ``respond`` makes a response of it. When that may happen, and which type
goes first, is the sequencer's business. Rules by number: ``docs/xds-protocol.md``.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import chain, islice, repeat, takewhile
from types import MappingProxyType
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from xds.protocol.refusal import named_in
from xds.protocol.response import Response
from xds.protocol.subscription import Change, Subscription
from xds.snapshot import Resource, ResourceSet

# What a client holds under a name: a resource that it was sent, or the version that it presented when it came.
Held: TypeAlias = Resource | str
# The version of what a client may hold unseen; no resource has it.
UNKNOWN: Final = ""
# Responses that wait for an answer, and are remembered so that it can be told what was answered: more than Envoy leaves
# open in the 15 s for which a cluster may warm. A client that never answers is forgotten piece by piece.
_MAX_IN_FLIGHT: Final = 100
# The digest of what is refused where a removal is.
_GONE: Final = -1


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


class TypeState(ABC):
    """One type on one stream. ``now`` is in seconds of any steady clock."""

    #: Which of the two kinds of responses it makes.
    delta: bool
    #: Whether a response can say that a resource is gone, and an empty one that there are none.
    tells_absence: bool
    #: Whether each response carries everything, so that what it leaves out is deleted.
    carries_all: bool

    def __init__(self, type_url: str, leaving: Mapping[str, Leaving] = NOTHING_LEAVES) -> None:
        self.type_url = type_url
        # What left the set, by name: who asks for it by that name is sent it all the same. Its owner keeps it.
        self._leaving = leaving
        self.subscription = Subscription()
        self.started = False
        # Counts the stream's requests and changes; its owner sets it. What one transaction changes has one turn.
        self.turn = 0
        # Names to send and names that are gone, by the turn since which they are, oldest first; names asked for that do
        # not exist.
        self.upserts: dict[str, int] = {}
        self.removals: dict[str, int] = {}
        self.denied: dict[str, None] = {}
        # The turn of the newest change that is owed.
        self.newest = 0
        # A response is due even if it is empty; it is due at once, since it takes the last endpoints from a cluster.
        self.must_answer = False
        self.urgent = False
        self.in_flight: dict[str, Push] = {}
        # When the oldest response went out that is neither answered nor remembered, since the client's last answer.
        self._silent_since: float | None = None
        self._compared = False
        # What the client holds once it has applied everything sent, and which of it is to be sent all the same: where it
        # may have refused it, with the step that it may not have taken.
        self._known: dict[str, Held] = {}
        self._again: dict[str, Step | None] = {}
        # Digests of what the client refused, by name.
        self._refused: dict[str, int] = {}
        # Names that were sent, and whose answer will not be known for theirs: they count as ACKed with the next ACK.
        self._unanswered: dict[str, None] = {}

    @property
    def adds(self) -> bool:
        """Whether anything but removals is owed to the client."""
        return bool(self.upserts or self.denied or self.must_answer)

    @property
    def pending(self) -> bool:
        """Whether anything is owed to the client."""
        return self.adds or bool(self.removals)

    def open_since(self, *, removals: bool) -> int | None:
        """Return the turn of the oldest change, removals among them or not, that is owed or unanswered, if there is one."""
        turns = [push.turn for push in self.in_flight.values() if removals or push.response.changed]
        turns += islice(self.upserts.values(), 1)
        turns += islice(self.removals.values(), int(removals))
        return min(turns, default=None)

    @property
    def last_sent_at(self) -> float | None:
        """When the newest unanswered response went out, if there is one."""
        newest = next(reversed(self.in_flight.values()), None)
        return newest.sent_at if newest else None

    @property
    def waits_since(self) -> float | None:
        """When the oldest unanswered response went out, if there is one; one that had to be forgotten counts as well."""
        if self._silent_since is not None:
            return self._silent_since
        oldest = next(iter(self.in_flight.values()), None)
        return oldest.sent_at if oldest else None

    @property
    def unsettled(self) -> Iterator[str]:
        """The names of which something is owed, unanswered or refused; some of them twice."""
        steps = (push.steps for push in self.in_flight.values())
        return chain(self.upserts, self.removals, self.denied, self._refused, self._unanswered, *steps)

    @property
    def holdings(self) -> dict[str, Held]:
        """What the client is known to hold, by name."""
        return {name: held for name in self.tracked if (held := self.confirmed(name))}

    @property
    def tracked(self) -> Iterator[str]:
        """The names that the client may hold, some of them twice."""
        return chain(self._known, *(push.steps for push in self.in_flight.values()))

    def confirmed(self, name: str) -> Held | None:
        """Return what the client is known to hold under a name: what it ACKed, or came with; None for nothing."""
        if name in self._unanswered:
            return UNKNOWN
        step = self.under_way(name)
        if step is not None:
            return step.before
        return UNKNOWN if self._again.get(name) is not None else self._known.get(name)

    def under_way(self, name: str) -> Step | None:
        """Return the oldest step under a name that the client has not answered, None where there is none."""
        return next((push.steps[name] for push in self.in_flight.values() if name in push.steps), None)

    def refuses(self, resource: Resource) -> bool:
        """Return whether the client refused this very content, and nothing has made it worth another try."""
        return self._refused.get(resource.name) == resource.digest

    @abstractmethod
    def request(self, request: Any, resources: ResourceSet | None) -> Outcome:
        """Take a request of the client; ``resources`` is the type's current set, None while there is none."""

    def compare(self, resources: ResourceSet) -> None:
        """Compare everything that the client wants or holds with a set that is new to it."""
        self._compared = True
        wanted: Iterable[str] = resources.names if self.subscription.wildcard else self.subscription.names
        tracked = {**self._known, **self.upserts, **self._refused}
        if not tracked and not self._leaving:
            # A client that is new: many come at once when a server does, and there is nothing to weigh for them.
            if not self.subscription.wildcard:
                wanted = filter(resources.__contains__, wanted)
            self.upserts.update(dict.fromkeys(wanted, self.turn))
            self.newest = self.turn
            return
        for name in tracked | dict.fromkeys(wanted):
            self._weigh(name, resources)

    def settle(self, names: Iterable[str], resources: ResourceSet) -> None:
        """Compare names with the set, those that changed in it or in the subscription; the first time, everything."""
        if not self._compared:
            self.compare(resources)
            return
        for name in names:
            self._weigh(name, resources)

    @property
    def sent(self) -> Iterator[Resource]:
        """The resources that the client holds because it was sent them."""
        return (known for known in self._known.values() if isinstance(known, Resource))

    def resend(self, name: str, resources: ResourceSet | None) -> None:
        """Send a name again even though the client has it (rule 30); one that it was never sent is left alone."""
        if name in self._known:
            self._again.setdefault(name, None)
            if resources is not None:
                self._weigh(name, resources)

    def respond(self, nonce: str, now: float, resources: ResourceSet, *, removals_before: int) -> Response:
        """Make a response of what is owed, of removals those that are older than a turn, and count it as sent."""
        if self._owes_all(resources):
            return self._respond_all(nonce, now, resources)
        found: Iterable[Resource | None] = map(resources.get, self.upserts)
        if self._leaving:
            found = (resources.get(name) or self._left(name) for name in self.upserts)
        brought = tuple(resource for resource in found if resource is not None)
        removed: tuple[str, ...] = ()
        if self.removals:
            removed = tuple(takewhile(lambda name: self.removals[name] < removals_before, self.removals))
        gone = tuple(dict.fromkeys((*self.denied, *removed)))
        turns = (*islice(self.upserts.values(), 1), *(self.removals[name] for name in removed[:1]))
        steps = {resource.name: Step(self._before(resource), resource) for resource in brought}
        steps |= {name: Step(self._holds(name), None) for name in gone}
        self.must_answer = self.urgent = False
        self.upserts.clear()
        self.denied.clear()
        for name in removed:
            del self.removals[name]
        for name in steps:
            self._known.pop(name, None)
            self._again.pop(name, None)
        self._known.update((resource.name, resource) for resource in brought)
        changed = tuple(resource.name for resource in brought)
        response = self._completed(
            Response(self.type_url, nonce, resources.version, brought, changed, gone, delta=self.delta),
            resources,
        )
        self._remember(response, now, steps, min(turns, default=self.turn))
        return response

    def _owes_all(self, resources: ResourceSet) -> bool:
        """Whether all there is, and nothing else, is owed to a client that holds nothing yet, so that it can be shared."""
        if len(self.upserts) != len(resources) or not self.subscription.wildcard:
            return False
        particular = (
            self._known or self._again or self._refused or self._leaving or self.removals or self.denied
        )
        return not particular and self.upserts.keys() == resources.names

    def _respond_all(self, nonce: str, now: float, resources: ResourceSet) -> Response:
        """Make the response with everything: it is the same for all clients that come, and they come all at once."""
        whole = resources.whole(delta=self.delta)
        turn = next(iter(self.upserts.values()), self.turn)
        before = self._holds("")
        steps = dict(zip(whole.names, map(Step, repeat(before), whole.resources), strict=True))
        self.must_answer = self.urgent = False
        self.upserts.clear()
        self._known.update(zip(whole.names, whole.resources, strict=True))
        response = Response(
            self.type_url,
            nonce,
            resources.version,
            whole.resources,
            whole.names,
            removed=(),
            delta=self.delta,
            joined=whole.encoded,
        )
        self._remember(response, now, steps, turn)
        return response

    def _remember(self, response: Response, now: float, steps: dict[str, Step], turn: int) -> None:
        """Keep a response until it is answered."""
        while len(self.in_flight) >= _MAX_IN_FLIGHT:
            self._silent_since = self.waits_since
            self._unanswered.update(dict.fromkeys(self.in_flight.pop(next(iter(self.in_flight))).steps))
        # What was joined for all streams is let go of when it is written.
        kept = response._replace(joined=b"") if response.joined else response
        self.in_flight[response.nonce] = Push(kept, now, steps, turn)

    def _completed(self, response: Response, resources: ResourceSet) -> Response:  # noqa: ARG002 — for who carries all
        """Return a response with all that it has to carry besides what it brings."""
        return response

    def _before(self, resource: Resource) -> Held | None:
        """Return what the client holds before it is sent a resource."""
        doubted = self._again.get(resource.name)
        if doubted is None:
            return self._holds(resource.name)
        # Who refuses the same content now did not take it then either.
        same = doubted.after is not None and doubted.after.digest == resource.digest
        return doubted.before if same else UNKNOWN

    def _holds(self, name: str) -> Held | None:
        """Return what the client holds under a name, None for nothing."""
        return self._known.get(name)

    def _weigh(self, name: str, resources: ResourceSet) -> None:
        """Decide whether a name is to be sent, to be removed, or neither."""
        resource = resources.get(name) or self._still_wanted(name)
        if resource is None:
            self.upserts.pop(name, None)
            if not self.tells_absence:
                self._forget(name)  # rules 15 and 20: there is no way to say it, and no need
            elif self._refused.get(name) != _GONE:
                self._refused.pop(name, None)
                if name in self._known and name not in self.denied:
                    self.removals.setdefault(name, self.turn)
                    self.newest = self.turn
            return
        if not self.subscription.covers(name):
            self._forget(name)
            return
        self.removals.pop(name, None)
        self.denied.pop(name, None)
        refused = self.refuses(resource)
        if not refused:
            self._refused.pop(name, None)
        if not refused and (name in self._again or not is_content(self._known.get(name), resource)):
            self.upserts.setdefault(name, self.turn)
            self.newest = self.turn
            self.urgent = self.urgent or resource.without_endpoints
        else:
            self.upserts.pop(name, None)

    def _left(self, name: str) -> Resource | None:
        left = self._leaving.get(name)
        return left.resource if left else None

    def _still_wanted(self, name: str) -> Resource | None:
        """Return what left the set under a name where the client asks for just that, and does not hold it."""
        resource = self._left(name)
        if resource is None or name not in self.subscription.names:
            return None
        held = name not in self._again and is_content(self._known.get(name), resource)
        return None if held else resource

    def _ask(self, names: Iterable[str], resources: ResourceSet | None, *, everything: bool) -> None:
        """Take note of what was asked for now: it is sent whatever is believed of it, refused content too."""
        if everything:
            self.must_answer = self.tells_absence
            if resources is not None and self._compared:
                names = [*names, *resources.names, *self._refused]
        names = tuple(names)
        for name in names:
            self._refused.pop(name, None)
            if self._forget_steps(name):
                self._unanswered[name] = None
            if name in self._known:
                self._again.setdefault(name, None)
        if resources is not None:
            self.settle(names, resources)

    def _let_go(self, change: Change) -> None:
        """Take note of what the client no longer wants: it drops that by itself."""
        names: Collection[str] = change.dropped
        if change.lost_wildcard:
            self.must_answer = False
            names = {**self._known, **self.upserts, **self.removals, **self.denied, **self._refused}
        for name in names:
            if not self.subscription.covers(name):
                self._forget(name)

    def _forget(self, name: str) -> None:
        for tracked in (self._known, self._again, self.upserts, self.removals, self.denied, self._refused):
            tracked.pop(name, None)
        self._unanswered.pop(name, None)
        self._forget_steps(name)

    def _forget_steps(self, name: str) -> bool:
        """Let the answer to an earlier response say nothing about a name any more; returns whether one would have."""
        forgotten = [push.steps.pop(name, None) for push in self.in_flight.values()]
        return any(forgotten)

    def _answered(self, request: Any, resources: ResourceSet | None) -> Outcome:
        """Take an ACK or a NACK of a response in flight."""
        push = self._take(request.response_nonce)
        self._silent_since = None
        # A NACK is the presence of error_detail, nothing else (rule 5).
        if not request.HasField("error_detail"):
            self._unanswered.clear()
            return Outcome(self.type_url, "ack", push, asks=False)
        text: str = request.error_detail.message
        response = push.response
        named = named_in(text, [*(resource.name for resource in response.resources), *response.removed])
        self._hold_back(push, named)
        if resources is not None:
            self.settle(push.steps, resources)
        return Outcome(self.type_url, "nack", push, text, named or response.changed)

    def _take(self, nonce: str) -> Push:
        """Take an answered response from those in flight."""
        return self.in_flight.pop(nonce)

    def _hold_back(self, push: Push, named: tuple[str, ...]) -> bool:
        """Hold back what a NACK names, or all of the response if it names none, and send the rest again (rule 5).

        Returns whether the rest goes again.
        """
        rest_goes_again = bool(named) and self._can_do_without(named, push)
        number = int(push.response.nonce)
        later = [other for nonce, other in self.in_flight.items() if int(nonce) > number]
        for name, step in push.steps.items():
            following = next((other for other in later if name in other.steps), None)
            if following is not None:
                # What was sent since then decides, on top of what this response did not replace, if it did not.
                before = step.before if name in named else UNKNOWN
                following.steps[name] = Step(before, following.steps[name].after)
            elif not named or name in named:
                self._refuse(name, step, certain=bool(named))
            elif rest_goes_again:
                self._repeat(name, step)
        return rest_goes_again

    def _can_do_without(self, named: tuple[str, ...], push: Push) -> bool:
        """Whether the next response can leave out what was refused and delete nothing that the client may hold instead."""
        if not self.carries_all:
            return True
        steps = [push.steps.get(name) for name in named]
        return all(step is not None and not isinstance(step.before, str) for step in steps)

    def _refuse(self, name: str, step: Step, *, certain: bool) -> None:
        """Take note that the client keeps what it held: for certain where its text names the resource."""
        if step.after is None and self.carries_all:
            return  # whatever comes next leaves it out again
        self._refused[name] = step.after.digest if step.after else _GONE
        before = step.before
        if not certain and before is None and not self.carries_all:
            before = UNKNOWN  # it may have taken a part of what it refused as a whole
        if before is None:
            self._known.pop(name, None)
            return
        self._known[name] = before
        if not certain:
            self._again[name] = step

    def _repeat(self, name: str, step: Step) -> None:
        """Do again what a response did that the client refused for other names: it may have applied none of it."""
        if step.after is not None:
            self._again[name] = step
        else:
            self._known[name] = UNKNOWN
