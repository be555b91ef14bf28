"""How one stream's client stands to each resource.

That is read from the stream's state when somebody asks; kept here are the words of its NACKs and the moments of its ACKs. Time
is passed in. Which streams make up an Envoy is known elsewhere.
"""

from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple

from xds.protocol.acks import Acks
from xds.protocol.steps import Outcome, is_content
from xds.protocol.stream import StreamState
from xds.snapshot import Resource

_LONGEST_TEXT: Final = 2000
"""Characters kept of a NACK's text. Envoy's own name each resource that it refused."""
WHOLE: Final = ""
"""Instead of a name: a response that was refused as a whole, and brought nothing that is still there."""


class Standing(StrEnum):
    """How an Envoy stands to the newest content of a resource, from good to bad.

    A resource that is gone is ACKed by an Envoy that does not hold it.
    """

    ACKED = "acked"
    #: It does not ask for the resource, or not yet; or nothing is served, as before a snapshot is set.
    UNASKED = "unasked"
    #: It was sent, and not answered yet. An Envoy that warms a cluster answers when that is warm.
    SENT = "sent"
    #: It is to be sent, as soon as what goes before it is done.
    PENDING = "pending"
    REFUSED = "refused"


WORST_LAST: Final = tuple(Standing)


class Refusal(NamedTuple):
    """One resource that one Envoy refused.

    ``name`` is "" where the whole response was refused, and ``version`` that of the resource, or of the type then. ``at`` is
    the moment of the NACK, ``text`` Envoy's words.
    """

    tenant: str
    node: str
    type_url: str
    name: str
    version: str
    at: datetime
    text: str


class ResourceState(NamedTuple):
    """How one Envoy stands to one resource.

    ``acked`` is the version that it holds, "" for none or an unknown one, and ``acked_at`` when it ACKed that, as ``Acks.when``
    has it.
    """

    name: str
    standing: Standing
    acked: str
    acked_at: datetime | None


class _Nack(NamedTuple):
    at: datetime
    text: str


class StreamRecord:
    """One stream: what was ACKed on it by type, and what was refused by type and name, with the version and the NACK.

    ``only_type`` is "" of an aggregated one.
    """

    __slots__ = ("acks", "only_type", "refusals", "state")

    def __init__(self, only_type: str, state: StreamState) -> None:
        self.only_type = only_type
        self.state = state
        self.acks: dict[str, Acks] = {}
        self.refusals: dict[str, dict[str, tuple[str, _Nack]]] = {}

    def standing(self, type_url: str, name: str) -> Standing:
        """Return how its client stands to a resource."""
        state, resources = self.state.of_type(type_url), self.state.resources(type_url)
        if state is None or resources is None or not state.subscription.covers(name):
            return Standing.UNASKED
        resource = resources.get(name)
        held = state.confirmed(name)
        owed = name in state.upserts or name in state.removals
        sent = any(name in push.steps for push in state.in_flight.values())
        # Who holds it and is on the way to something else, as when content goes and comes back, has not ACKed it.
        if not owed and not sent and (held is None if resource is None else is_content(held, resource)):
            return Standing.ACKED
        if resource is not None and state.refuses(resource):
            return Standing.REFUSED
        return Standing.SENT if sent and not owed else Standing.PENDING

    def resource_state(self, type_url: str, name: str, standing: Standing) -> ResourceState:
        """Return how its client stands to a resource, with the version that it holds."""
        state = self.state.of_type(type_url)
        held = state.confirmed(name) if state else None
        version = held.version if isinstance(held, Resource) else held or ""
        acks = self.acks.get(type_url)
        return ResourceState(name, standing, version, acks.when(name) if acks and version else None)

    def asks(self, type_url: str, name: str) -> bool:
        """Whether its client asks for a resource, or holds it."""
        state = self.state.of_type(type_url)
        return state is not None and (state.subscription.covers(name) or state.confirmed(name) is not None)

    def names(self, type_url: str) -> Iterator[str]:
        """Yield the names that its client asked for or may hold, some of them twice."""
        state, resources = self.state.of_type(type_url), self.state.resources(type_url)
        if state is not None:
            yield from state.subscription.names
            yield from state.tracked
            yield from resources.names if resources is not None and state.subscription.wildcard else ()

    def open(self, type_url: str) -> Iterator[str]:
        """Yield the names that its client has not ACKed as they are now, and maybe others: it costs what is open."""
        state = self.state.of_type(type_url)
        yield from state.unsettled if state is not None else ()

    def size(self, type_url: str) -> int:
        """Return how many resources its client is to have."""
        state, resources = self.state.of_type(type_url), self.state.resources(type_url)
        if state is None or resources is None:
            return 0
        return (
            len(resources)
            if state.subscription.wildcard
            else sum(name in resources for name in state.subscription.names)
        )

    def acked(self, outcome: Outcome, now: datetime) -> None:
        """Keep the moment of an ACK."""
        acks = self.acks.get(outcome.type_url)
        if acks is None:
            acks = self.acks[outcome.type_url] = Acks()
        if outcome.push is not None:
            acks.add(now, outcome.push.response.version, outcome.push.steps)

    def nacked(self, outcome: Outcome, now: datetime) -> None:
        """Keep a NACK for each resource that it is about."""
        if outcome.push is None:
            return
        response = outcome.push.response
        versions = {resource.name: resource.version for resource in response.resources}
        nack = _Nack(now, outcome.error[:_LONGEST_TEXT])
        refusals = self.refusals.setdefault(outcome.type_url, {})
        about = [name for name in outcome.held if self._stands(outcome.type_url, name)]
        for name in about:
            refusals.pop(name, None)  # the newest is last
            refusals[name] = versions.get(name, ""), nack
        if not about:
            refusals[WHOLE] = response.version, nack

    def review(self, type_url: str) -> None:
        """Forget the NACKs of what has been ACKed since, or is gone."""
        refusals = self.refusals.get(type_url, {})
        for name in [name for name in refusals if name != WHOLE and not self._stands(type_url, name)]:
            del refusals[name]
        if not refusals:
            self.refusals.pop(type_url, None)

    def _stands(self, type_url: str, name: str) -> bool:
        """Whether the resource is there, is asked for, and is not ACKed as it is now; nothing is known while none is served."""
        state, resources = self.state.of_type(type_url), self.state.resources(type_url)
        if state is None or resources is None:
            return state is not None
        resource = resources.get(name)
        return (
            resource is not None
            and state.subscription.covers(name)
            and not is_content(state.confirmed(name), resource)
        )
