"""State of the world: a type's subscription where each request states everything and each response may.

Rules by number: ``docs/xds-protocol.md``.
"""

from collections.abc import Mapping
from typing import Any, Final

from xds.protocol.response import Response
from xds.protocol.type_state import NOTHING_LEAVES, UNKNOWN, Held, Leaving, Outcome, Push, Step, TypeState
from xds.snapshot import Resource, ResourceSet
from xds.snapshot.types import CLUSTER, LISTENER

# Rule 14: of these a response carries everything, and what is absent is deleted. Of others it carries what changed.
_FULL: Final = frozenset({CLUSTER, LISTENER})


class SotwState(TypeState):
    """One type on a stream of ``DiscoveryRequest``s."""

    delta = False

    def __init__(self, type_url: str, leaving: Mapping[str, Leaving] = NOTHING_LEAVES) -> None:
        super().__init__(type_url, leaving)
        self.carries_all = self.tells_absence = type_url in _FULL
        self._nonce = ""
        # The version that the client presented on its first request.
        self._presented = ""
        # Whether it may hold what is not known of it: from an earlier stream, or since it refused a response as a whole.
        self._holds_unseen = False

    def request(self, request: Any, resources: ResourceSet | None) -> Outcome:
        """Take a request: an ACK, a NACK, other names, or several of them at once."""
        outcome = Outcome(self.type_url, "subscribe")
        if self.started:
            nonce = request.response_nonce
            if nonce in self.in_flight:
                outcome = self._answered(request, resources)
                if outcome.kind == "ack" and self.carries_all:
                    self._accept(outcome.push)
            if nonce != self._nonce:
                # Rules 12 and 13: the client has a newer response to answer yet, and will state its names then. What it
                # lets go of meanwhile is new to it when it returns (rule 16); a full response brings that anyway.
                if not self.carries_all:
                    self._let_go(self.subscription.narrow(request.resource_names))
                return outcome if outcome.push else Outcome(self.type_url, "stale")
        else:
            self.started = True
            self._presented = request.version_info
        change = self.subscription.replace(request.resource_names)
        self._let_go(change)
        self._ask(change.added, resources, everything=change.gained_wildcard)  # rule 16
        if change.added or change.gained_wildcard:
            return outcome._replace(asks=True)
        return outcome

    def compare(self, resources: ResourceSet) -> None:
        """Compare everything, the first time by the version that the client came with."""
        presented, self._presented = self._presented, ""
        if presented and self.carries_all:
            only_wildcard = self.subscription.wildcard and not self.subscription.names
            if only_wildcard and resources.hashed and presented == resources.version:
                # Rule 19: it has all of this, and no subscription can be new.
                self._known.update((resource.name, resource) for resource in resources)
                self.must_answer = False
            else:
                # It may hold what is gone, and only a response without that can say so.
                self._holds_unseen = self.must_answer = True
        super().compare(resources)

    def respond(self, nonce: str, now: float, resources: ResourceSet, *, removals_before: int) -> Response:
        """Make a response: of clusters and listeners everything, of other types what is owed."""
        self._nonce = nonce
        return super().respond(nonce, now, resources, removals_before=removals_before)

    def _completed(self, response: Response, resources: ResourceSet) -> Response:
        if not self.carries_all:
            return response
        wildcard = self.subscription.wildcard
        if wildcard and not self._refused and not self.removals:
            whole = resources.whole(delta=False)
            return response._replace(resources=whole.resources, joined=whole.encoded)
        wanted = resources if wildcard else map(resources.get, sorted(self.subscription.names))
        carried = [kept for resource in wanted if resource and (kept := self._accepted(resource))]
        # What is to be removed later is kept by naming it still.
        waiting = (self._known.get(name) for name in self.removals)
        carried += [known for known in waiting if isinstance(known, Resource)]
        return response._replace(resources=tuple(carried), version=resources.version_of(carried))

    def _accepted(self, resource: Resource) -> Resource | None:
        """Return what stands for a resource: where the client refused it, what it holds instead, None for nothing."""
        if self._refused.get(resource.name) != resource.digest:
            return resource
        held = self._known.get(resource.name)
        # What it may hold unseen would be deleted by leaving it out: better refused again than gone.
        return resource if isinstance(held, str) else held

    def _holds(self, name: str) -> Held | None:
        return self._known.get(name, UNKNOWN if self._holds_unseen else None)

    def _hold_back(self, push: Push, named: tuple[str, ...]) -> bool:
        rest_goes_again = super()._hold_back(push, named)
        self._holds_unseen = self._holds_unseen or (self.carries_all and not rest_goes_again)
        return rest_goes_again

    def _accept(self, push: Push | None) -> None:
        """Take note that the client holds all that an ACKed response carries, and nothing else."""
        self._holds_unseen = False
        if push is not None and self._refused:
            for resource in push.response.resources:
                if self._refused.get(resource.name) == resource.digest:
                    del self._refused[resource.name]
                    self._again.pop(resource.name, None)
                    self._known[resource.name] = resource

    def _take(self, nonce: str) -> Push:
        """Take an answered response, and those before it with it: Envoy answers only the newest of several.

        Its words may then be about any of them, so that nobody knows what it held before.
        """
        push = super()._take(nonce)
        older = [other for other in self.in_flight.values() if int(other.response.nonce) < int(nonce)]
        if not older:
            return push
        steps: dict[str, Step] = {}
        for other in [*older, push]:
            self.in_flight.pop(other.response.nonce, None)
            steps |= {name: Step(UNKNOWN, step.after) for name, step in other.steps.items()}
        return push._replace(steps=steps)
